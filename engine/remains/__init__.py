"""Training of the network that finds remains: `python -m engine.remains PHOTOS --out remains.safetensors`."""
