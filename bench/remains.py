"""Completions from masks that miss bits of a thing, and from such that do not: `python -m bench.remains PHOTOS`.

Things out of other photos are put into photos of 256x256, as `engine.remains.samples` makes them up; what is completed
is compared with the photo without the thing, where the painted mask lies.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated

import cv2
import numpy as np
import tyro

from data.catalog import Catalog
from data.decode import Pixels
from engine.evaluation import Task
from engine.inference.completer import Completer
from engine.inference.holes.mask import Mask, prepare_mask
from engine.inference.masks.remains import find_remains
from engine.metrics import measure
from engine.quality import FeatureDistance
from engine.remains.samples import SIDE, painted, shape, surface


@dataclass(frozen=True, kw_only=True)
class Config:
    """Options of the command."""

    photos: Annotated[Path, tyro.conf.Positional]
    """A folder of photos that the network was not trained on."""
    number: int = 100
    """Photos, spread evenly over the folder."""
    seed: int = 0


def thing_in(photo_SS3: Pixels, other_SS3: Pixels, generator: np.random.Generator) -> tuple[Pixels, Mask]:
    """The photo with a thing of the other one in it, and that thing's pixels."""
    thing_SS = np.zeros((SIDE, SIDE), np.bool_)
    while not 400 <= np.count_nonzero(thing_SS) <= 0.35 * SIDE**2:
        thing_SS = shape(generator)
    share_SS1 = cv2.GaussianBlur(thing_SS.astype(np.float32), (0, 0), 0.8)[..., None]
    with_SS3 = photo_SS3 + share_SS1 * (surface(generator, other_SS3) - photo_SS3)
    return np.rint(with_SS3).clip(0, 255).astype(np.uint8), thing_SS


def main(config: Config) -> None:
    """Print the means over the photos, way by way."""
    task = Task.of(Catalog.open(config.photos), "random", config.seed, config.number, SIDE)
    completer, features = Completer.load(device="cpu"), FeatureDistance.load()
    scores: dict[str, list[tuple[float, float]]] = {}
    found = {"missed by a mask": [], "around a mask with nothing under it": []}  # type: dict[str, list[int]]
    for place, i in enumerate(task.photos):
        generator = np.random.default_rng([config.seed, place])
        photo_SS3, other_SS3 = task.photo(i), task.photo(task.photos[place - 1])
        with_SS3, thing_SS = thing_in(photo_SS3, other_SS3, generator)
        whole_SS, some_SS = painted(generator, thing_SS, False), painted(generator, thing_SS, True)
        if not some_SS.any():
            continue
        hole_SS, _ = prepare_mask(some_SS, some_SS.shape, None)
        ways = {
            "all covered": (with_SS3, whole_SS, 4),
            "some missed": (with_SS3, some_SS, 4),
            "some missed, and found": (with_SS3, some_SS, None),
            "no thing": (photo_SS3, whole_SS, 4),
            "no thing, but looked for": (photo_SS3, whole_SS, None),
        }
        for name, (before_SS3, mask_SS, dilate) in ways.items():
            completed_SS3 = completer.complete(before_SS3, mask_SS, dilate=dilate)
            asked_SS = hole_SS if mask_SS is some_SS else prepare_mask(mask_SS, mask_SS.shape, None)[0]
            looks = features.looks(completed_SS3, photo_SS3, asked_SS)
            psnr = measure(completed_SS3, photo_SS3, asked_SS).psnr_hole
            scores.setdefault(name, []).append((looks.feature_distance, psnr))
        for name, (before_SS3, mask_SS) in zip(found, ((with_SS3, some_SS), (photo_SS3, whole_SS)), strict=True):
            remains_SS = find_remains(before_SS3, mask_SS, prepare_mask(mask_SS, mask_SS.shape, None)[0])
            found[name].append(0 if remains_SS is None else int(np.count_nonzero(remains_SS)))
    for name, pairs in scores.items():
        distances, psnrs = zip(*pairs, strict=True)
        print(f"{name:26} feature distance {fmean(distances):.3f}  PSNR in the hole {fmean(psnrs):.2f} dB")
    for name, pixels in found.items():
        print(f"{name}: something found in {fmean(p > 0 for p in pixels):.0%}, {fmean(pixels):.0f} pixels on average")


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
