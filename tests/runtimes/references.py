"""Exports the default weights, for `check.py`, which has no PyTorch: graphs, inputs and PyTorch's outputs.

    .venv/bin/python -m tests.runtimes.references build/runtimes

writes any/default.onnx, 512x512/default.onnx and references.npz, which holds both arrays of each size by their names.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from engine.inference.graphs.export import example
from engine.weights import load_weights

SIZES = ((256, 256), (512, 512), (180, 332))


def export(folder: Path, *options: str) -> None:
    """default.onnx in `folder`, written by engine-export."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ("default", "--to", "onnx", "--out", str(folder / "default.onnx"), *options)
    subprocess.run([sys.executable, "-m", "engine.commands.export", *words], check=True)


@torch.inference_mode()
def references() -> dict[str, np.ndarray]:
    """Noise with a hole in its middle, and what PyTorch makes of it, by names such as holed_180x332."""
    network = load_weights("default")
    generator = torch.Generator().manual_seed(0)
    arrays = {}
    for height, width in SIZES:
        holed_N4HW = example((1, 4, height, width), 0.0, 1.0, generator)
        arrays[f"holed_{height}x{width}"] = holed_N4HW.numpy()
        arrays[f"generated_{height}x{width}"] = network(holed_N4HW).numpy()
    return arrays


if __name__ == "__main__":
    out = Path(sys.argv[1])
    export(out / "any")
    export(out / "512x512", "--size", "512,512")
    np.savez(out / "references.npz", **references())
