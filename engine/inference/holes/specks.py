"""The smallest holes of a photo, as specks of dust are, filled by the surface of a thin plate, many at once.

`plate.py` has the same equations, and for such holes the same bits, one at a time: of thousands of specks the calls
cost more than the arithmetic.
"""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from engine.inference.holes.harmonic import Floats
from engine.inference.holes.mask import CELL, Mask, Where, block_counts, bounding_box
from engine.inference.holes.plate import BLOCK, HERE, REACH, STEPS_N2, WEIGHTS_N, Indices
from engine.inference.pixels import Pixels

AT_ONCE = 2**14
"""Pixels of holes that are solved for at once, with up to 2 KB each."""


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
        """The holes of up to BLOCK pixels, as `components` parts the mask."""
        rows, columns = bounding_box(mask_HW, multiple=CELL)
        part_HW = mask_HW[rows, columns]
        counts = block_counts(part_HW)
        number, labels = cv2.connectedComponents((counts > 0).view(np.uint8), connectivity=8)
        is_small = np.bincount(labels.ravel(), counts.ravel(), number) <= BLOCK
        is_small[0] = False
        cell_y_C, cell_x_C = np.nonzero(is_small[labels])
        # All pixels of these cells, and of the last ones those that there are.
        y_Ch1 = CELL * cell_y_C[:, None, None] + np.arange(CELL)[:, None]
        x_C1w = CELL * cell_x_C[:, None, None] + np.arange(CELL)
        height, width = part_HW.shape
        is_hole_Chw = part_HW[y_Ch1.clip(max=height - 1), x_C1w.clip(max=width - 1)]
        cell_P, down_P, right_P = np.nonzero(is_hole_Chw & (y_Ch1 < height) & (x_C1w < width))
        y_P, x_P = CELL * cell_y_C[cell_P] + down_P, CELL * cell_x_C[cell_P] + right_P
        hole_P = labels[cell_y_C, cell_x_C][cell_P]
        order_P = np.lexsort((x_P, y_P, hole_P))
        _, first_K, pixels_K = np.unique(hole_P[order_P], return_index=True, return_counts=True)
        return cls(rows.start + y_P[order_P], columns.start + x_P[order_P], first_K, pixels_K)

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

    def fill(self, photo_HW3: Pixels, hole_HW: Mask) -> None:
        """Fill them in place; `hole_HW` is all that is unknown."""
        for pixels in np.unique(self.pixels_K).tolist():
            alike_K, step = self.first_K[self.pixels_K == pixels], AT_ONCE // pixels
            for start in range(0, len(alike_K), step):
                of_kp = alike_K[start : start + step, None] + np.arange(pixels)
                y_kp, x_kp = self.y_P[of_kp], self.x_P[of_kp]
                filled_kp3 = np.linalg.solve(*equations(photo_HW3, hole_HW, y_kp, x_kp))
                photo_HW3[y_kp, x_kp] = np.rint(filled_kp3).clip(0, np.iinfo(photo_HW3.dtype).max)


def equations(photo_HW3: Pixels, hole_HW: Mask, y_Kp: Indices, x_Kp: Indices) -> tuple[Floats, Floats]:
    """The plate's equations for K holes of p pixels each: their matrices, and what is known; in fp64."""
    # Pixels' places, numbered in rows so long that no two pixels of a hole are a step apart but by that step.
    width = int(np.ptp(x_Kp, axis=1).max()) + 1 + REACH
    place_Kp, far = y_Kp * width + x_Kp, REACH * width + 1
    weight_S = np.zeros(2 * far + 1)
    weight_S[far + STEPS_N2 @ (width, 1)], weight_S[far] = WEIGHTS_N, HERE
    apart_Kpp = place_Kp[:, None] - place_Kp[:, :, None]
    matrix_Kpp = weight_S[apart_Kpp.clip(-far, far) + far]
    # Beyond the photo it is mirrored, and all of that is known.
    beside_y_KpN, beside_x_KpN = y_Kp[..., None] + STEPS_N2[:, 0], x_Kp[..., None] + STEPS_N2[:, 1]
    y_KpN, x_KpN = mirrored(beside_y_KpN, hole_HW.shape[0]), mirrored(beside_x_KpN, hole_HW.shape[1])
    is_known_KpN = ~hole_HW[y_KpN, x_KpN] | (y_KpN != beside_y_KpN) | (x_KpN != beside_x_KpN)
    return matrix_Kpp, -np.einsum("kpn,kpnc->kpc", WEIGHTS_N * is_known_KpN, photo_HW3[y_KpN, x_KpN])


def mirrored(places: Indices, side: int) -> Indices:
    """Places beyond the ends of a side brought back as in a mirror that stands on its last pixel."""
    return side - 1 - np.abs(side - 1 - np.abs(places))
