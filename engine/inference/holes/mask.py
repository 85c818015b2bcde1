"""The pixels of a photo to complete: masks as arrays, and the holes in them."""

from collections.abc import Iterable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Where = tuple[slice, slice]
"""Rows and columns."""

Box = tuple[int, int, int, int]
"""X, y, width, height."""

CELL = 8
"""Side in pixels of the cells that `components` works on."""

LONG, THIN, PIECE = 2**17, 96, 512
"""A hole whose bounding box has more pixels than LONG, and that is nowhere thicker than THIN, is worked on in pieces of
at most PIECE on a side: a wire across a photo has a bounding box like the photo's."""

LARGEST_KERNEL = 16
"""Radius in pixels up to which masks are widened by a disc as kernel, whose time grows with the radius's square."""

ROWS_AT_A_TIME = 1024
"""Least rows that are widened at a time."""

WIDER = ((0, 2), (4, 3), (16, 4))
"""Pixels by which holes thicker than so many pixels are widened unless a number is given: a scratch has a narrower edge
than a thing, and four pixels on each side would complete five times as much as there is of one of 2 px."""


class OtherSize(ValueError):
    """A mask that is not of its photo's size."""


def prepare_mask(mask_HW: NDArray[Any], size: tuple[int, ...], dilate: int | None) -> tuple[Mask, set[int]]:
    """`mask_HW` as bool and widened, not copied where it is that already, and the pixels by which its holes were.

    These are `dilate`, or with None what WIDER has for the thickness of each, and none of them is 0. ValueError if it
    is not a mask of this size with something in and outside it.
    """
    check_size(mask_HW.shape, size)
    hole_HW = np.ascontiguousarray(mask_HW if mask_HW.dtype == np.bool_ else mask_HW != 0)
    if not hole_HW.any():
        raise ValueError("the mask is empty: no pixel is marked to be completed (is it inverted?)")
    if dilate is None:
        wide_HW, widened = widen_by_thickness(hole_HW)
    else:
        wide_HW, widened = widen(hole_HW, dilate), {dilate} - {0}
    if wide_HW.all():
        by = "" if hole_HW.all() else f", widened by {in_pixels(widened)} (--mask-dilate),"
        raise ValueError(f"the mask{by} covers the whole photo, so that nothing is left to complete it from")
    return wide_HW, widened


def in_pixels(widened: set[int]) -> str:
    """The pixels by which holes were widened as people say it."""
    least, most = min(widened), max(widened)
    return f"{most} pixels" if least == most else f"{least} to {most} pixels"


def with_hidden(hole_HW: Mask, hidden_HW: Mask) -> Mask:
    """The hole and all that is hidden (not 0). ValueError if they are not of one size, or nothing is left."""
    check_size(hidden_HW.shape, hole_HW.shape)
    unknown_HW = hole_HW | (hidden_HW != 0)
    if unknown_HW.all():
        raise ValueError(
            "the mask covers all of the photo that is neither fully transparent nor without data, so that nothing is "
            "left to complete it from; make the hole smaller"
        )
    return unknown_HW


def check_size(mask_shape: tuple[int, ...], size: tuple[int, ...]) -> None:
    """OtherSize if the mask is not of the photo's (height, width)."""
    if mask_shape != tuple(size):
        turned = "; the mask lies on its side: turn it as the photo is seen" if mask_shape == tuple(size)[::-1] else ""
        raise OtherSize(
            f"the mask is {describe(mask_shape)} and the photo {describe(size)} (width x height): "
            f"they must be the same size{turned}"
        )


def describe(shape: tuple[int, ...]) -> str:
    """Width x height as people say it."""
    return "x".join(str(side) for side in reversed(shape[:2])) if len(shape) == 2 else f"of shape {tuple(shape)}"


def mask_of_holes(holes: Iterable[Box], size: tuple[int, ...]) -> Mask:
    """The mask of rectangles (x, y, width, height) in a photo of (height, width). ValueError if one lies outside it."""
    mask_HW = np.zeros(size, np.bool_)
    for hole in holes:
        mask_HW[place_of(hole, size, f"the hole {','.join(map(str, hole))}")] = True
    return mask_HW


def parse_box(named: str, text: str) -> Box:
    """X,Y,WIDTH,HEIGHT as people write it. ValueError, which begins with `named`, if it is not that."""
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(
            f"{named} is {text!r}; it must be X,Y,WIDTH,HEIGHT in pixels, such as 300,120,80,60"
        ) from error
    return x, y, width, height


def place_of(box: Box, size: tuple[int, ...], named: str) -> Where:
    """Where a box (x, y, width, height) is in a photo of (height, width).

    ValueError, which begins with `named`, if it is empty or outside the photo.
    """
    x, y, width, height = box
    if width < 1 or height < 1:
        raise ValueError(f"{named} is empty: its width and height must be at least 1")
    if x < 0 or y < 0 or x + width > size[1] or y + height > size[0]:
        raise ValueError(f"{named} leaves the photo, which is {size[1]}x{size[0]}")
    return slice(y, y + height), slice(x, x + width)


