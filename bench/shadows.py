"""python -m bench.shadows FOLDER [--odd]: how often the shadow of a thing is found, and found where there is none.

Each second photo of a folder gets a blob of another one, and below it a shadow: the blob's outline, sheared along the
ground in any direction, which takes a share of the light away, with a soft edge. The weights in
engine/inference/masks/shadows.py were fitted to the even ones of the photos; the odd ones are what they are told of.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from engine.inference.holes.mask import Mask, widen
from engine.inference.masks.shadows import shadows_of
from engine.inference.pixels import Pixels

STRENGTHS = (0.4, 0.5, 0.6, 0.7, 0.8)
"""Of the light, what a shadow takes away."""

GROUNDS = ((0.0, 0.15, "plain"), (0.15, 0.3, "grainy"), (0.3, 9.0, "of many things"))
"""Standard deviations of the logarithm of the brightness around a shadow, from and until, and what such ground is."""

SEEN = 8
"""Mean difference in levels of 255 that a shadow makes: with less nobody sees it."""

TRIES = 100
"""Shadows that are tried on a photo before it is passed over."""


class Case(NamedTuple):
    """A thing in a photo."""

    shaded_HW3: Pixels
    plain_HW3: Pixels
    """The same without a shadow."""
    painted_HW: Mask
    """The thing, as it is painted over: with two pixels more."""
    shadow_HW: Mask
    strength: float
    ground: float
    """See GROUNDS."""


def blob(generator: np.random.Generator, size: tuple[int, int], across: float) -> Mask:
    """A round shape somewhere."""
    corners = int(generator.integers(6, 11))
    angles, lengths = (
        np.sort(generator.uniform(0, 2 * np.pi, corners)),
        across / 2 * generator.uniform(0.65, 1, corners),
    )
    turn_N = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    length_N = np.interp(turn_N, angles, lengths, period=2 * np.pi)
    length_N = np.convolve(np.pad(length_N, 7, mode="wrap"), np.ones(15) / 15, "valid")
    x, y = (generator.uniform(across * 0.6, side - across * 0.6) for side in size[::-1])
    flat = generator.uniform(0.6, 1)
    outline_N2 = np.stack((x + length_N * np.cos(turn_N), y + length_N * np.sin(turn_N) * flat), 1)
    shape_HW = np.zeros(size, np.uint8)
    cv2.fillPoly(shape_HW, [outline_N2.astype(np.int32)], 1)
    return shape_HW > 0


def cast(thing_HW: Mask, length: float, towards: float, soft: float) -> Pixels:
    """The outline of a thing laid on the ground from its lowest row on, 0 to 1; `length` is in heights of the thing."""
    base = np.nonzero(thing_HW)[0].max()
    down, right = length * np.sin(towards), length * np.cos(towards)
    if abs(down) < 0.15:
        down = 0.15 if down >= 0 else -0.15
    y_HW, x_HW = np.mgrid[: thing_HW.shape[0], : thing_HW.shape[1]].astype(np.float32)
    height_HW = (base - y_HW - 1) / down
    from_HW = (x_HW - right * height_HW).astype(np.float32), (base - height_HW).astype(np.float32)
    laid_HW = cv2.remap(thing_HW.astype(np.float32), *from_HW, cv2.INTER_LINEAR, borderValue=0)
    laid_HW[height_HW < -1] = 0
    return cv2.GaussianBlur(laid_HW, (0, 0), soft)


def darkened(image_HW3: Pixels, share_HW3: Pixels) -> Pixels:
    """An sRGB image of which this share of the light is taken away."""
    value_HW3 = image_HW3.astype(np.float32) / 255
    light_HW3 = np.where(value_HW3 <= 0.04045, value_HW3 / 12.92, ((value_HW3 + 0.055) / 1.055) ** 2.4)
    light_HW3 = np.clip(light_HW3 * (1 - share_HW3), 0, 1)
    value_HW3 = np.where(light_HW3 <= 0.0031308, 12.92 * light_HW3, 1.055 * light_HW3 ** (1 / 2.4) - 0.055)
    return np.rint(value_HW3 * 255).astype(np.uint8)


def cases(photos: list[Pixels], number: int) -> Iterator[Case]:
    """So many things on photos, one after the other, with shadows that can be seen; fewer if hardly any can be."""
    generator = np.random.default_rng(number)
    made = tries = 0
    while made < number and tries < TRIES * len(photos):
        tries += 1
        photo_HW3 = photos[(made + tries // TRIES) % len(photos)]
        other_HW3 = photos[int(generator.integers(len(photos)))]
        size = photo_HW3.shape[:2]
        thing_HW = blob(generator, size, generator.uniform(0.15, 0.35) * min(size))
        length, towards, soft = (generator.uniform(*ends) for ends in ((0.4, 1.6), (0, 2 * np.pi), (0.8, 3)))
        laid_HW, painted_HW = cast(thing_HW, length, towards, soft), widen(thing_HW, 2)
        shadow_HW = (laid_HW > 0.5) & ~painted_HW
        strength = STRENGTHS[made % len(STRENGTHS)]
        tint_3 = np.array([-0.03, 0, 0.03]) * generator.uniform()  # the sky is blue
        shaded_HW3 = darkened(photo_HW3, (strength - tint_3) * laid_HW[..., None])
        if shadow_HW.sum() < 0.15 * thing_HW.sum():
            continue
        if np.abs(shaded_HW3.astype(int) - photo_HW3)[shadow_HW].mean() < SEEN:
            continue
        alpha_HW1 = cv2.GaussianBlur(thing_HW.astype(np.float32), (0, 0), 1)[..., None]
        over_HW3 = cv2.resize(other_HW3, size[::-1]) * alpha_HW1
        both = (np.rint(one * (1 - alpha_HW1) + over_HW3).astype(np.uint8) for one in (shaded_HW3, photo_HW3))
        ground_HW = widen(shadow_HW, 7) & ~painted_HW
        ground = float(np.log(photo_HW3.mean(2) + 4)[ground_HW].std())
        yield Case(*both, painted_HW, shadow_HW, strength, ground)
        made, tries = made + 1, 0


def overlap(one_HW: Mask, other_HW: Mask) -> float:
    """Intersection over union."""
    return float((one_HW & other_HW).sum() / (one_HW | other_HW).sum())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--number", type=int, default=400, help="of things")
    parser.add_argument("--odd", action="store_true", help="the photos to which nothing was fitted")
    asked = parser.parse_args()
    files = sorted(asked.folder.glob("*.png"))[asked.odd :: 2]
    if not files:
        parser.error(f"{asked.folder} has too few photos: it needs PNGs, two at least")
    rows = []
    began = time.process_time()
    for case in cases([np.asarray(Image.open(file).convert("RGB")) for file in files], asked.number):
        found = shadows_of(case.shaded_HW3, case.painted_HW)
        without = shadows_of(case.plain_HW3, case.painted_HW)
        grown = without.shadow_HW.sum() / case.painted_HW.sum()
        rows.append((case, overlap(found.shadow_HW, case.shadow_HW) if found.found else None, grown))
    print(f"{1000 * (time.process_time() - began) / len(rows) / 2:.0f} ms each, with the making of them")
    print("| | things | found | of those, overlap: mean, median | below 0.3 | grown by over 20 % without a shadow |")
    print("|---|---:|---:|---:|---:|---:|")
    for low, high, named in (*GROUNDS, (0.0, 9.0, "all")):
        tell(f"ground {named}", [row for row in rows if low <= row[0].ground < high])
    for strength in STRENGTHS:
        tell(f"{strength:.0%} of the light", [row for row in rows if row[0].strength == strength])


def tell(named: str, rows: list[tuple[Case, float | None, float]]) -> None:
    """A line of the table."""
    overlaps = np.array([overlap for _, overlap, _ in rows if overlap is not None])
    if not overlaps.size:
        print(f"| {named} | {len(rows)} | none | | | |")
        return
    means = f"{overlaps.mean():.2f}, {np.median(overlaps):.2f} | {(overlaps < 0.3).mean():.0%}"
    grown = np.mean([grown > 0.2 for *_, grown in rows])
    print(f"| {named} | {len(rows)} | {len(overlaps) / len(rows):.0%} | {means} | {grown:.0%} |")


if __name__ == "__main__":
    main()
