"""A photo as an array of pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
"""uint8 or uint16."""


def as_grey(pixels_HW3: Pixels) -> Pixels:
    """One channel (height, width, 1): exactly the three where they are equal, else their luma."""
    weights = np.array([299, 587, 114], np.uint32)
    return ((pixels_HW3 @ weights + 500) // 1000).astype(pixels_HW3.dtype)[..., None]


def in_8_bits(samples: Pixels) -> NDArray[np.uint8]:
    """Samples of 8 or 16 bits, these rounded, as a screen shows them."""
    return samples if samples.dtype == np.uint8 else ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
