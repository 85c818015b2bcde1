"""Nearest-neighbour fields: for each patch of the hole, the patch of the photo that is most like it.

All sources are tried once, at the coarsest scale; from then on each target tries where it, or its coarser parent,
points to, what its neighbours have found (Barnes et al. 2009, PatchMatch), and places near its own. A neighbour's
offset is favoured a little over a nearer patch, since pieces copied whole are sharp and patches averaged with others
are not.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from kernels.nearer_patches import nearer_patches

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
    source_P: Tensor
    """bool, whether the patch around a place may be copied."""
    target_N: Tensor
    """int64, the places whose patches are to be replaced."""
    best_N: Tensor
    """int64, the place that each is to be replaced with."""
    distance_N: Tensor
    neighbours: tuple[tuple[int, Tensor], ...] = field(init=False)
    """The places that each of the four neighbours of a target lies ahead, and the rows of these, -1 for none."""

    def __post_init__(self) -> None:
        """Find the neighbours."""
        # With a border of one pixel, what lies beyond the image is no target either.
        number_P = self.target_N.new_full(((self.height + 2) * (self.width + 2),), -1)
        place_N = (self.target_N // self.width + 1) * (self.width + 2) + self.target_N % self.width + 1
        number_P[place_N] = torch.arange(len(place_N), device=place_N.device)
        self.neighbours = tuple(
            (down * self.width + right, number_P[place_N + down * (self.width + 2) + right])
            for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0))
        )

    def find_best(self, sources_PK: Tensor, targets_NK: Tensor) -> None:
        """Take the nearest of all sources for each target."""
        place_M = torch.nonzero(self.source_P)[:, 0]
        sources_MK = sources_PK.index_select(0, place_M)
        half_M = sources_MK.square().sum(1) / 2
        for first in range(0, len(targets_NK), ROWS):
            rows = slice(first, first + ROWS)
            # Up to a constant, minus half the squared distance.
            likeness_RM = torch.addmm(-half_M, targets_NK[rows], sources_MK.T)
            self.best_N[rows] = place_M[first_largest(likeness_RM)]
        self.measure(sources_PK, targets_NK)

    def measure(self, sources_PK: Tensor, targets_NK: Tensor) -> None:
        """Set the distances of the sources that the targets have."""
        self.distance_N = (sources_PK.index_select(0, self.best_N) - targets_NK).square_().sum(1)

    def try_neighbours(self, sources_PK: Tensor, targets_NK: Tensor) -> None:
        """Let each target try the offsets of the four targets beside it."""
        for ahead, neighbour_N in self.neighbours:
            candidate_N = self.best_N[neighbour_N.clamp(min=0)] - ahead
            self.try_candidates(sources_PK, targets_NK, candidate_N, neighbour_N >= 0, FAVOUR)

    def try_near(self, sources_PK: Tensor, targets_NK: Tensor, radius: int, generator: np.random.Generator) -> None:
        """Let each target try a place within `radius` of its source, at random."""
        size = len(self.target_N)
        down_N, right_N = (
            torch.from_numpy(generator.integers(-radius, radius + 1, size)).to(self.best_N.device) for _ in range(2)
        )
        # A column beyond the image would be one of the next row: it is no candidate.
        column_N = self.best_N % self.width + right_N
        there_N = (column_N >= 0) & (column_N < self.width)
        self.try_candidates(sources_PK, targets_NK, self.best_N + down_N * self.width + right_N, there_N, NEARER)

    def try_candidates(
        self, sources_PK: Tensor, targets_NK: Tensor, candidate_N: Tensor, there_N: Tensor, favour: float
    ) -> None:
        """Take the candidates that are sources and nearer, where there are any."""
        there_N &= (candidate_N >= 0) & (candidate_N < len(self.source_P))
        there_N &= self.source_P[torch.where(there_N, candidate_N, 0)]
        self.best_N, self.distance_N = nearer_patches(
            sources_PK, targets_NK, torch.where(there_N, candidate_N, -1), self.best_N, self.distance_N, favour
        )

    def finer(self, height: int, width: int, source_P: Tensor, target_N: Tensor) -> "Field":
        """The field at twice the size, which starts with the same offsets, doubled."""
        best_P = torch.zeros_like(self.source_P, dtype=torch.int64)
        best_P[self.target_N] = self.best_N
        row_N, column_N = target_N // width, target_N % width
        parent_N = (row_N // 2).clamp(max=self.height - 1) * self.width + (column_N // 2).clamp(max=self.width - 1)
        best_N = best_P[parent_N]
        row_N = (2 * (best_N // self.width) + row_N % 2).clamp(max=height - 1)
        column_N = (2 * (best_N % self.width) + column_N % 2).clamp(max=width - 1)
        best_N = row_N * width + column_N
        return Field(height, width, source_P, target_N, best_N, best_N.new_zeros(best_N.shape, dtype=torch.float32))


def first_largest(values_RM: Tensor) -> Tensor:
    """The column of the largest value of each row, the first of equal ones."""
    if values_RM.is_cuda:
        return values_RM.argmax(1)
    return torch.from_numpy(values_RM.numpy().argmax(1))
