"""A photo as an array of pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
"""uint8 or uint16."""


LUMA = 299, 587, 114
"""Thousandths of red, green and blue."""

ROWS = 64
"""Rows that are turned to grey at a time, in four bytes a sample: of a whole photo that would be most of the memory."""


def as_grey(pixels_HW3: Pixels) -> Pixels:
    """One channel (height, width, 1): exactly the three where they are equal, else their luma."""
    grey_HW1 = np.empty((*pixels_HW3.shape[:2], 1), pixels_HW3.dtype)
    for top in range(0, len(pixels_HW3), ROWS):
        rows = slice(top, top + ROWS)
        red_RW, green_RW, blue_RW = (pixels_HW3[rows, :, channel].astype(np.uint32) for channel in range(3))
        luma_RW = LUMA[0] * red_RW + LUMA[1] * green_RW + LUMA[2] * blue_RW
        grey_HW1[rows, :, 0] = (luma_RW + 500) // 1000
    return grey_HW1


def in_8_bits(samples: Pixels) -> NDArray[np.uint8]:
    """Samples of 8 or 16 bits, these rounded, as a screen shows them."""
    return samples if samples.dtype == np.uint8 else ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
