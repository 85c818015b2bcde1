"""The smallest holes of a photo, as specks of dust are, filled by the surface of a thin plate, many at once.

`plate.py` has the same equations, and solves them one at a time: of thousands of specks the calls cost more than the
arithmetic. No step has so many equations that their bits would depend on threads.
"""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from engine.inference.holes.harmonic import Floats
from engine.inference.holes.mask import CELL, Mask, Where, block_counts, bounding_box
from engine.inference.holes.plate import BLOCK, HERE, REACH, STEPS_N2, WEIGHTS_N, Indices, subtract_product
from engine.inference.pixels import Pixels

MOST = 2 * BLOCK
"""Pixels of a hole that is one of these: half of them are eliminated, and then the others."""

AT_ONCE = 2**12
"""Pixels of holes that are solved for at once, with up to 6 KB each."""


@dataclass(frozen=True, slots=True)
class Specks:
    """K holes of P pixels in all, which lie hole by hole and row by row."""

    y_P: Indices
    x_P: Indices
    first_K: Indices
    """Where each hole's pixels begin."""
    pixels_K: Indices

    @classmethod
    def of(cls, mask_HW: Mask) -> Self:
        """The holes of up to MOST pixels, as `components` parts the mask."""
        rows, columns = bounding_box(mask_HW, multiple=CELL)
        part_HW = mask_HW[rows, columns]
        counts = block_counts(part_HW)
        number, labels = cv2.connectedComponents((counts > 0).view(np.uint8), connectivity=8)
        is_small = np.bincount(labels.ravel(), counts.ravel(), number) <= MOST
        is_small[0] = False
        cell_y_C, cell_x_C = np.nonzero(is_small[labels])
        # All pixels of these cells, and of the last ones those that there are.
        y_Ch1 = CELL * cell_y_C[:, None, None] + np.arange(CELL)[:, None]
        x_C1w = CELL * cell_x_C[:, None, None] + np.arange(CELL)
        height, width = part_HW.shape
        is_hole_Chw = part_HW[y_Ch1.clip(max=height - 1), x_C1w.clip(max=width - 1)]
        is_hole_Chw &= (y_Ch1 < height) & (x_C1w < width)
        hole_C11 = labels[cell_y_C, cell_x_C].astype(np.int64)[:, None, None]
        # One number for a pixel's hole and its place in the photo: sorting is all that it takes.
        hole_P, place_P = np.divmod(
            np.sort((hole_C11 * part_HW.size + y_Ch1 * width + x_C1w)[is_hole_Chw]), part_HW.size
        )
        y_P, x_P = np.divmod(place_P, width)
        _, first_K, pixels_K = np.unique(hole_P, return_index=True, return_counts=True)
        return cls(rows.start + y_P, columns.start + x_P, first_K, pixels_K)

    def that_have(self, wanted_HW: Mask) -> Self:
        """Those with any pixel in a mask."""
        if not len(self.first_K):
            return self
        return self.some(np.logical_or.reduceat(wanted_HW[self.y_P, self.x_P], self.first_K))

    def some(self, is_kept_K: Mask) -> Self:
        """Those that are kept."""
        is_kept_P = np.repeat(is_kept_K, self.pixels_K)
        pixels_k = self.pixels_K[is_kept_K]
        return type(self)(self.y_P[is_kept_P], self.x_P[is_kept_P], np.cumsum(pixels_k) - pixels_k, pixels_k)

    def one(self, k: int) -> tuple[Where, Mask]:
        """Where one is, and the mask there."""
        its_p = slice(self.first_K[k], self.first_K[k] + self.pixels_K[k])
        y_p, x_p = self.y_P[its_p], self.x_P[its_p]
        top, left = int(y_p[0]), int(x_p.min())
        part_HW = np.zeros((int(y_p[-1]) + 1 - top, int(x_p.max()) + 1 - left), np.bool_)
        part_HW[y_p - top, x_p - left] = True
        return (slice(top, top + part_HW.shape[0]), slice(left, left + part_HW.shape[1])), part_HW

    def fill(self, photo_HW3: Pixels) -> None:
        """Fill them in place; within REACH pixels of each, all others are known."""
        photo_HW3[self.y_P, self.x_P] = 0
        known_P3 = known_beside(photo_HW3, self.y_P, self.x_P)
        filled_P3 = np.empty_like(known_P3)
        for pixels in np.unique(self.pixels_K).tolist():
            alike_K, step = self.first_K[self.pixels_K == pixels], AT_ONCE // pixels
            for start in range(0, len(alike_K), step):
                of_kp = alike_K[start : start + step, None] + np.arange(pixels)
                filled_P3[of_kp] = solve(matrices(self.y_P[of_kp], self.x_P[of_kp]), known_P3[of_kp])
        photo_HW3[self.y_P, self.x_P] = np.rint(filled_P3).clip(0, np.iinfo(photo_HW3.dtype).max)


def known_beside(photo_HW3: Pixels, y_P: Indices, x_P: Indices) -> Floats:
    """The weighed sums of what is known around pixels of holes that are 0 in the photo, beyond which it is mirrored."""
    height, width, _ = photo_HW3.shape
    colours_N3, known_P3 = photo_HW3.reshape(-1, 3), np.zeros((len(y_P), 3))
    for (down, right), weight in zip(STEPS_N2.tolist(), WEIGHTS_N.tolist(), strict=True):
        place_P = mirrored(y_P + down, height) * width + mirrored(x_P + right, width)
        known_P3 -= weight * colours_N3.take(place_P, axis=0)
    return known_P3


def mirrored(places_P: Indices, side: int) -> Indices:
    """Places beyond the ends of a side brought back as by a mirror that stands on its last pixel."""
    return side - 1 - np.abs(side - 1 - np.abs(places_P))


def matrices(y_Kp: Indices, x_Kp: Indices) -> Floats:
    """Those of the plate's equations for K holes of p pixels each, in fp64."""
    # Pixels' places, numbered in rows so long that no two pixels of a hole are a step apart but by that step.
    width = int(np.ptp(x_Kp, axis=1).max()) + 1 + REACH
    place_Kp, far = y_Kp * width + x_Kp, REACH * width + 1
    weight_S = np.zeros(2 * far + 1)
    weight_S[far + STEPS_N2 @ (width, 1)], weight_S[far] = WEIGHTS_N, HERE
    return weight_S.take(place_Kp[:, None] - place_Kp[:, :, None] + far, mode="clip")


def solve(matrix_Kpp: Floats, known_Kp3: Floats) -> Floats:
    """The solutions of K times p equations, in one block or in two."""
    pixels = matrix_Kpp.shape[1]
    if pixels <= BLOCK:
        return np.linalg.solve(matrix_Kpp, known_Kp3)
    half, all_Kpq = pixels // 2, np.concatenate((matrix_Kpp, known_Kp3), axis=2)
    first_Khq = np.linalg.solve(matrix_Kpp[:, :half, :half], all_Kpq[:, :half, half:])
    second_Khq = all_Kpq[:, half:, half:]
    subtract_product(second_Khq, matrix_Kpp[:, half:, :half], first_Khq)
    second_Kh3 = np.linalg.solve(second_Khq[:, :, :-3], second_Khq[:, :, -3:])
    first_Kh3 = first_Khq[:, :, -3:] - np.einsum("kij,kjc->kic", first_Khq[:, :, :-3], second_Kh3)
    return np.concatenate((first_Kh3, second_Kh3), axis=1)
