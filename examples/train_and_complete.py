"""Train a tiny network and complete a photo with it: python examples/train_and_complete.py photos/ run/

A few iterations on a CPU, to see how the parts fit together; `engine-train --preset lite` is for good results.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from engine import Completer
from engine.training.config import TrainConfig
from engine.training.trainer import train


def main(photos: Path, run: Path) -> None:
    config = TrainConfig(
        photos=photos,
        out=run,
        crop_size=32,
        shorter_edge=(32, 48),
        patch_size=16,
        hole_size=(6, 12),
        base_width=4,
        discriminator_width=4,
        discriminator_features=8,
        batch=4,
        iterations=6,
        split=(34, 33, 33),
        workers=0,
        device="cpu",
    )
    outcome = train(config)
    photo_HW3 = np.asarray(Image.open(next(photos.iterdir())).convert("RGB"))
    mask_HW = np.zeros(photo_HW3.shape[:2], bool)
    mask_HW[20:30, 24:36] = True
    completed_HW3 = Completer.load(outcome.weights).complete(photo_HW3, mask_HW)
    Image.fromarray(completed_HW3).save(run / "completed.png")
    print(f"{outcome.iteration} iterations; {run / 'completed.png'}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
