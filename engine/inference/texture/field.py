"""Nearest-neighbour fields: for each patch of the hole, the patch of the photo that is most like it.

All sources are tried once, at the coarsest scale; from then on each target tries where it, or its coarser parent,
points to, what its neighbours have found (Barnes et al. 2009, PatchMatch), and places near its own. A neighbour's
offset is favoured a little over a nearer patch, since pieces copied whole are sharp and patches averaged with others
are not.
"""

from dataclasses import dataclass, field

import numpy as np

from kernels.arrays import Array, beside, namespace
from kernels.nearer_patches import nearer_patches, squared_lengths

FAVOUR, NEARER = 1.3, 0.8
"""A neighbour's offset is taken where its squared distance is below the first times the present one, and a place near
the own source where it is below the second times that."""

RADII = (8, 1)
"""The distances in pixels within which a target looks around its source for a nearer one, one try each."""

ROWS = 256
"""Targets whose distances to all sources are computed at once."""


@dataclass(slots=True)
class Field:
    """The source of each target at one scale; places are numbered row by row."""

    height: int
    width: int
    source_P: Array
    """bool, whether the patch around a place may be copied."""
    target_N: Array
    """int64, the places whose patches are to be replaced."""
    best_N: Array
    """int64, the place that each is to be replaced with."""
    distance_N: Array
    neighbours: tuple[tuple[int, Array], ...] = field(init=False)
    """The places that each of the four neighbours of a target lies ahead, and the rows of these, -1 for none."""

    def __post_init__(self) -> None:
        """Find the neighbours."""
        # With a border of one pixel, what lies beyond the image is no target either.
        xp, here = namespace(self.target_N), self.target_N.device
        number_P = xp.full((self.height + 2) * (self.width + 2), -1, dtype=xp.int64, device=here)
        place_N = (self.target_N // self.width + 1) * (self.width + 2) + self.target_N % self.width + 1
        number_P[place_N] = xp.arange(place_N.shape[0], device=here)
        self.neighbours = tuple(
            (down * self.width + right, number_P[place_N + down * (self.width + 2) + right])
            for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0))
        )

    def find_best(self, sources_PK: Array, targets_NK: Array) -> None:
        """Take the nearest of all sources for each target."""
        xp = namespace(sources_PK)
        place_M = xp.nonzero(self.source_P)[0]
        sources_MK = xp.take(sources_PK, place_M, axis=0)
        half_M = squared_lengths(xp.asarray(sources_MK, copy=True)) / 2
        for first in range(0, targets_NK.shape[0], ROWS):
            rows = slice(first, first + ROWS)
            # Up to a constant, minus half the squared distance.
            likeness_RM = targets_NK[rows] @ sources_MK.T
            likeness_RM -= half_M
            self.best_N[rows] = place_M[xp.argmax(likeness_RM, axis=1)]
        self.measure(sources_PK, targets_NK)

    def measure(self, sources_PK: Array, targets_NK: Array) -> None:
        """Set the distances of the sources that the targets have."""
        xp = namespace(sources_PK)
        rows_NK = xp.take(sources_PK, self.best_N, axis=0)
        rows_NK -= targets_NK
        self.distance_N = squared_lengths(rows_NK)

    def try_neighbours(self, sources_PK: Array, targets_NK: Array) -> None:
        """Let each target try the offsets of the four targets beside it."""
        for ahead, neighbour_N in self.neighbours:
            # The last target's source, where there is no neighbour.
            candidate_N = self.best_N[neighbour_N] - ahead
            self.try_candidates(sources_PK, targets_NK, candidate_N, neighbour_N >= 0, FAVOUR)

    def try_near(self, sources_PK: Array, targets_NK: Array, radius: int, generator: np.random.Generator) -> None:
        """Let each target try a place within `radius` of its source, at random."""
        size = self.target_N.shape[0]
        down_N, right_N = (beside(generator.integers(-radius, radius + 1, size), self.best_N) for _ in range(2))
        # A column beyond the image would be one of the next row: it is no candidate.
        column_N = self.best_N % self.width + right_N
        there_N = (column_N >= 0) & (column_N < self.width)
        self.try_candidates(sources_PK, targets_NK, self.best_N + down_N * self.width + right_N, there_N, NEARER)

    def try_candidates(
        self, sources_PK: Array, targets_NK: Array, candidate_N: Array, there_N: Array, favour: float
    ) -> None:
        """Take the candidates that are sources and nearer, where there are any."""
        xp = namespace(candidate_N)
        there_N = there_N & (candidate_N >= 0) & (candidate_N < self.source_P.shape[0])
        there_N &= xp.take(self.source_P, xp.where(there_N, candidate_N, 0))
        self.best_N, self.distance_N = nearer_patches(
            sources_PK, targets_NK, xp.where(there_N, candidate_N, -1), self.best_N, self.distance_N, favour
        )

    def finer(self, height: int, width: int, source_P: Array, target_N: Array) -> "Field":
        """The field at twice the size, which starts with the same offsets, doubled."""
        xp = namespace(target_N)
        best_P = xp.zeros_like(self.source_P, dtype=xp.int64)
        best_P[self.target_N] = self.best_N
        row_N, column_N = target_N // width, target_N % width
        best_N = best_P[at_most(row_N // 2, self.height - 1) * self.width + at_most(column_N // 2, self.width - 1)]
        row_N = at_most(2 * (best_N // self.width) + row_N % 2, height - 1)
        column_N = at_most(2 * (best_N % self.width) + column_N % 2, width - 1)
        best_N = row_N * width + column_N
        return Field(height, width, source_P, target_N, best_N, xp.zeros_like(best_N, dtype=xp.float32))


def at_most(values_N: Array, largest: int) -> Array:
    """The values, or the largest one where they are larger."""
    return namespace(values_N).where(values_N > largest, largest, values_N)
