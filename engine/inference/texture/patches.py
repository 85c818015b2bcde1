"""Patches as short rows of integers: the low frequencies of 7x7 pixels in brightness and colour.

A patch's squared distance to another is nearly that of these coefficients of its cosine transform: the transform keeps
distances, and what is left out (the finest brightness, all but coarse colour) is what no two patches share anyway.
Filters and pixels are integers and their sums stay below 2**24, so that coefficients are the same bits whatever the
number of threads or the size of the image.
"""

from functools import cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.inference.holes.mask import Mask
from kernels.arrays import Array, beside, namespace
from kernels.vote_patches import REACH

PATCH = 2 * REACH + 1

BRIGHTNESS_ORDER, COLOUR_ORDER = 5, 1
"""Highest sum of the two frequencies that is kept, of brightness and of the two colour differences."""

PIXELS = 2000
"""Pixels that are described at once, so that what their patches hold stays in a core's cache."""

SCALE = 2048
"""The factor of a filter's values before they are rounded: 2048 * 147 * 255 / 12 is below 2**24."""


class Coefficient(NamedTuple):
    """One number of a descriptor: which of brightness, red-blue, green-magenta, and its two frequencies together."""

    channel: int
    order: int


@cache
def filters() -> tuple[NDArray[Any], tuple[Coefficient, ...]]:
    """Integer filters `filters_K3PP` (orthonormal ones times SCALE), and what each measures."""
    frequency, place = np.arange(PATCH)[:, None], np.arange(PATCH)
    wave = np.cos(np.pi * (2 * place + 1) * frequency / (2 * PATCH)) * np.sqrt(2 / PATCH)
    wave[0] /= np.sqrt(2)
    colours = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
    kept, coefficients = [], []
    for channel, highest in enumerate((BRIGHTNESS_ORDER, COLOUR_ORDER, COLOUR_ORDER)):
        for order in range(highest + 1):
            for down in range(order + 1):
                kept.append(colours[channel][:, None, None] * np.outer(wave[down], wave[order - down]))
                coefficients.append(Coefficient(channel, order))
    return np.rint(np.array(kept) * SCALE).astype(np.float32), tuple(coefficients)


def describe(image_HW3: Array) -> Array:
    """`coefficients_HWK`, fp32, of the patch around each pixel; `image_HW3` is fp32 with integers of 0 to 255.

    Beyond the image it is mirrored; it must have more than 3 pixels a side.
    """
    xp, (height, width) = namespace(image_HW3), image_HW3.shape[:2]
    padded_3HW = mirrored(xp.permute_dims(image_HW3, (2, 0, 1)))
    factors_FK = beside(factors(), image_HW3)
    grey_RHW = shifted(xp.sum(padded_3HW, axis=0)[None], width)
    # The sums of seven pixels one below the other, and of seven side by side.
    down_RHW = shifted(sum(padded_3HW[:, place : place + height] for place in range(PATCH)), width)
    right_3HW = sum(padded_3HW[..., place : place + width] for place in range(PATCH))
    coefficients_HWK = xp.empty((height, width, factors_FK.shape[1]), dtype=xp.float32, device=image_HW3.device)
    rows = max(1, PIXELS // width)
    for first in range(0, height, rows):
        last = min(first + rows, height)
        numbers_FHW = xp.concat([
            *(grey_RHW[:, first + place : last + place] for place in range(PATCH)),
            down_RHW[:, first:last],
            *(right_3HW[:, first + place : last + place] for place in range(PATCH)),
        ])  # fmt: skip
        xp.matmul(xp.permute_dims(numbers_FHW, (1, 2, 0)), factors_FK, out=coefficients_HWK[first:last])
    coefficients_HWK /= SCALE
    return coefficients_HWK


@cache
def factors() -> NDArray[Any]:
    """The filters as factors of what `describe` has of a patch, `factors_FK`, with which they give the same integers.

    That is the sum of the channels at each of its pixels, for brightness; and for colours, whose filters are constant
    down or to the right, the sums of its columns and of its rows, channel after channel.
    """
    columns = []
    for filter_3PP, one in zip(*filters(), strict=True):
        parts = [np.zeros((PATCH, PATCH)), np.zeros((PATCH, 3)), np.zeros((PATCH, 3))]
        if one.channel == 0:
            parts[0] = filter_3PP[0]
        elif (filter_3PP == filter_3PP[:, :1]).all():
            parts[1] = filter_3PP[:, 0].T
        else:
            parts[2] = filter_3PP[:, :, 0].T
        columns.append(np.concatenate([part.ravel() for part in parts]))
    return np.array(columns, np.float32).T.copy()


def shifted(images_CHW: Array, width: int) -> Array:
    """The images from each of PATCH columns on, `width` columns of them, one after the other in the first axis."""
    return namespace(images_CHW).concat([images_CHW[..., place : place + width] for place in range(PATCH)])


def mirrored(image_3HW: Array) -> Array:
    """The image with REACH more pixels on each side, those within it mirrored."""
    xp = namespace(image_3HW)
    for axis in (1, 2):
        places = np.pad(np.arange(image_3HW.shape[axis]), REACH, mode="reflect")
        image_3HW = xp.take(image_3HW, beside(places, image_3HW), axis=axis)
    return image_3HW


def all_around(mask_HW: Mask) -> Mask:
    """True where the patch around a pixel lies in the image and in the mask."""
    return ~any_around(np.pad(~mask_HW, REACH, constant_values=True))[REACH:-REACH, REACH:-REACH]


def any_around(mask_HW: Mask) -> Mask:
    """True where the patch around a pixel has any of the mask."""
    return cv2.dilate(mask_HW.view(np.uint8), np.ones((PATCH, PATCH), np.uint8)).view(np.bool_)
