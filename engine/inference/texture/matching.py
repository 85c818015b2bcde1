"""The numbers by which patches are matched: coefficients of the hole as drawn and as the network has it, and detail.

A source is farther from all targets if it is used often already, or put off for another variant.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from engine.inference.texture.detail import expected_detail
from engine.inference.texture.field import Field, at_most
from engine.inference.texture.patches import PATCH, describe, filters
from engine.inference.texture.pyramid import Scale, box_of, mean
from kernels.arrays import Array, beside, namespace, on_host
from kernels.vote_patches import REACH

SLOPES = 0.3
"""Weight of the network's slopes, as a share of that of its mean colour."""

DETAIL = 9.0
"""Weight of a patch's detail (see detail.py) against a coefficient of its own."""

GRID = 16
"""Places across the hole where the detail that belongs there is asked for."""

VARIED = 2.0
"""By how much a place that is put off is farther, as a share of the hole's detail."""

USED, MOST_USED = 0.25, 8.0
"""By how much a source is farther for each time that it is used beyond the first, as a share of the hole's detail."""


@dataclass(slots=True)
class Matching:
    """The numbers that patches are compared by at one scale, integers in fp32.

    They are weighted coefficients, detail, and earlier uses.
    """

    target_N: Array
    box: tuple[slice, slice]
    """Around the targets and what their patches see."""
    guide_NK: Array
    """Coefficients of the network's completion, weighted against those of the hole as drawn."""
    scale_K: Array
    """The factor of both together."""
    divisor: float
    """The divisor of all numbers, for the largest distance to stay below 2**24."""
    wanted_N: Array
    """The detail that the hole's patches should have, in grey levels."""
    energy: float
    """The squared distance of a patch with that detail to one without any."""
    handicap_P: Array
    """Squared distance that is added to sources, whatever the target."""
    sources_PK: Array

    @classmethod
    def of(cls, scale: Scale, guidance: float) -> "Matching":
        """For a scale; `guidance` is the weight of the network's mean colour."""
        (height, width), target_N = scale.size, scale.target_N
        xp, coefficients_PK = namespace(target_N), scale.coefficients_PK
        guidance_K = np.array([guidance * {0: 1.0, 1: SLOPES}.get(one.order, 0.0) for one in filters()[1]], np.float32)
        divisor = (1 + guidance) ** 0.5
        places, numbers = coefficients_PK.shape
        sources_PK = xp.empty((places, numbers + 2), dtype=xp.float32, device=target_N.device)
        xp.multiply(coefficients_PK, beside(np.sqrt(1 + guidance_K) / divisor, target_N), out=sources_PK[:, :-2])
        sources_PK[:, -2] = DETAIL / divisor * scale.detail_P
        rows, columns = box_of(target_N, width)
        box = (
            slice(max(rows.start - REACH, 0), min(rows.stop + REACH, height)),
            slice(max(columns.start - REACH, 0), min(columns.stop + REACH, width)),
        )
        wanted_N = wanted_detail(scale)
        energy = mean(xp.astype(wanted_N, xp.float64) ** 2) * PATCH**2
        handicap_P = VARIED * energy * xp.astype(scale.put_off_P, xp.float32)
        sources_PK[:, -1] = xp.sqrt(handicap_P) / divisor
        guide_NK = beside(guidance_K, target_N) * coefficients_PK[target_N]
        scale_K = beside(np.sqrt(1 + guidance_K) * np.float32(divisor), target_N)
        xp.round(sources_PK, out=sources_PK)
        return cls(target_N, box, guide_NK, scale_K, divisor, wanted_N, energy, handicap_P, sources_PK)

    def discourage_used(self, field: Field) -> None:
        """Put sources that are used more than once farther from all targets, so that nothing is copied everywhere."""
        xp = namespace(self.sources_PK)
        used_P = np.bincount(on_host(field.best_N), minlength=field.height * field.width).astype(np.float32)
        used_HW = cv2.boxFilter(used_P.reshape(field.height, field.width), -1, (PATCH, PATCH))
        excess_P = beside((used_HW.ravel() - 1).clip(0, MOST_USED), self.sources_PK)
        squared_P = USED * self.energy * excess_P + self.handicap_P
        self.sources_PK[:, -1] = xp.round(xp.sqrt(squared_P) / self.divisor)

    def targets(self, drawn_HW3: Array) -> Array:
        """`targets_NK` for the hole as it is drawn now."""
        xp, (rows, columns) = namespace(drawn_HW3), self.box
        width = drawn_HW3.shape[1]
        drawn_HWK = describe(drawn_HW3[self.box])
        in_box_N = (self.target_N // width - rows.start) * (columns.stop - columns.start)
        in_box_N += self.target_N % width - columns.start
        mixed_NK = xp.take(drawn_HWK.reshape(-1, drawn_HWK.shape[2]), in_box_N, axis=0)
        mixed_NK += self.guide_NK
        mixed_NK /= self.scale_K
        targets_NK = xp.zeros((mixed_NK.shape[0], mixed_NK.shape[1] + 2), dtype=xp.float32, device=mixed_NK.device)
        targets_NK[:, :-2] = mixed_NK
        targets_NK[:, -2] = DETAIL / self.divisor * self.wanted_N
        return xp.round(targets_NK, out=targets_NK)


def wanted_detail(scale: Scale) -> Array:
    """The detail expected of each target, asked for on a grid of places and the same for the targets around each."""
    target_N, width = scale.target_N, scale.size[1]
    size = target_N.shape[0] ** 0.5
    step = max(1, round(size / GRID))
    row_N, column_N = target_N // width // step, target_N % width // step
    cell_N, cells = namespace(target_N).unique_inverse(row_N * width + column_N)
    middle_N = at_most(cell_N // width * step + step // 2, scale.size[0] - 1) * width
    middle_N += at_most(cell_N % width * step + step // 2, width - 1)
    return expected_detail(scale.coefficients_PK, scale.detail_P, scale.source_P, middle_N, size, width)[cells]
