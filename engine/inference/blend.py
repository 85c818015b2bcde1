"""Joining the completed hole to the photo around it. Nothing under the mask is ever read.

The paper's post-processing (section 3.4) fills the hole by fast marching (Telea) and clones the completed hole over it
by Poisson image editing (Pérez et al. 2003). What Poisson cloning computes is the completed hole plus a smooth
correction: zero Laplacian inside, equal to photo minus completion on the hole's border. The correction is solved for
here directly, in floating point: for 16-bit photos too, at a cost that follows the hole, with no pixel taken from a
first filling, and with nothing to place (cloning by a centre point shifts even-sized holes by a pixel in
implementations that round it). Where a hole touches the photo's border, the correction has no slope across it.
"""

from collections.abc import Iterator
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.inference.mask import Mask
from engine.inference.photo import Pixels

Blend = Literal["none", "feather", "poisson"]
Floats = NDArray[Any]
"""float32, which cv2's types do not say."""
Where = tuple[slice, slice]
"""Rows and columns."""

CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)

CELL = 8
"""Side in pixels of the cells that `components` works on."""

SWEEPS = 24
"""Relaxations on each scale of `harmonic`."""

RADIUS = 0.99
"""Spectral radius that the relaxations' weights are made for. Against a direct solve, on holes of 30 to 280 px with
border values of +-100 grey levels: error 0.04 to 0.24 levels rms, 1.0 at most (plain Jacobi: 0.22 to 0.62, 2.5);
0.98 and 0.995 are worse on noise or on smooth values."""


def join(
    photo_HW3: Pixels, generated_HW3: Floats, hole_HW: Mask, changed_HW: Mask, blend: Blend, feather: int
) -> Pixels:
    """The photo's pixels after blending, right where `changed_HW` is True (one hole, with its feather).

    `generated_HW3` is the network's output in [0, 1]; it must cover one pixel around the hole for "poisson".
    """
    largest = np.iinfo(photo_HW3.dtype).max
    joined_HW3 = generated_HW3 * np.float32(largest)
    if blend == "feather":
        weight_HW1 = feather_weight(hole_HW, feather)[..., None]
        joined_HW3 = weight_HW1 * joined_HW3 + (1 - weight_HW1) * photo_HW3
    elif blend == "poisson":
        joined_HW3 += poisson_correction(photo_HW3 - joined_HW3, ~hole_HW, changed_HW)
    return np.rint(joined_HW3).clip(0, largest).astype(photo_HW3.dtype)


def feather_weight(mask_HW: Mask, width: int) -> Floats:
    """1 in the mask, falling linearly to 0 over `width` pixels outside it."""
    distance_HW = cv2.distanceTransform((~mask_HW).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.clip(1 - distance_HW / (width + 1), 0, 1)


def poisson_correction(difference_HW3: Floats, known_HW: Mask, hole_HW: Mask) -> Floats:
    """What to add to the completion in the hole, given photo minus completion at the known pixels beside it."""
    beside_HW = cv2.dilate(hole_HW.astype(np.uint8), CROSS) > 0
    return harmonic(difference_HW3, beside_HW & known_HW & ~hole_HW, hole_HW)


def harmonic(values_HW3: Floats, known_HW: Mask, wanted_HW: Mask) -> Floats:
    """`values_HW3` where known, and where wanted the function with zero Laplacian that meets them.

    Coarse to fine: solved at half the size, brought up, and relaxed.
    """
    weight_HW = known_HW.astype(np.float32)
    height, width = known_HW.shape
    estimate_HW3 = np.zeros_like(values_HW3)
    if min(height, width) > 2 and wanted_HW.any():
        size = ((width + 1) // 2, (height + 1) // 2)
        half_weight = cv2.resize(weight_HW, size, interpolation=cv2.INTER_AREA)
        half_values = cv2.resize(values_HW3 * weight_HW[..., None], size, interpolation=cv2.INTER_AREA)
        half_known = half_weight > 1e-6
        half_values = half_values / np.maximum(half_weight, 1e-6)[..., None]
        half_wanted = (cv2.resize(wanted_HW.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0) & ~half_known
        half = harmonic(half_values, half_known, half_wanted)
        estimate_HW3 = cv2.resize(half, (width, height), interpolation=cv2.INTER_LINEAR)
    solution_HW3 = np.where(known_HW[..., None], values_HW3, estimate_HW3).astype(np.float32)
    inside_HW1 = (known_HW | wanted_HW).astype(np.float32)[..., None]
    move_HW1 = wanted_HW[..., None]
    neighbours_HW1 = np.maximum(neighbour_sum(inside_HW1), 1)
    previous_HW3, omega = solution_HW3, 1.0
    for sweep in range(SWEEPS):  # Jacobi with Chebyshev's weights
        mean_HW3 = neighbour_sum(solution_HW3 * inside_HW1) / neighbours_HW1
        following_HW3 = np.where(move_HW1, omega * (mean_HW3 - previous_HW3) + previous_HW3, solution_HW3)
        previous_HW3, solution_HW3 = solution_HW3, following_HW3
        omega = 1 / (1 - RADIUS**2 / 2) if sweep == 0 else 1 / (1 - RADIUS**2 * omega / 4)
    return solution_HW3


def neighbour_sum(values_HWC: Floats) -> Floats:
    """The sum of the four neighbours, those outside the array counted as 0."""
    ring = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)
    return cv2.filter2D(values_HWC, -1, ring, borderType=cv2.BORDER_CONSTANT).reshape(values_HWC.shape)


def components(mask_HW: Mask) -> Iterator[tuple[Where, Mask]]:
    """The holes of a mask, those within CELL pixels of each other as one: (where, the mask there).

    Labelled on cells and not on pixels, so that a large photo's labels take little memory. `where` has a margin of at
    least one pixel around the hole, if the photo does.
    """
    height, width = mask_HW.shape
    cells = block_any(mask_HW)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cells.astype(np.uint8), connectivity=8)
    for label in range(1, count):
        left, top, columns, rows = (int(value) for value in stats[label, :4])
        cells_here = labels[top : top + rows, left : left + columns] == label
        first = max(top - 1, 0), max(left - 1, 0)
        stop = min(top + rows + 1, cells.shape[0]), min(left + columns + 1, cells.shape[1])
        cells_here = np.pad(
            cells_here, ((top - first[0], stop[0] - top - rows), (left - first[1], stop[1] - left - columns))
        )
        where = slice(first[0] * CELL, min(stop[0] * CELL, height)), slice(first[1] * CELL, min(stop[1] * CELL, width))
        here = mask_HW[where]
        mine = cells_here.repeat(CELL, 0).repeat(CELL, 1)[: here.shape[0], : here.shape[1]]
        yield where, here & mine


def block_any(mask_HW: Mask) -> Mask:
    """Which cells of CELL x CELL pixels have any of the mask."""
    height, width = mask_HW.shape
    rows = np.logical_or.reduceat(mask_HW, np.arange(0, height, CELL), axis=0)
    return np.logical_or.reduceat(rows, np.arange(0, width, CELL), axis=1)
