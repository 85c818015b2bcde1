"""Selecting a thing by a box or a rough outline around it: what differs from what is around these is the thing.

OpenCV's GrabCut (Rother et al. 2004) works on a copy of the surroundings of at most SIDE pixels a side, so that its
time hardly grows with the photo. Of 40 blobs of another photo's texture, 70 to 160 px across with a soft edge, pasted
into photos of val, the mask shares 90 % with the blob on average (96 % in the median; intersection over union), and a
box drawn 6 px around it 49 %. In two it finds nothing and says so.
"""

import cv2
import numpy as np

from engine.inference.holes.mask import Box, Mask, place_of, relative, widen, with_context
from engine.inference.pixels import Pixels, in_8_bits

SIDE = 384
"""Pixels of the longer side that the thing is first looked for at."""

AROUND = 0.3
"""The surroundings of the box that are looked at, as a share of its longer side; it must have at least LEAST pixels."""

LEAST = 16

EDGE = 2
"""Pixels of a smaller copy by which what is found in it is widened: its edge is known no better, and a rim that is left
outside would be completed from."""

ROUNDS = 2
"""Times that the colours of thing and surroundings are estimated, and the edge is drawn anew."""

FEWEST = 0.02
"""Share of the box that a thing has at least: less is a speck that differs by chance."""

SPECK = 0.05
"""Share of the largest part's pixels below which a part of the thing is left out."""


class NothingSelected(ValueError):
    """A box with nothing in it that differs from what is around it."""


def select_things(photo_HW3: Pixels, boxes: tuple[Box, ...]) -> Mask:
    """The mask of the things in the boxes that the command is given. ValueErrors as `select_thing`."""
    things_HW = np.zeros(photo_HW3.shape[:2], np.bool_)
    for x, y, width, height in boxes:
        try:
            thing_HW = select_thing(photo_HW3, (x, y, width, height), f"--select {x},{y},{width},{height}")
        except NothingSelected as error:
            raise NothingSelected(f"{error}, or complete the box itself with --hole") from error
        things_HW[y : y + height, x : x + width] |= thing_HW
    return things_HW


def select_thing(photo_HW3: Pixels, box: Box, named: str, outlined_HW: Mask | None = None) -> Mask:
    """The mask of the thing in a box of a photo, uint8 or uint16 RGB: of the box alone.

    `outlined_HW` is what an outline in the box encloses, where alone the thing is looked for. The same photo and box
    give the same mask. Errors begin with `named`: ValueError if the box leaves the photo or has nothing around it,
    NothingSelected if all in it is like what is around it.
    """
    size = photo_HW3.shape[:2]
    where = place_of(box, size, named)
    _, _, width, height = box
    crop = with_context(where, size, max(LEAST, round(AROUND * max(width, height))), multiple=1)
    if crop == where and (outlined_HW is None or outlined_HW.all()):
        raise ValueError(f"{named} is the whole photo: draw the box around the thing alone")
    inside = relative(where, crop)
    searched_HW = np.zeros(photo_HW3[crop].shape[:2], np.bool_)
    searched_HW[inside] = True if outlined_HW is None else outlined_HW
    thing_HW = thing_in(in_8_bits(photo_HW3[crop]), searched_HW)
    if not thing_HW.any():
        raise NothingSelected(
            f"{named}: nothing in it differs from what is around it; "
            f"draw the {'box' if outlined_HW is None else 'outline'} closer around the thing"
        )
    return thing_HW[inside]


def thing_in(image_HW3: Pixels, searched_HW: Mask) -> Mask:
    """The mask of what differs from its surroundings where it is searched in an image, uint8 RGB; empty if none does.

    All but the last step is done on a smaller copy.
    """
    height, width = image_HW3.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    small = max(round(width * scale), 1), max(round(height * scale), 1)
    small_searched_HW = cv2.resize(searched_HW.view(np.uint8), small, interpolation=cv2.INTER_NEAREST).view(np.bool_)
    thing_HW = cut(cv2.resize(image_HW3, small, interpolation=cv2.INTER_AREA), small_searched_HW)
    if scale < 1 and thing_HW.any():
        thing_HW = widen(thing_HW, EDGE)
    if np.count_nonzero(thing_HW) < max(FEWEST * np.count_nonzero(small_searched_HW), 1):
        return np.zeros(searched_HW.shape, np.bool_)
    shares_HW = without_specks(thing_HW).view(np.uint8) * np.uint8(255)
    return (cv2.resize(shares_HW, (width, height), interpolation=cv2.INTER_LINEAR) > 127) & searched_HW


def cut(image_HW3: Pixels, searched_HW: Mask) -> Mask:
    """The mask of what GrabCut takes for the thing where it is searched in an image."""
    if not searched_HW.any() or searched_HW.all():  # it, or what is around it, is too thin to be seen in a smaller copy
        return np.zeros(searched_HW.shape, np.bool_)
    labels_HW = np.where(searched_HW, np.uint8(cv2.GC_PR_FGD), np.uint8(cv2.GC_BGD))
    cv2.setRNGSeed(0)  # its first estimate of colours is drawn at random
    models, unused = (np.zeros((1, 65)), np.zeros((1, 65))), (0, 0, 0, 0)
    cv2.grabCut(image_HW3, labels_HW, unused, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    return (labels_HW == cv2.GC_FGD) | (labels_HW == cv2.GC_PR_FGD)


def without_specks(thing_HW: Mask) -> Mask:
    """The thing without parts that are small beside its largest one, and with its holes filled."""
    _, labels_HW, stats, _ = cv2.connectedComponentsWithStats(thing_HW.view(np.uint8), connectivity=8)
    area_N = stats[:, cv2.CC_STAT_AREA]
    large_N = area_N >= SPECK * area_N[1:].max()
    large_N[0] = False
    outlines, _ = cv2.findContours(large_N[labels_HW].view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled_HW = np.zeros(thing_HW.shape, np.uint8)
    cv2.drawContours(filled_HW, outlines, -1, 1, cv2.FILLED)
    return filled_HW.view(np.bool_)
