"""The scales at which a hole is drawn: the photo's own, and halves of it down to a hole of some pixels."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.inference.holes.mask import Mask
from engine.inference.holes.scales import halve_mask
from engine.inference.texture.detail import SAMPLES, detail_of, expected_detail
from engine.inference.texture.patches import PATCH, all_around, any_around, describe
from kernels.arrays import Array, namespace, on_device

THICK = 16
"""Pixels across the hole at the coarsest scale, about: two patches."""

SMOOTH, ENOUGH = 0.7, 0.7
"""Detail in grey levels below which surroundings are smooth, and the share of theirs that is enough in a completion."""


class Scale(NamedTuple):
    """One octave of what is drawn: NumPy arrays, or tensors on a CUDA device."""

    image_HW3: Array
    """fp32, integers of 0 to 255, with the network's completion in the hole."""
    hole_HW: Array
    """bool, what is to be drawn."""
    target_N: Array
    """int64, places (row * width + column) whose patch has any of the hole."""
    source_P: Array
    """bool, places whose whole patch may be copied."""
    put_off_P: Array
    """bool, places that are put farther, for another variant."""
    coefficients_PK: Array
    """Of the image's patches."""
    detail_P: Array

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.hole_HW.shape[0], self.hole_HW.shape[1]


def octaves_for(thick: float) -> int:
    """Scales below the photo's own for a hole so many pixels across."""
    return max(0, round(math.log2(max(thick, 1) / THICK)))


def pyramid(
    image_HW3: NDArray[Any],
    hole_HW: Mask,
    copied_HW: Mask,
    put_off_HW: Mask,
    octaves: int,
    device: str,
) -> Iterator[Scale]:
    """The photo's own scale and up to `octaves` below it, while there are 7x7 pixels that may be copied.

    `image_HW3` has the network's completion in the hole; its sides are multiples of 2**octaves. `copied_HW` is what may
    be copied. `device` is "cpu" for NumPy arrays, or that of the tensors.
    """
    for octave in range(octaves + 1):
        source_HW = all_around(copied_HW)
        if min(hole_HW.shape) <= PATCH or not source_HW.any():
            return
        image, hole, target, source, put_off = (
            on_device(array, device)
            for array in (
                image_HW3.astype(np.float32),
                hole_HW,
                np.flatnonzero(any_around(hole_HW)),
                source_HW.ravel(),
                put_off_HW.ravel(),
            )
        )
        described_HWK = describe(image)
        coefficients_PK = described_HWK.reshape(-1, described_HWK.shape[2])
        yield Scale(image, hole, target, source, put_off, coefficients_PK, detail_of(coefficients_PK))
        if octave < octaves:
            image_HW3 = cv2.resize(image_HW3, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            hole_HW, copied_HW, put_off_HW = halve_mask(hole_HW), ~halve_mask(~copied_HW), halve_mask(put_off_HW)


def box_of(place_N: Array, width: int) -> tuple[slice, slice]:
    """The rows and columns from the first to the last of the places."""
    row_N, column_N = place_N // width, place_N % width
    return slice(int(row_N.min()), int(row_N.max()) + 1), slice(int(column_N.min()), int(column_N.max()) + 1)


def is_detailed(scale: Scale) -> bool:
    """True where the network's completion has as much detail as its surroundings, or these have next to none."""
    inside_P = namespace(scale.hole_HW).nonzero(scale.hole_HW.reshape(-1))[0]
    count = inside_P.shape[0]
    place_N = inside_P[:: max(1, count // SAMPLES)]
    wanted_N = expected_detail(
        scale.coefficients_PK, scale.detail_P, scale.source_P, place_N, count**0.5, scale.size[1]
    )
    wanted = mean(wanted_N)
    return wanted < SMOOTH or mean(scale.detail_P[place_N]) > ENOUGH * wanted


def mean(values_N: Array) -> float:
    """The mean, in fp64."""
    xp = namespace(values_N)
    return float(xp.mean(xp.astype(values_N, xp.float64)))
