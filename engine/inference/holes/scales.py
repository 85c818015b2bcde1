"""Holes larger than those that the network was trained on: from the scale where they fit up to the photo's own.

A pixel of the completion network sees 153 px around it and was trained on holes of at most `hole_size`: the inside of a
larger hole cannot be completed at the photo's resolution. Each octave halves the resolution; only the hole ever comes
from a reduced image.
"""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.inference.holes.mask import Mask, Where, bounding_box, widen

FITS = 1.25
"""A hole up to this many times as thick as the largest that the network was trained on is left at its scale.

Thicker ones come 1.5 dB closer from an octave down: docs/measurements.md."""

BAND = 0.25
"""The network refines a band along the hole's border after each octave: this share of the largest hole of its
training. The inside comes from the coarser scale. Without a band gradients are half as strong, with a wider one PSNR is
lower: docs/measurements.md."""


def octaves_for(thick: float, largest: int) -> int:
    """The number of times to halve the resolution for a hole of this thickness to fit."""
    return max(0, math.ceil(math.log2(thick / (FITS * largest))))


def halve(photo_HW3: NDArray[Any], hole_HW: Mask) -> NDArray[Any]:
    """The photo at half its size (rounded up), each pixel the mean of the known ones of its four; 0 where none is."""
    known_HW = (~hole_HW).astype(np.float32)
    sums_HW3, counts_HW = half_sum(photo_HW3 * known_HW[..., None]), half_sum(known_HW)
    return np.rint(sums_HW3 / np.maximum(counts_HW, 1)[..., None]).astype(photo_HW3.dtype)


def put_ring_beside(half_HW3: NDArray[Any], half_hole_HW: Mask, photo_HW3: NDArray[Any], hole_HW: Mask) -> None:
    """Give the pixels of the halved photo beside the halved hole, in place, the colours right beside the hole itself.

    Their own are means over pixels that may be two further away, after some octaves over dozens: a line near a hole
    would be on its border there, and flood it.
    """
    where = bounding_box(half_hole_HW, margin=1)
    beside_HW = widen(half_hole_HW[where], 1) & ~half_hole_HW[where]
    rows, columns = (slice(2 * one.start, 2 * one.stop) for one in where)
    photo_HW3, hole_HW = photo_HW3[rows, columns], hole_HW[rows, columns]
    ring_HW = widen(hole_HW, 1) & ~hole_HW
    if not ring_HW.any():
        return
    _, nearest_HW = cv2.distanceTransformWithLabels(
        (~ring_HW).view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours_L3 = np.empty((nearest_HW.max() + 1, 3), np.float32)
    colours_L3[nearest_HW[ring_HW]] = photo_HW3[ring_HW]
    ys, xs = (2 * one for one in np.nonzero(beside_HW))
    bottom, right = (np.minimum(a + 1, side - 1) for a, side in zip((ys, xs), hole_HW.shape, strict=True))
    mean_P3 = sum(colours_L3[nearest_HW[y, x]] for y in (ys, bottom) for x in (xs, right)) / 4
    half_HW3[where][beside_HW] = np.rint(mean_P3).astype(photo_HW3.dtype)


def halve_mask(mask_HW: Mask) -> Mask:
    """The mask at half its size (rounded up): what has any of it."""
    return half_sum(mask_HW.astype(np.float32)) > 0


def halve_where(where: Where) -> Where:
    """Rows and columns at half the size: those that lie in these whole."""
    rows, columns = (slice(-(-one.start // 2), one.stop // 2) for one in where)
    return rows, columns


def half_sum(values: NDArray[Any]) -> NDArray[Any]:
    """The sum of each 2x2 pixels, fp32; a last odd row or column counts alone."""
    bottom, right = values.shape[0] % 2, values.shape[1] % 2
    if bottom or right:
        values = cv2.copyMakeBorder(values, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=0)
    total = cv2.resize(values, (values.shape[1] // 2, values.shape[0] // 2), interpolation=cv2.INTER_AREA)
    total *= 4
    return total


def double(half_HW3: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """The photo at twice its size, cut to `height` x `width`."""
    size = (2 * half_HW3.shape[1], 2 * half_HW3.shape[0])
    return cv2.resize(half_HW3, size, interpolation=cv2.INTER_CUBIC)[:height, :width]


def beyond(hole_HW: Mask, band: int) -> Mask:
    """The part of the hole that is more than `band` pixels from its border."""
    if hole_HW.all():
        return hole_HW
    return cv2.distanceTransform(hole_HW.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > band


def parse_scale(named: str, text: str) -> int | None:
    """The octaves of auto (None), native (0), or a power of two. ValueError, which begins with `named`, of others."""
    if text == "auto":
        return None
    if text == "native":
        return 0
    if text.isdecimal() and int(text) in (1, 2, 4, 8, 16, 32):
        return int(text).bit_length() - 1
    raise ValueError(f"{named} is {text!r}; it must be auto, native, or one of 1, 2, 4, 8, 16, 32")