def cut_out(alpha_HW: NDArray[Any]) -> Mask:
    """The erased part of a photo: each region that is less opaque than the photo is, and that has a fully transparent
    pixel.

    A soft eraser leaves a ring around it that is half transparent. Regions that are so throughout are none of these.
    """
    not_opaque_HW = (alpha_HW < alpha_HW.max()) | (alpha_HW == 0)  # all of the photo may be half transparent
    where = bounding_box(not_opaque_HW)  # so that the labels' memory follows the hole
    count, labels = cv2.connectedComponents(not_opaque_HW[where].view(np.uint8), connectivity=8)
    erased = np.zeros(count, np.bool_)
    erased[labels[alpha_HW[where] == 0]] = True
    cut_out_HW = np.zeros_like(not_opaque_HW)
    cut_out_HW[where] = erased[labels]
    return cut_out_HW


def widen(mask_HW: Mask, pixels: int) -> Mask:
    """The mask grown by a disc of this radius."""
    if pixels == 0:
        return mask_HW
    where = bounding_box(mask_HW, pixels)
    wide_HW = mask_HW.copy()
    if pixels > LARGEST_KERNEL:
        widen_by_distance(mask_HW[where], pixels, wide_HW[where])
        return wide_HW
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    wide_HW[where] = cv2.dilate(mask_HW[where].view(np.uint8), disc).view(np.bool_)
    return wide_HW


def widen_by_thickness(mask_HW: Mask) -> tuple[Mask, set[int]]:
    """The mask with each of its connected holes grown by as many pixels as WIDER has for its thickness, and these."""
    wide_HW, widened = mask_HW.copy(), set()
    for where, part_HW in components(mask_HW):
        count, labels_HW = cv2.connectedComponents(part_HW.view(np.uint8), connectivity=8)
        at_P = np.unravel_index(np.flatnonzero(part_HW), part_HW.shape)
        labels_P, away_P = labels_HW[at_P], distances(part_HW)[at_P]
        pixels_N = np.zeros(count, np.uint8)
        for thicker, pixels in WIDER:
            pixels_N[labels_P[away_P > thicker / 2]] = pixels
        crop = with_context(where, mask_HW.shape, WIDER[-1][1])
        for pixels in np.unique(pixels_N[1:]).tolist():
            alike_P = pixels_N[labels_P] == pixels
            alike_HW = np.zeros_like(mask_HW[crop])
            alike_HW[relative(where, crop)][at_P[0][alike_P], at_P[1][alike_P]] = True
            wide_HW[crop] |= widen(alike_HW, pixels)
            widened.add(pixels)
    return wide_HW, widened


