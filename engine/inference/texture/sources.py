"""Where texture may be taken from: known pixels near the hole, or those that the user allows.

The neighbourhood reaches 0.65 times as far from a hole as the side of a square of its area, within limits: what is near
belongs there more likely than what is far, and time and memory follow the hole and not the photo.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.inference.holes.mask import Mask, Where, bounding_box, check_size, part_in, with_context
from engine.inference.pixels import Pixels
from engine.inference.texture.patches import PATCH, all_around

REACH, REACH_LIMITS = 0.65, (64, 256)
"""The reach around a hole of the search for sources, as a share of its size; and in pixels, at least and at most."""

FAINT = 128
"""Levels of 255 between the darkest and the brightest known pixel below which a picture is stretched."""

BLOCK = 32
"""Side in pixels of the blocks of which some are put farther, for another variant."""


class Neighbourhood(NamedTuple):
    """A hole and what surrounds it, cut out of the photo; where the user's sample lies elsewhere, that is beside it."""

    where: Where
    """The part of the photo that this is, less what is added beside it."""
    pixels_HW3: Pixels
    hole_HW: Mask
    known_HW: Mask
    """The photo's own pixels."""
    copied_HW: Mask
    """The pixels that may be copied."""

    def range(self) -> tuple[float, float]:
        """The values that count as black and as white: those of 8 bits, or of deep and faint pictures the extremes."""
        known_P3 = self.pixels_HW3[self.known_HW | self.copied_HW]
        low, high = (float(known_P3.min()), float(known_P3.max())) if known_P3.size else (0.0, 255.0)
        if self.pixels_HW3.dtype == np.uint8 and high - low >= FAINT:
            return 0.0, 255.0
        return low, max(high, low + 1)


def not_copied(unknown_HW: Mask, sample_HW: Mask | None, avoid_HW: Mask | None) -> Mask:
    """Where the photo may not be copied from: what is unknown (the same array, if the user has said no more).

    ValueError if a mask has another size, or nothing of PATCH x PATCH pixels is left by them.
    """
    if sample_HW is None and avoid_HW is None:
        return unknown_HW
    not_copied_HW = unknown_HW
    for name, mask_HW in (("sample", sample_HW), ("avoid", avoid_HW)):
        if mask_HW is None:
            continue
        try:
            check_size(mask_HW.shape, unknown_HW.shape)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        not_copied_HW = not_copied_HW | (~mask_HW if name == "sample" else mask_HW)
    if not all_around(~not_copied_HW).any():
        given = " and ".join(f"--{n}" for n, mask in (("sample", sample_HW), ("avoid", avoid_HW)) if mask is not None)
        raise ValueError(
            f"{given} and the hole leave no {PATCH}x{PATCH} pixels of the photo to take texture from; "
            "give larger areas to sample, smaller ones to avoid, or --texture none"
        )
    return not_copied_HW


def neighbourhood(
    photo_HW3: Pixels,
    where: Where,
    part_HW: Mask,
    unknown_HW: Mask,
    not_copied_HW: Mask,
    multiple: int,
    sampled: bool,
    scale: int = 1,
) -> Neighbourhood:
    """The surroundings of the hole that is `part_HW` at `where`, with sides of a multiple of `multiple`.

    If the user has said where to sample (`sampled`) and that is not near, a part of it is put beside. The photo is at
    1/scale of its resolution, and they reach as far in it.
    """
    reach = int(np.clip(REACH * scale * np.count_nonzero(part_HW) ** 0.5, *REACH_LIMITS)) // scale
    crop = with_context(where, photo_HW3.shape, reach)
    hole_HW = part_in(part_HW, where, crop)
    pixels_HW3, known_HW, copied_HW = photo_HW3[crop], ~unknown_HW[crop], ~not_copied_HW[crop]
    if sampled and not all_around(copied_HW).any():
        beside = nearest_sample(~not_copied_HW, where, reach)
        pixels_HW3 = side_by_side(pixels_HW3, photo_HW3[beside])
        copied_HW = side_by_side(copied_HW, ~not_copied_HW[beside])
        hole_HW, known_HW = (side_by_side(mask, np.zeros_like(not_copied_HW[beside])) for mask in (hole_HW, known_HW))
    ends = tuple((0, -side % multiple) for side in hole_HW.shape)
    pixels_HW3 = np.pad(pixels_HW3, (*ends, (0, 0)), mode="edge")
    return Neighbourhood(crop, pixels_HW3, *(np.pad(mask, ends) for mask in (hole_HW, known_HW, copied_HW)))


def nearest_sample(allowed_HW: Mask, where: Where, reach: int) -> Where:
    """The surroundings, within `reach`, of the place nearest to the hole whose patch may be copied."""
    everywhere = bounding_box(allowed_HW)
    y_P, x_P = np.nonzero(all_around(allowed_HW[everywhere]))
    y_P, x_P = y_P + everywhere[0].start, x_P + everywhere[1].start
    middle_y, middle_x = ((side.start + side.stop) / 2 for side in where)
    nearest = np.argmin((y_P - middle_y) ** 2 + (x_P - middle_x) ** 2)
    y, x = int(y_P[nearest]), int(x_P[nearest])
    return with_context((slice(y, y + 1), slice(x, x + 1)), allowed_HW.shape, reach)


def side_by_side(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """Two images or masks beside each other, the lower one with zeros below it."""
    height = max(left.shape[0], right.shape[0])
    joined = np.zeros((height, left.shape[1] + right.shape[1], *left.shape[2:]), left.dtype)
    joined[: left.shape[0], : left.shape[1]] = left
    joined[: right.shape[0], left.shape[1] :] = right
    return joined


def some_blocks(size: tuple[int, int], generator: np.random.Generator) -> Mask:
    """About half of the blocks of BLOCK x BLOCK pixels that an image of this height and width has, at random."""
    rows, columns = (-(-side // BLOCK) for side in size)
    chosen = generator.random((rows, columns)) < 0.5
    return chosen.repeat(BLOCK, 0).repeat(BLOCK, 1)[: size[0], : size[1]]


def eight_bits(near: Neighbourhood) -> NDArray[np.uint8]:
    """The neighbourhood's pixels in 8 bits, to compare patches: its range from 0 to 255."""
    low, high = near.range()
    if near.pixels_HW3.dtype == np.uint8 and (low, high) == (0, 255):
        return near.pixels_HW3
    scaled_HW3 = (near.pixels_HW3.astype(np.float32) - low) * np.float32(255 / (high - low))
    return np.rint(scaled_HW3.clip(0, 255)).astype(np.uint8)
