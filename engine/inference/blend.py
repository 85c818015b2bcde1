"""Joining the completed hole to the photo around it. Nothing under the mask is ever read.

The paper's post-processing (section 3.4) fills the hole by fast marching (Telea) and clones the completed hole over it
by Poisson image editing (Pérez et al. 2003). What Poisson cloning computes is the completed hole plus a smooth
correction: zero Laplacian inside, equal to photo minus completion on the hole's border. The correction is solved for
here directly, in floating point: for 16-bit photos too, at a cost that follows the hole, with no pixel taken from a
first filling, and with nothing to place (cloning by a centre point shifts even-sized holes by a pixel in
implementations that round it). Where a hole touches the photo's border, the correction has no slope across it.
"""

from typing import Any, Literal, NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.inference.mask import Mask, Where, relative, widen, with_context
from engine.inference.photo import Pixels

Blend = Literal["none", "feather", "poisson"]
Floats = NDArray[Any]
"""float32, which cv2's types do not say."""
CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)

RING = 4
"""Where all pixels within RING of a hole have one colour, so has what fills it: on a page or a screenshot the network's
faint stripes, 2 levels on average and up to 14, show where nothing else does. No more than one: a sky at the photo's
border gets lighter beyond the pixels around the hole, though these differ by a level only."""

SWEEPS, RADIUS, CYCLES = 4, 0.9, 2
"""Relaxations in a row, the spectral radius that their weights are made for, and V-cycles on each scale. Against a
direct solve, on holes of 30 to 280 px with border values of +-100 grey levels: error at most 0.19 levels, 0.04 rms;
without V-cycles up to 6 and 1.7, for 24 sweeps. 0.02 s for 264x264, 0.08 s for 600x600 (AMD EPYC)."""


def colour_around(photo_HW3: Pixels, hole_HW: Mask, where: Where, part_HW: Mask) -> Pixels | None:
    """The colour of all known pixels within RING of the hole that is `part_HW` at `where`, if they have only one."""
    crop = with_context(where, hole_HW.shape, RING)
    near_HW = np.zeros_like(hole_HW[crop])
    near_HW[relative(where, crop)] = part_HW
    around_P3 = photo_HW3[crop][widen(near_HW, RING) & ~hole_HW[crop]]
    return around_P3[0] if around_P3.size and (around_P3 == around_P3[0]).all() else None


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
    """What to add to the completion in the hole, given photo minus completion at the known pixels beside it."""
    beside_HW = cv2.dilate(hole_HW.astype(np.uint8), CROSS) > 0
    return harmonic(difference_HW3, beside_HW & known_HW & ~hole_HW, hole_HW)


def harmonic(values_HW3: Floats, known_HW: Mask, wanted_HW: Mask) -> Floats:
    """`values_HW3` where known, and where wanted the function with zero Laplacian that meets them."""
    return solve(values_HW3, Grid.of(known_HW, wanted_HW))


def solve(values_HW3: Floats, grid: "Grid") -> Floats:
    """Full multigrid: solved at half the size, brought up, relaxed, and its residual corrected by V-cycles."""
    estimate_HW3 = np.zeros_like(values_HW3)
    if grid.half:
        weight_HW1 = grid.known_HW.astype(np.float32)[..., None]
        half_values_HW3 = half_sum(values_HW3 * weight_HW1) / np.maximum(half_sum(weight_HW1), 1)
        estimate_HW3 = double(solve(half_values_HW3, grid.half), grid.known_HW.shape) * grid.wanted_HW3
    solution_HW3 = np.where(grid.known_HW[..., None], values_HW3, estimate_HW3).astype(np.float32)
    solution_HW3 = grid.relax(solution_HW3, 0)
    for _ in range(CYCLES):
        solution_HW3 += correction(grid, grid.residual(solution_HW3, 0))
    return solution_HW3


