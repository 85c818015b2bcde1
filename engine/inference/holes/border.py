"""Holes at the photo's border: the photo goes on beyond it, mirrored, while they are completed.

The network pads its layers with zeros, and where nothing known on the other side of a hole holds against them, they
show: as a dark line along a bright sky. Mirrored, a strip of 5 px along the border is 3.6 dB closer, and a square of 64
px in a corner 2.3 dB: docs/measurements.md.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.inference.holes.mask import Mask, Where, components

MIRRORED = 160
"""Pixels that are mirrored: more than the 153 that a pixel of the network's output sees, and a multiple of its stride
at the scales where large holes are completed."""

NEAR = 4
"""Known pixels between a hole and the border up to which it counts as at the border. Measured as above, a strip of 8 px
gains 0.8 and 0.6 dB at 2 and 8 px from it, a square of 32 px 0.5 and nothing; a large one loses 0.1 at 8 px."""

Ends = tuple[tuple[int, int], tuple[int, int]]
"""Pixels added above and below, and on the left and the right."""


def ends_for(hole_HW: Mask) -> Ends:
    """The pixels to add beyond each of the photo's borders: MIRRORED pixels where a hole is at it."""
    reach = NEAR + 1
    sides = ((hole_HW[:reach], hole_HW[-reach:]), (hole_HW[:, :reach], hole_HW[:, -reach:]))
    above_below, left_right = ((MIRRORED * bool(one.any()), MIRRORED * bool(other.any())) for one, other in sides)
    return above_below, left_right


def mirror(array: NDArray[Any], ends: Ends) -> NDArray[Any]:
    """A photo or mask with its own mirror image beyond its borders; the same array where there is nothing to add."""
    if not np.any(ends):
        return array
    return np.pad(array, (*ends, (0, 0))[: array.ndim], mode="symmetric")


def own_part(shape: tuple[int, ...], ends: Ends) -> Where:
    """Where a photo of (height, width) is within what `mirror` made of it."""
    (above, _), (left, _) = ends
    return slice(above, above + shape[0]), slice(left, left + shape[1])


def cut(array: NDArray[Any], ends: Ends) -> NDArray[Any]:
    """A view of what `mirror` made larger, at its own size again."""
    (above, below), (left, right) = ends
    return array[above : array.shape[0] - below, left : array.shape[1] - right]


def own_holes(hole_HW: Mask, ends: Ends) -> Mask:
    """The holes of a mirrored mask without those that lie in the mirror image alone."""
    if not np.any(ends):
        return hole_HW
    (above, below), (left, right) = ends
    own_HW = hole_HW.copy()
    for (rows, columns), part_HW in components(hole_HW):
        top, bottom = max(above - rows.start, 0), max(hole_HW.shape[0] - below - rows.start, 0)
        first, last = max(left - columns.start, 0), max(hole_HW.shape[1] - right - columns.start, 0)
        if not part_HW[top:bottom, first:last].any():
            own_HW[rows, columns][part_HW] = False
    return own_HW
