"""Joining the completed hole to the photo around it. Nothing under the hole is read.

The paper's post-processing (section 3.4) fills the hole by fast marching (Telea) and clones the completed hole over it
by Poisson image editing (Pérez et al. 2003). What Poisson cloning computes is the completed hole plus a smooth
correction: zero Laplacian inside, equal to photo minus completion on the hole's border. The correction is solved for
here directly, in floating point: for 16-bit photos too, at a cost that follows the hole, with no pixel taken from a
first filling, and with nothing to place (cloning by a centre point shifts even-sized holes by a pixel in
implementations that round it). Where a hole touches the photo's border, the correction has no slope across it.
"""

from typing import Literal

import cv2
import numpy as np

from engine.inference.holes.harmonic import CROSS, Floats, harmonic
from engine.inference.holes.mask import Mask
from engine.inference.pixels import Pixels

Blend = Literal["none", "feather", "poisson"]


def join(
    photo_HW3: Pixels, generated_HW3: Floats, hole_HW: Mask, changed_HW: Mask, blend: Blend, feather: int
) -> Pixels:
    """The photo's pixels after blending, right where `changed_HW` is True (one hole, with its feather).

    `hole_HW` is all that is unknown, such as other holes beside this one. `generated_HW3` is the network's output in
    [0, 1]; it must cover one pixel around the hole for "poisson".
    """
    largest = np.iinfo(photo_HW3.dtype).max
    joined_HW3 = generated_HW3 * np.float32(largest)
    if blend == "feather":
        weight_HW1 = feather_weight(hole_HW & changed_HW, feather)[..., None]
        joined_HW3 = weight_HW1 * joined_HW3 + (1 - weight_HW1) * photo_HW3
    elif blend == "poisson":
        joined_HW3 += poisson_correction(photo_HW3 - joined_HW3, ~hole_HW, changed_HW)
    return np.rint(joined_HW3).clip(0, largest).astype(photo_HW3.dtype)


def feather_weight(mask_HW: Mask, width: int) -> Floats:
    """1 in the mask, falling linearly to 0 over `width` pixels outside it."""
    distance_HW = cv2.distanceTransform((~mask_HW).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.clip(1 - distance_HW / (width + 1), 0, 1)


def poisson_correction(difference_HW3: Floats, known_HW: Mask, hole_HW: Mask) -> Floats:
    """The values to add to the completion in the hole, given photo minus completion at the known pixels beside it."""
    beside_HW = cv2.dilate(hole_HW.astype(np.uint8), CROSS) > 0
    return harmonic(difference_HW3, beside_HW & known_HW & ~hole_HW, hole_HW)


def is_grey(photo_HW3: Pixels, known_HW: Mask) -> bool:
    """True if no known pixel has a colour."""
    red_HW, green_HW, blue_HW = np.moveaxis(photo_HW3, 2, 0)
    return not (known_HW & ((red_HW != green_HW) | (green_HW != blue_HW))).any()
