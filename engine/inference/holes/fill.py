"""The smooth fill of a photo's holes, before the network sees them.

Each hole is filled once, since a window may show a part of it. The cost follows the hole. In training the fill is a
cascade that a GPU is quick at (`kernels.smooth_fill`). From the surface itself, which that comes close to, completions
are 0.05 dB closer: docs/measurements.md.
"""

import numpy as np

from engine.inference.holes.harmonic import harmonic
from engine.inference.holes.mask import Mask, pieces, relative
from engine.inference.pixels import Pixels

BORDER = 1
"""Pixels around a hole that its surface meets."""


def fill_smoothly(photo_HW3: Pixels, hole_HW: Mask) -> None:
    """Fill the holes of `photo_HW3` (uint8 or uint16), in place, with a smooth surface through their border.

    A photo that is all hole stays as it is.
    """
    white = np.iinfo(photo_HW3.dtype).max
    for where, part_HW, crop in pieces(hole_HW, BORDER):
        if hole_HW[crop].all():
            continue
        surface_HW3 = harmonic(photo_HW3[crop], ~hole_HW[crop], hole_HW[crop])[relative(where, crop)]
        photo_HW3[where][part_HW] = np.rint(surface_HW3[part_HW]).clip(0, white).astype(photo_HW3.dtype)