def correction(grid: "Grid", residual_HW3: Floats) -> Floats:
    """One V-cycle for what to add to a solution with this residual; 0 where known."""
    error_HW3 = grid.relax(np.zeros_like(residual_HW3), residual_HW3)
    if grid.half:
        half_HW3 = correction(grid.half, half_sum(grid.residual(error_HW3, residual_HW3)))
        error_HW3 += double(half_HW3, grid.known_HW.shape) * grid.wanted_HW3
        error_HW3 = grid.relax(error_HW3, residual_HW3)
    return error_HW3


class Grid(NamedTuple):
    """The pixels of one scale: which have given values, which are solved for, and how many neighbours those have.

    Solutions are 0 at all other pixels, so that sums over neighbours need not ask which those are. What multiplies
    them has three channels as well: NumPy is three times as slow where it must repeat one.
    """

    known_HW: Mask
    wanted_HW3: Floats
    neighbours_HW3: Floats
    half: "Grid | None"
    """At half the size (rounded up): known where any of four pixels is, else wanted where any is."""

    @classmethod
    def of(cls, known_HW: Mask, wanted_HW: Mask) -> Self:
        half = None
        if max(known_HW.shape) > 2 and wanted_HW.any():
            half_known_HW, half_wanted_HW = half_any(known_HW), half_any(wanted_HW)
            half = cls.of(half_known_HW, half_wanted_HW & ~half_known_HW)
        neighbours_HW = np.maximum(neighbour_sum((known_HW | wanted_HW).astype(np.float32)), 1)
        return cls(known_HW, in_three(wanted_HW.astype(np.float32)), in_three(neighbours_HW), half)

    def residual(self, solution_HW3: Floats, source_HW3: Floats | int) -> Floats:
        """What is missing from neighbours * solution - sum of neighbours = source, where wanted."""
        missing_HW3 = neighbour_sum(solution_HW3)
        missing_HW3 -= self.neighbours_HW3 * solution_HW3
        missing_HW3 += source_HW3
        missing_HW3 *= self.wanted_HW3
        return missing_HW3

    def relax(self, solution_HW3: Floats, source_HW3: Floats | int) -> Floats:
        """Jacobi sweeps with Chebyshev's weights."""
        previous_HW3, omega = solution_HW3, 1.0
        for sweep in range(SWEEPS):
            following_HW3 = neighbour_sum(solution_HW3)
            following_HW3 += source_HW3
            following_HW3 /= self.neighbours_HW3
            following_HW3 -= previous_HW3
            following_HW3 *= self.wanted_HW3
            following_HW3 *= omega
            following_HW3 += previous_HW3
            previous_HW3, solution_HW3 = solution_HW3, following_HW3
            omega = 1 / (1 - RADIUS**2 / 2) if sweep == 0 else 1 / (1 - RADIUS**2 * omega / 4)
        return solution_HW3


def in_three(values_HW: Floats) -> Floats:
    """The same in three channels."""
    return np.repeat(values_HW[..., None], 3, axis=2)


def half_any(mask_HW: Mask) -> Mask:
    """The mask at half the size (rounded up), where any of four pixels is in it."""
    return half_sum(mask_HW.astype(np.float32)[..., None])[..., 0] > 0


def half_sum(values_HWC: Floats) -> Floats:
    """The sum of each 2x2 pixels; a last odd row or column counts alone."""
    height, width, channels = values_HWC.shape
    even_HWC = values_HWC
    if height % 2 or width % 2:
        even_HWC = np.zeros((height + height % 2, width + width % 2, channels), np.float32)
        even_HWC[:height, :width] = values_HWC
    pairs_HWC = even_HWC[::2] + even_HWC[1::2]
    return pairs_HWC[:, ::2] + pairs_HWC[:, 1::2]


def double(half_HWC: Floats, size: tuple[int, int]) -> Floats:
    """Twice the size, interpolated, cut to `size`."""
    doubled = cv2.resize(half_HWC, (2 * half_HWC.shape[1], 2 * half_HWC.shape[0]), interpolation=cv2.INTER_LINEAR)
    return doubled[: size[0], : size[1]]


def neighbour_sum(values_HWC: Floats) -> Floats:
    """The sum of the four neighbours, those outside the array counted as 0."""
    ring = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)
    return cv2.filter2D(values_HWC, -1, ring, borderType=cv2.BORDER_CONSTANT)
