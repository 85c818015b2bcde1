"""Thin and small holes, as scratches and specks of dust are: filled by the smoothest surface that the photo goes on in.

It is a thin plate's, with the least sum of squared Laplacians: it takes over slopes besides colours. The network comes
closer in larger holes alone, or by errors that nobody sees: docs/measurements.md has the figures.
"""

import cv2
import numpy as np

from engine.inference.holes.contrast import contrast_near
from engine.inference.holes.mask import Mask, Where, components, part_in, thickness, with_context
from engine.inference.holes.plate import REACH, plate
from engine.inference.holes.specks import Specks
from engine.inference.pixels import Pixels
from engine.inference.report import Report

THIN, THIN_IF_FAINT = 4.0, 14.0
"""Pixels across a hole up to which it is thin, and up to which it is where its surroundings have little contrast."""

SMALL = 40
"""Pixels of a hole up to which it counts as thin, too."""

SMALL_IF_SOFT, SOFT = 300, 24 / 255
"""Pixels of a hole up to which it is thin where its surroundings are soft: where the root mean square of their second
differences, as a share of the range, times the pixels across the hole is at most so much."""

RING = 6
"""Pixels around a hole that are its surroundings then."""

DISC = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * RING + 1, 2 * RING + 1))

MOST = 2**18
"""Pixels of a hole that are solved for at once, with up to 2.6 KB each: of more, as of a net over a whole photo, none
is."""


def fill_thin_holes(photo_HW3: Pixels, hole_HW: Mask, wanted_HW: Mask, report: Report) -> tuple[Mask, Mask]:
    """The rest of the holes and of their wanted part once those that are thin are filled, in place.

    `hole_HW` is all that is unknown. The report is told how many these are. The same photo and hole give the same bits,
    whatever other holes there are more than 32 px away, and with any number of threads.
    """
    specks = Specks.of(hole_HW)
    larger_HW = hole_HW.copy()
    larger_HW[specks.y_P, specks.x_P] = False
    specks = specks.that_have(wanted_HW)
    is_thin_K = specks.pixels_K <= SMALL
    for k in np.flatnonzero(~is_thin_K).tolist():
        is_thin_K[k] = is_thin(photo_HW3, hole_HW, *specks.one(k))
    specks = specks.some(is_thin_K)
    specks.fill(photo_HW3)
    filled, filled_HW = int(np.count_nonzero(is_thin_K)), np.zeros_like(hole_HW)
    filled_HW[specks.y_P, specks.x_P] = True
    for where, part_HW in components(larger_HW):
        if (part_HW & wanted_HW[where]).any() and is_thin(photo_HW3, hole_HW, where, part_HW):
            fill_thin_hole(photo_HW3, where, part_HW)
            filled_HW[where] |= part_HW
            filled += 1
    if not filled:
        return hole_HW, wanted_HW
    report.texture["smooth"] = report.texture.get("smooth", 0) + filled
    return hole_HW & ~filled_HW, wanted_HW & ~filled_HW


def fill_thin_hole(photo_HW3: Pixels, where: Where, part_HW: Mask) -> None:
    """Fill one hole, the mask `part_HW` at `where`, in place."""
    crop = with_context(where, photo_HW3.shape, REACH)
    here_HW = part_in(part_HW, where, crop)
    photo_HW3[crop][here_HW] = np.rint(plate(photo_HW3[crop], here_HW)).clip(0, np.iinfo(photo_HW3.dtype).max)


def is_thin(photo_HW3: Pixels, hole_HW: Mask, where: Where, part_HW: Mask) -> bool:
    """True for the hole that is `part_HW` at `where` if the network has nothing to add to its surface."""
    pixels = int(np.count_nonzero(part_HW))
    if pixels <= SMALL or pixels > MOST:
        return pixels <= SMALL
    around_HW = cv2.copyMakeBorder(part_HW.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    thick = thickness(around_HW.view(np.bool_))
    if thick <= THIN or thick > THIN_IF_FAINT:
        return thick <= THIN
    _, _, stats, _ = cv2.connectedComponentsWithStats(part_HW.view(np.uint8), connectivity=8)
    largest = stats[1:, cv2.CC_STAT_AREA].max()
    if largest <= SMALL:
        return True
    if largest <= SMALL_IF_SOFT and thick * bends_near(photo_HW3, hole_HW, where, part_HW) <= SOFT:
        return True
    return contrast_near(photo_HW3, hole_HW, where, part_HW).is_faint(photo_HW3.dtype)


def bends_near(photo_HW3: Pixels, hole_HW: Mask, where: Where, part_HW: Mask) -> float:
    """The root mean square of the second differences of the colours around a hole, as a share of the range.

    The hole is `part_HW` at `where`, `hole_HW` all that is unknown. Infinite where no three pixels in a row are known.
    """
    crop = with_context(where, hole_HW.shape, RING + 1)
    crop_HW3, known_HW = photo_HW3[crop], ~hole_HW[crop]
    ring_HW = (cv2.dilate(part_in(part_HW, where, crop).view(np.uint8), DISC) > 0) & known_HW
    squares = count = 0
    for line_HW3, is_known_HW, is_near_HW in (
        (crop_HW3, known_HW, ring_HW),
        (crop_HW3.swapaxes(0, 1), known_HW.T, ring_HW.T),
    ):
        y_P, x_P = np.nonzero(is_near_HW[1:-1] & is_known_HW[:-2] & is_known_HW[2:])
        before_P3, middle_P3, after_P3 = (line_HW3[y_P + step, x_P].astype(np.int64) for step in range(3))
        squares += int(np.square(before_P3 - 2 * middle_P3 + after_P3).sum())
        count += middle_P3.size
    return float(np.sqrt(squares / count) / np.iinfo(photo_HW3.dtype).max) if count else np.inf
