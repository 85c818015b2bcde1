"""Shapes as pixels, as the tools themselves draw them: which pixels a polygon's border takes differs between them."""

import numpy as np
from numpy.typing import NDArray

from engine.inference.holes.mask import Mask

Points = list[tuple[float, float]]
FINER = 5
"""COCO follows a polygon's border in steps of a fifth of a pixel."""

MOST_RUNS = 2**26
"""Runs of an RLE, or steps along a border, that are followed."""


def fill_polygon(mask_HW: Mask, points: Points) -> None:
    """Mark a polygon as COCO's own library does: a square of 10 with whole corners is 100 pixels.

    Where its border crosses the middle of a column of pixels, inside and outside change places, from there down.
    """
    height, width = mask_HW.shape
    x_K, y_K = np.array(points).T
    x_K, y_K = (np.trunc(FINER * v_K + 0.5).astype(np.int64) for v_K in (x_K, y_K))
    steps = np.maximum(abs(np.diff(x_K, append=x_K[0])), abs(np.diff(y_K, append=y_K[0])))
    if steps.sum() > MOST_RUNS:
        raise ValueError(f"the border of a polygon of it is {steps.sum() // FINER} pixels long; is that damage?")
    along = [border(x_K[i], y_K[i], x_K[i + 1 - len(x_K)], y_K[i + 1 - len(x_K)]) for i in range(len(x_K))]
    x_M, y_M = np.concatenate(along, axis=1)
    crosses = np.flatnonzero(np.diff(x_M)) + 1
    left_M, right_M = x_M[crosses - 1], x_M[crosses]
    column = (np.where(right_M < left_M, right_M, right_M - 1) + 0.5) / FINER - 0.5
    row = (np.minimum(y_M[crosses], y_M[crosses - 1]) + 0.5) / FINER - 0.5
    is_middle = (np.floor(column) == column) & (column >= 0) & (column <= width - 1)
    row = np.ceil(np.clip(row[is_middle], 0, height)).astype(np.int64)
    column = column[is_middle].astype(np.int64)
    if row.size == 0:
        return
    top, left = row.min(), column.min()
    changes = np.zeros((row.max() - top + 1, column.max() - left + 1), np.bool_)
    np.logical_xor.at(changes, (row - top, column - left), True)
    inside = np.logical_xor.accumulate(changes, axis=0)[:-1]
    mask_HW[top : top + inside.shape[0], left : left + inside.shape[1]] |= inside


def border(x: int, y: int, to_x: int, to_y: int) -> NDArray[np.int64]:
    """Whole points (x, y) from one to another: in steps of 1 along the longer way, in order."""
    across, down = abs(to_x - x), abs(to_y - y)
    flat = across >= down
    flip = (flat and x > to_x) or (not flat and y > to_y)
    if flip:
        x, y, to_x, to_y = to_x, to_y, x, y
    step = np.arange(max(across, down) + 1)
    if flip:
        step = step[::-1]
    if flat:
        slope = (to_y - y) / across if across else 0.0
        return np.stack([step + x, np.trunc(y + slope * step + 0.5).astype(np.int64)])
    return np.stack([np.trunc(x + (to_x - x) / down * step + 0.5).astype(np.int64), step + y])


def runs(counts: list[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The flat mask of so many pixels outside, then inside, and so on. ValueError if they are not `size` in all."""
    lengths = np.array(counts, np.int64)
    if (lengths < 0).any() or lengths.sum() != size[0] * size[1]:
        raise ValueError(f"an RLE of it has {lengths.sum()} pixels, and the picture has {size[1]}x{size[0]}")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)


def turned_box(x: float, y: float, width: float, height: float, degrees: float, about: tuple[float, float]) -> Points:
    """The corners of a box, turned clockwise about a point."""
    corners = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return [(float(x), float(y)) for x, y in (corners - about) @ turn + about]


def fill_box(mask_HW: Mask, left: float, top: float, right: float, bottom: float) -> None:
    """Mark all pixels from the one that a corner lies in to that of the opposite corner, both included."""
    columns, rows = sorted((left, right)), sorted((top, bottom))
    if columns[1] >= 0 and rows[1] >= 0:
        mask_HW[max(int(rows[0]), 0) : int(rows[1]) + 1, max(int(columns[0]), 0) : int(columns[1]) + 1] = True


def fill_ellipse(mask_HW: Mask, centre: tuple[float, float], radii: tuple[float, float], degrees: float = 0) -> None:
    """Mark the pixels whose middle is in an ellipse, turned clockwise."""
    rows, columns = np.mgrid[: mask_HW.shape[0], : mask_HW.shape[1]] + 0.5
    angle = np.deg2rad(degrees)
    across, down = columns - centre[0], rows - centre[1]
    along = across * np.cos(angle) + down * np.sin(angle)
    beside = down * np.cos(angle) - across * np.sin(angle)
    if min(radii) > 0:
        mask_HW |= (along / radii[0]) ** 2 + (beside / radii[1]) ** 2 <= 1
