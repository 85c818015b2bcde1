"""Thin and small holes, as scratches and specks of dust are: filled by the smoothest surface that the photo goes on in.

It is a thin plate's, with the least sum of squared Laplacians: it takes over slopes besides colours. The network comes
closer in larger holes alone, or by errors that nobody sees: docs/measurements.md has the figures.
"""

import cv2
import numpy as np

from engine.inference.holes.contrast import contrast_near
from engine.inference.holes.mask import Mask, Where, components, part_in, thickness, with_context
from engine.inference.holes.plate import REACH, plate
from engine.inference.pixels import Pixels
from engine.inference.report import Report

THIN, THIN_IF_FAINT = 4.0, 14.0
"""Pixels across a hole up to which it is thin, and up to which it is where its surroundings have little contrast."""

SMALL = 40
"""Pixels of a hole up to which it counts as thin, too."""

MOST = 2**18
"""Pixels of a hole that are solved for at once, with up to 2.6 KB each: of more, as of a net over a whole photo, none
is."""


def fill_thin_holes(photo_HW3: Pixels, hole_HW: Mask, wanted_HW: Mask, report: Report) -> tuple[Mask, Mask]:
    """The rest of the holes and of their wanted part once those that are thin are filled, in place.

    `hole_HW` is all that is unknown. The report is told how many these are. The same photo and hole give the same bits,
    whatever other holes there are more than 32 px away, and with any number of threads.
    """
    left_HW, left_wanted_HW, white = hole_HW, wanted_HW, np.iinfo(photo_HW3.dtype).max
    for where, part_HW in components(hole_HW):
        if not (part_HW & wanted_HW[where]).any() or not is_thin(photo_HW3, hole_HW, where, part_HW):
            continue
        if left_HW is hole_HW:
            left_HW, left_wanted_HW = hole_HW.copy(), wanted_HW.copy()
        crop = with_context(where, hole_HW.shape, REACH)
        here_HW = part_in(part_HW, where, crop)
        filled_P3 = plate(photo_HW3[crop], here_HW)
        photo_HW3[crop][here_HW] = np.rint(filled_P3).clip(0, white)
        left_HW[crop][here_HW] = left_wanted_HW[crop][here_HW] = False
        report.texture["smooth"] = report.texture.get("smooth", 0) + 1
    return left_HW, left_wanted_HW


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
    if stats[1:, cv2.CC_STAT_AREA].max() <= SMALL:
        return True
    return contrast_near(photo_HW3, hole_HW, where, part_HW).is_faint(photo_HW3.dtype)
