"""The surface of a thin plate over a hole: its equations, solved directly and by NumPy alone.

Nested dissection (George 1973): a strip as wide as the equations reach cuts the hole in two, and others its halves,
until few pixels are left. These are eliminated first and the strips after what they part, so that matrices stay small.
"""

from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.inference.holes.harmonic import Floats
from engine.inference.holes.mask import Mask
from engine.inference.pixels import Pixels

REACH = 2
"""Pixels around a hole that its surface goes on from."""

HERE = 20.0
STEPS_N2 = np.array(
    [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1), (-2, 0), (2, 0), (0, -2), (0, 2)]
)
WEIGHTS_N = np.array([-8.0] * 4 + [2.0] * 4 + [1.0] * 4)
"""The Laplacian of the Laplacian: the weight of a pixel, and those of the ones so many rows and columns ahead."""

LEAF = 200
"""Pixels up to which a hole is cut no further."""

BLOCK, TILE = 96, 52
"""Pixels that are eliminated at once, and the side of the tiles in which matrices are multiplied: OpenBLAS shares the
work among threads, which changes the last bits, from 100 equations on and above 64 * 64 * 64 multiplications."""

MOST_UNEVEN = 3 / 4
"""Share of a hole's pixels up to which one side of a cut may have them, where it is shorter than one in the middle."""

Indices = NDArray[np.intp]
Part = tuple[Indices, Floats]
"""The rest of equations after some pixels are eliminated: the B pixels beside these, and `left_Bb`,
with the right-hand sides in its last three columns."""


def plate(photo_HW3: Pixels, hole_HW: Mask) -> Floats:
    """The colours of the hole's pixels, row by row, `filled_P3` in fp64; beyond the photo it is mirrored."""
    return Equations.of(photo_HW3, hole_HW).solve()


