"""Patches as short rows of integers: the low frequencies of 7x7 pixels in brightness and colour.

A patch's squared distance to another is nearly that of these coefficients of its cosine transform: the transform keeps
distances, and what is left out (the finest brightness, all but coarse colour) is what no two patches share anyway.
Filters and pixels are integers and their sums stay below 2**24, so that coefficients are the same bits whatever the
number of threads or the size of the image.
"""

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.inference.holes.mask import Mask
from kernels.vote_patches import REACH

PATCH = 2 * REACH + 1

BRIGHTNESS_ORDER, COLOUR_ORDER = 5, 1
"""Highest sum of the two frequencies that is kept, of brightness and of the two colour differences."""

SCALE = 2048
"""The factor of a filter's values before they are rounded: 2048 * 147 * 255 / 12 is below 2**24."""


class Coefficient(NamedTuple):
    """One number of a descriptor: which of brightness, red-blue, green-magenta, and its two frequencies together."""

    channel: int
    order: int


@cache
def filters() -> tuple[Tensor, tuple[Coefficient, ...]]:
    """Integer filters `filters_K3PP` (orthonormal ones times SCALE), and what each measures."""
    frequency, place = np.arange(PATCH)[:, None], np.arange(PATCH)
    wave = np.cos(np.pi * (2 * place + 1) * frequency / (2 * PATCH)) * np.sqrt(2 / PATCH)
    wave[0] /= np.sqrt(2)
    colours = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
    kept, coefficients = [], []
    for channel, highest in enumerate((BRIGHTNESS_ORDER, COLOUR_ORDER, COLOUR_ORDER)):
        for down in range(highest + 1):
            for right in range(highest + 1 - down):
                kept.append(colours[channel][:, None, None] * np.outer(wave[down], wave[right]))
                coefficients.append(Coefficient(channel, down + right))
    return torch.tensor(np.rint(np.array(kept) * SCALE), dtype=torch.float32), tuple(coefficients)


def describe(image_HW3: Tensor) -> Tensor:
    """`coefficients_HWK`, fp32, of the patch around each pixel; `image_HW3` is fp32 with integers of 0 to 255.

    Beyond the image it is mirrored; it must have more than 3 pixels a side.
    """
    filters_K3PP = filters()[0].to(image_HW3.device, memory_format=torch.channels_last)
    padded = F.pad(image_HW3.permute(2, 0, 1)[None], (REACH,) * 4, mode="reflect")
    padded = padded.contiguous(memory_format=torch.channels_last)
    return F.conv2d(padded, filters_K3PP)[0].permute(1, 2, 0).contiguous().div_(SCALE)


def all_around(mask_HW: Mask) -> Mask:
    """True where the patch around a pixel lies in the image and in the mask."""
    return ~any_around(np.pad(~mask_HW, REACH, constant_values=True))[REACH:-REACH, REACH:-REACH]


def any_around(mask_HW: Mask) -> Mask:
    """True where the patch around a pixel has any of the mask."""
    return cv2.dilate(mask_HW.view(np.uint8), np.ones((PATCH, PATCH), np.uint8)).view(np.bool_)
