"""Training of the refinement network: `python -m engine.refining PHOTOS --out refinement.safetensors`."""