class Equations:
    """One for each of the hole's P pixels: the weighed sum of it and its neighbours in the hole is what is known.

    `neighbours_PN` has P for a neighbour that is no unknown.
    """

    def __init__(self, pixel_P: Indices, width: int, neighbours_PN: Indices, known_P3: Floats) -> None:
        self.pixel_P, self.width, self.neighbours_PN, self.known_P3 = pixel_P, width, neighbours_PN, known_P3
        self.is_left_P = np.ones(len(pixel_P) + 1, np.bool_)
        self.is_left_P[-1] = False
        self.column_P = np.full(len(pixel_P) + 1, -1)
        """Where pixels are in the matrix at hand; for those in none, the last column, which is not looked at."""
        self.eliminated: list[tuple[Indices, Indices, Floats]] = []
        """Pixels, those beside them, and the weights of these and the constants that make them up."""

    @classmethod
    def of(cls, photo_HW3: Pixels, hole_HW: Mask) -> Self:
        height, width = (side + 2 * REACH for side in hole_HW.shape)
        wide_HW = np.zeros((height, width), np.bool_)
        wide_HW[REACH:-REACH, REACH:-REACH] = hole_HW
        colours_P3 = cv2.copyMakeBorder(photo_HW3, *(REACH,) * 4, cv2.BORDER_REFLECT_101).reshape(-1, 3)
        pixel_P = np.flatnonzero(wide_HW)
        number = np.full(height * width, len(pixel_P), np.int32)
        number[pixel_P] = np.arange(len(pixel_P))
        beside_PN = pixel_P[:, None] + STEPS_N2 @ (width, 1)
        neighbours_PN = number[beside_PN]
        weights_PN = WEIGHTS_N * (neighbours_PN == len(pixel_P))
        known_P3 = -np.einsum("pn,pnc->pc", weights_PN, np.take(colours_P3, beside_PN, axis=0))
        return cls(pixel_P, width, neighbours_PN, known_P3)

    def solve(self) -> Floats:
        """The colours, `filled_P3`; once."""
        self.dissect(np.arange(len(self.pixel_P)))
        filled_P3 = np.empty_like(self.known_P3)
        for inside_I, beside_B, weights_Ib in reversed(self.eliminated):
            # By einsum, which uses no threads.
            from_beside_I3 = np.einsum("ib,bc->ic", weights_Ib[:, :-3], filled_P3[beside_B])
            filled_P3[inside_I] = weights_Ib[:, -3:] - from_beside_I3
        return filled_P3

    def dissect(self, pixels_K: Indices) -> Part:
        """The equations that are left after these pixels are eliminated."""
        if len(pixels_K) <= LEAF:
            return self.eliminate(pixels_K, [])
        at_K = max(np.divmod(self.pixel_P[pixels_K], self.width), key=np.ptp)
        at_K -= at_K.min()
        count_S = np.bincount(at_K)
        before_S = np.cumsum(count_S) - count_S
        in_strip_S = count_S + np.append(count_S[1:], 0)
        after_S = len(pixels_K) - before_S - in_strip_S
        uneven_S = np.maximum(before_S, after_S) > MOST_UNEVEN * len(pixels_K)
        cut = int((in_strip_S + len(pixels_K) * uneven_S).argmin())
        sides = [self.dissect(pixels_K[side_K]) for side_K in (at_K < cut, at_K > cut + 1) if side_K.any()]
        return self.eliminate(pixels_K[(at_K == cut) | (at_K == cut + 1)], sides)

    def eliminate(self, pixels_I: Indices, parts: list[Part]) -> Part:
        """The equations that are left after these pixels are, too, next to `parts`; block by block."""
        for start in range(0, max(len(pixels_I), 1), BLOCK):
            parts = [self.eliminate_block(pixels_I[start : start + BLOCK], parts)]
        return parts[0]

    def eliminate_block(self, inside_I: Indices, parts: list[Part]) -> Part:
        """`eliminate` for at most BLOCK pixels."""
        neighbours_IN, inside = self.neighbours_PN[inside_I], len(inside_I)
        self.is_left_P[inside_I] = False
        met = np.concatenate([neighbours_IN.ravel(), *(beside_B for beside_B, _ in parts)])
        beside_B = np.unique(met[self.is_left_P[met]])
        size = inside + len(beside_B)
        self.column_P[inside_I], self.column_P[beside_B] = np.arange(inside), np.arange(inside, size)
        matrix_Ss = np.zeros((size, size + 3 + 1))  # one more column for what is in none
        matrix_Ss[np.arange(inside)[:, None], self.column_P[neighbours_IN]] = WEIGHTS_N
        matrix_Ss[np.arange(inside), np.arange(inside)] = HERE
        matrix_Ss[inside:, :inside] = matrix_Ss[:inside, inside:size].T
        matrix_Ss[:inside, size:-1] = self.known_P3[inside_I]
        for part_B, left_Bb in parts:
            rows_B = self.column_P[part_B]
            matrix_Ss[rows_B[:, None], np.append(rows_B, range(size, size + 3))] += left_Bb
        self.column_P[inside_I] = -1
        weights_Ib = np.linalg.solve(matrix_Ss[:inside, :inside], matrix_Ss[:inside, inside:-1])
        self.eliminated.append((inside_I, beside_B, weights_Ib))
        left_Bb = matrix_Ss[inside:, inside:-1]
        subtract_product(left_Bb, matrix_Ss[inside:, :inside], weights_Ib)
        return beside_B, left_Bb


def subtract_product(from_AC: Floats, left_AB: Floats, right_BC: Floats) -> None:
    """Subtract the product of two matrices, or of each two of many, in place, in tiles."""
    height, width = from_AC.shape[-2:]
    for top in range(0, height, TILE):
        rows = slice(top, top + TILE)
        for left in range(0, width, TILE):
            columns = slice(left, left + TILE)
            from_AC[..., rows, columns] -= left_AB[..., rows, :] @ right_BC[..., :, columns]
