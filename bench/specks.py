"""python -m bench.specks FOLDER [--odd] [--reduce 2] [--size 512]: specks that overlap, by a plate and by the network.

The holes have 41 to 300 px, and 5 to 14 px across: nothing but the softness of their surroundings keeps them from the
network. SOFT in engine/inference/holes/thin.py was chosen by the even ones of the photos; the odd ones are what it is
told of. What is lost is PSNR, hole by hole.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.inference.completer import Completer
from engine.inference.holes.contrast import contrast_near
from engine.inference.holes.mask import Mask, components, thickness, widen
from engine.inference.holes.thin import SMALL, SMALL_IF_SOFT, THIN, THIN_IF_FAINT, bends_near, fill_thin_hole
from engine.inference.pixels import Pixels

LIMITS = (12, 18, 24, 30, 36, 48, np.inf)
"""Levels of 255 times pixels across the hole."""

CROP = 512
"""Largest side in pixels of a photo; of larger ones, parts of this size are taken."""

APART, HALF = 24, 36
"""Pixels between two holes, and half the side of the square that one is drawn in."""

ROUNDING = 1 / 12
"""Levels squared: what an exact fill would be off the photo before it was rounded."""


def photos(files: list[Path], reduce: int, size: int, crops: int) -> Iterator[Pixels]:
    """The photos, or parts of the large ones, first reduced or brought to a size where that is asked for."""
    for number, file in enumerate(files):
        image, generator = Image.open(file).convert("RGB").reduce(reduce), np.random.default_rng(number)
        if size:
            enlarged = size / min(image.size)
            image = image.resize([round(side * enlarged) for side in image.size], Image.Resampling.LANCZOS)
        photo_HW3 = np.asarray(image)
        for _ in range(crops if max(image.size) > 2 * CROP else 1):
            top, left = (int(generator.integers(max(side - CROP, 0) + 1)) for side in photo_HW3.shape[:2])
            yield np.ascontiguousarray(photo_HW3[top : top + CROP, left : left + CROP])


def overlapping_specks(generator: np.random.Generator) -> Mask:
    """Two to five as `dusty_scan` in bench/test_peers.py has them, or one that is larger, widened by up to 3 px."""
    drawn_HW, middle_2 = np.zeros((2 * HALF, 2 * HALF), np.uint8), np.full(2, float(HALF))
    alone = generator.random() < 1 / 3
    for _ in range(1 if alone else int(generator.integers(2, 6))):
        axes = generator.uniform(*((6, 14) if alone else (3, 7)), 2)
        cv2.ellipse(drawn_HW, (middle_2.tolist(), axes.tolist(), generator.uniform(0, 180)), 1, -1)
        towards = generator.uniform(0, 2 * np.pi)
        middle_2 += generator.uniform(2, 5.5) * np.array([np.cos(towards), np.sin(towards)])
    return widen(drawn_HW > 0, int(generator.integers(4)))


def mask_of(size: tuple[int, ...], generator: np.random.Generator) -> Mask:
    """As many holes as are tried and have room."""
    mask_HW, taken_HW = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
    for _ in range(size[0] * size[1] // 1500):
        y, x = (int(generator.integers(HALF, side - HALF)) for side in size)
        here = slice(y - HALF, y + HALF), slice(x - HALF, x + HALF)
        hole_HW = overlapping_specks(generator)
        fits = SMALL < np.count_nonzero(hole_HW) <= SMALL_IF_SOFT and THIN < thickness(hole_HW) <= THIN_IF_FAINT
        if fits and not (taken_HW[here] & hole_HW).any():
            mask_HW[here] |= hole_HW
            taken_HW[here] |= widen(hole_HW, APART)
    return mask_HW


def judged(completer: Completer, photo_HW3: Pixels, generator: np.random.Generator) -> Iterator[tuple[float, ...]]:
    """Of each hole, the bends around it times the pixels across it, and the squared errors of both."""
    mask_HW = mask_of(photo_HW3.shape[:2], generator)
    if not mask_HW.any():
        return
    holed_HW3 = np.where(mask_HW[..., None], 0, photo_HW3).astype(np.uint8)
    by_network_HW3 = completer.complete(holed_HW3, mask_HW, texture="none")
    for where, part_HW in components(mask_HW):
        if contrast_near(holed_HW3, mask_HW, where, part_HW).is_faint(np.dtype(np.uint8)):
            continue
        soft = 255 * bends_near(holed_HW3, mask_HW, where, part_HW) * thickness(np.pad(part_HW, 1))
        by_plate_HW3 = holed_HW3.copy()
        fill_thin_hole(by_plate_HW3, where, part_HW)
        true_P3 = photo_HW3[where][part_HW].astype(np.float64)
        yield soft, *(np.square(one[where][part_HW] - true_P3).mean() for one in (by_plate_HW3, by_network_HW3))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--odd", action="store_true", help="the photos that the limit was not chosen on")
    parser.add_argument("--every", type=int, default=1, help="of these, each so many's")
    parser.add_argument("--reduce", type=int, default=1, help="by so many times")
    parser.add_argument("--size", type=int, default=0, help="of the shorter side in pixels, to bring photos to")
    parser.add_argument("--crops", type=int, default=16, help="of a large photo")
    asked = parser.parse_args()
    files = sorted(asked.folder.iterdir())[asked.odd :: 2][:: asked.every]
    completer, generator = Completer.load(runtime="onnx", precision="fp32", device="cpu"), np.random.default_rng(0)
    rows = [
        row
        for photo_HW3 in photos(files, asked.reduce, asked.size, asked.crops)
        for row in judged(completer, photo_HW3, generator)
    ]
    print(f"{len(rows)} holes on {len(files)} photos")
    print("| up to | holes | squared error there: plate, network | lost there, dB | lost of all, dB | error of all |")
    print("|---|---:|---:|---:|---:|---:|")
    for limit in LIMITS:
        print(f"| {limit} | {told(np.array(rows), limit)} |")


def told(rows_K3: NDArray[np.float64], limit: float) -> str:
    """A line of the table: if holes in surroundings that are as soft as this were filled by a plate."""
    soft_K = rows_K3[:, 0] <= limit
    by_plate_K, by_network_K = rows_K3[:, 1:].T
    lost_K = 10 * np.log10((by_plate_K + ROUNDING) / (by_network_K + ROUNDING)) * soft_K
    share, errors_2 = soft_K.mean(), rows_K3[soft_K, 1:].mean(0) if soft_K.any() else (np.nan, np.nan)
    lost, error = lost_K.mean(), np.where(soft_K, by_plate_K, by_network_K).mean()
    there = f"{errors_2[0]:.1f}, {errors_2[1]:.1f} | {lost / max(share, 1e-9):+.2f}"
    return f"{share:.1%} | {there} | {lost:+.3f} ({lost_K.std() / len(lost_K) ** 0.5:.3f}) | {error:.1f}"


if __name__ == "__main__":
    main()