def widen_by_distance(mask_HW: Mask, pixels: int, wide_HW: Mask) -> None:
    """Write the mask grown by a disc into `wide_HW`, in bands of rows: distances take four times a mask's memory."""
    height = mask_HW.shape[0]
    step = max(ROWS_AT_A_TIME, 2 * pixels)
    for top in range(0, height, step):
        bottom, above = min(top + step, height), max(top - pixels, 0)
        near_HW = mask_HW[above : bottom + pixels]
        if near_HW.any():
            away_HW = cv2.distanceTransform((~near_HW).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            # Half a pixel more, as in OpenCV's disc, whose rows are rounded: none of its pixels is left out.
            wide_HW[top:bottom] = away_HW[top - above : bottom - above] <= pixels + 0.5


def bounding_box(mask_HW: Mask, margin: int = 0, multiple: int = 1) -> Where:
    """Where a mask has anything, with a margin, from multiples of `multiple` on: so that work follows the hole."""
    rows = np.flatnonzero(mask_HW.any(1))
    if rows.size == 0:
        return slice(0, 0), slice(0, 0)
    columns = np.flatnonzero(mask_HW[rows[0] : rows[-1] + 1].any(0))
    first = (max(int(side[0]) - margin, 0) // multiple * multiple for side in (rows, columns))
    stop = (int(side[-1]) + 1 + margin for side in (rows, columns))
    where = tuple(slice(a, min(b, side)) for a, b, side in zip(first, stop, mask_HW.shape, strict=True))
    return where[0], where[1]


def components(mask_HW: Mask) -> Iterator[tuple[Where, Mask]]:
    """The holes of a mask, those within CELL pixels of each other as one: (where, the mask there).

    Labelled on cells and not on pixels, so that a large photo's labels take little memory. `where` has a margin of at
    least one pixel around the hole, if the photo does.
    """
    # On the part that has any, which is found at the speed of memory; what follows is not so fast.
    outer = bounding_box(mask_HW, margin=1, multiple=CELL)
    mask_HW, y, x = mask_HW[outer], outer[0].start, outer[1].start
    if mask_HW.size == 0:
        return
    cells = np.pad(block_counts(mask_HW) > 0, 1).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cells, connectivity=8)
    for label in range(1, count):
        left, top, columns, rows = (int(value) for value in stats[label, :4])
        # One cell more on each side, in the coordinates of the unpadded cells.
        mine = labels[top - 1 : top + rows + 1, left - 1 : left + columns + 1] == label
        top, left = (top - 2) * CELL, (left - 2) * CELL
        mine_HW = mine.repeat(CELL, 0).repeat(CELL, 1)[max(-top, 0) :, max(-left, 0) :]
        top, left = max(top, 0), max(left, 0)
        here_HW = mask_HW[top : top + mine_HW.shape[0], left : left + mine_HW.shape[1]]
        where = slice(y + top, y + top + here_HW.shape[0]), slice(x + left, x + left + here_HW.shape[1])
        yield where, here_HW & mine_HW[: here_HW.shape[0], : here_HW.shape[1]]


def pieces(mask_HW: Mask, context: int) -> Iterator[tuple[Where, Mask, Where]]:
    """The holes as `components` has them, long thin ones cut: (where, the mask there, the crop to be looked at for it).

    The crop is `where` with `context` more pixels on each side, for a piece with twice the hole's thickness at least: a
    smooth surface in the hole feels what is so far away by exp(-2 pi), which is 0.2 %. Whole and in pieces, a line of
    60 px across 24 megapixels takes 40 and 9 s of CPU time and 4.4 and 1.2 GB at the peak. In photos of 6 megapixels
    the pixels of lines of 30 to 76 px differ by 0.8 to 1.4 levels on average, and a step at a cut is larger by 2.0
    levels at most, mostly by less than 0.9.
    """
    for where, part_HW in components(mask_HW):
        is_long = part_HW.size > LONG and np.count_nonzero(part_HW) <= part_HW.size / 4  # else it fills much of its box
        thick = thickness(part_HW) if is_long else np.inf
        if thick > THIN:
            yield where, part_HW, with_context(where, mask_HW.shape, context)
            continue
        seen = max(context, round(2 * thick))
        height, width = part_HW.shape
        for top in range(0, height, PIECE):
            for left in range(0, width, PIECE):
                rows, columns = bounding_box(part_HW[top : top + PIECE, left : left + PIECE])
                if rows.stop > rows.start:
                    in_part = shift(rows, top), shift(columns, left)
                    here = shift(in_part[0], where[0].start), shift(in_part[1], where[1].start)
                    yield here, part_HW[in_part], with_context(here, mask_HW.shape, seen)


def thickness(hole_HW: Mask) -> float:
    """Twice the largest distance in pixels from inside the hole to a pixel outside it; of a rectangle, its short side.

    A hole at the photo's border, with nothing known beyond it, is twice as thick as it looks: see `border.py`.
    """
    if hole_HW.all():
        return 2.0 * max(hole_HW.shape)
    return 2 * float(distances(hole_HW).max())


def distances(hole_HW: Mask) -> NDArray[Any]:
    """Pixels from each pixel of a hole to the nearest outside it, and 0 there; nothing lies beyond the photo."""
    return cv2.distanceTransform(hole_HW.view(np.uint8), cv2.DIST_L2, 3)


def shift(one: slice, by: int) -> slice:
    """A slice so many pixels further on."""
    return slice(one.start + by, one.stop + by)


def block_counts(mask_HW: Mask) -> NDArray[np.uint64]:
    """The number of the mask's pixels in each cell of CELL x CELL."""
    height, width = mask_HW.shape
    strips_hW = np.zeros((-(-height // CELL), -(-width // CELL) * CELL), np.uint8)
    for row in range(CELL):
        rows_hW = mask_HW[row::CELL].view(np.uint8)
        strips_hW[: len(rows_hW), :width] += rows_hW
    # The bytes of a cell's columns are read as one number; multiplied so, its highest byte is the sum of all.
    return strips_hW.view(np.uint64) * np.uint64(0x0101010101010101) >> np.uint64(56)


def with_context(where: Where, shape: tuple[int, ...], context: int, multiple: int = 2) -> Where:
    """`where` with `context` more pixels on each side, from multiples of `multiple` on, within the photo."""
    rows, columns = (
        slice(max(one.start - context, 0) // multiple * multiple, min(one.stop + context, side))
        for one, side in zip(where, shape[:2], strict=True)
    )
    return rows, columns


def part_in(part_HW: Mask, where: Where, crop: Where) -> Mask:
    """A mask of a crop's size that has `part_HW`, which lies at `where`."""
    here_HW = np.zeros([one.stop - one.start for one in crop], np.bool_)
    here_HW[relative(where, crop)] = part_HW
    return here_HW


def relative(where: Where, crop: Where) -> Where:
    """`where` in a crop's coordinates."""
    rows, columns = (slice(one.start - of.start, one.stop - of.start) for one, of in zip(where, crop, strict=True))
    return rows, columns
