"""The parts of a photo that the network runs on: the windows that cover every hole pixel at least cost.

Terms: a *region* is the part of a window whose output is kept; the *halo* is what the receptive field needs around it;
a *window* is the region with its halo, clipped at the photo's borders. All are aligned to STRIDE on a photo whose sides
have been rounded up to STRIDE.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.inference.holes.mask import bounding_box
from engine.inference.windows.layer_plan import MIN_REGION, Margins, layer_outputs, multiply_adds_per_output
from engine.spec import STRIDE

REGION_STEP = 32
"""Regions' sides are rounded up to this, so that windows of one size are common (they share a batch, and oneDNN's cache
of primitives stays small)."""

MAX_TILES = 512
"""Hole tiles that the search starts from; it takes quadratic memory in them."""

Box = tuple[int, int, int, int]
"""Top, left, bottom, right (the last two excluded)."""


class Window(NamedTuple):
    """One run of the network: it reads `outer` and keeps `region`; both in pixels of the rounded-up photo."""

    region: Box
    outer: Box

    @property
    def margins(self) -> Margins:
        """The part of `outer` that is not kept."""
        return Margins(
            self.region[0] - self.outer[0],
            self.outer[2] - self.region[2],
            self.region[1] - self.outer[1],
            self.outer[3] - self.region[3],
        )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what is read."""
        return self.outer[2] - self.outer[0], self.outer[3] - self.outer[1]


def round_up(value: int, multiple: int = STRIDE) -> int:
    """The next multiple."""
    return -(-value // multiple) * multiple


def whole_photo(height: int, width: int) -> Window:
    """The window that is the full frame."""
    box = (0, 0, round_up(height), round_up(width))
    return Window(box, box)


class NoRoom(ValueError):
    """The device, or the limit on its memory, has no room for the smallest window."""


def plan_windows(mask_HW: NDArray[np.bool_], halo: int, max_pixels: int) -> list[Window]:
    """The windows for `mask_HW`, none of more than `max_pixels`, in reading order. NoRoom if none is so small.

    A photo narrower than MIN_REGION is one window if it fits, and only otherwise several, equal to it to rounding.
    """
    height, width = (round_up(side) for side in mask_HW.shape)
    if min(height, width) < MIN_REGION and height * width <= max_pixels:
        return [whole_photo(*mask_HW.shape)]
    max_side = largest_region_side(halo, max_pixels)
    boxes = hole_tiles(mask_HW, max_side)
    if len(boxes) <= MAX_TILES:
        boxes = merge_boxes(boxes, halo, max_pixels)
    regions = {grow(box, height, width) for box in boxes}
    return [with_halo(region, height, width, halo) for region in sorted(regions)]


def smallest_window(halo: int) -> int:
    """Pixels of the smallest window of a large photo."""
    return (MIN_REGION + 2 * halo) ** 2


def largest_region_side(halo: int, max_pixels: int) -> int:
    """Side of the largest square region whose window has at most `max_pixels`."""
    smallest = smallest_window(halo)
    if max_pixels < smallest:
        raise NoRoom(
            f"the memory limit allows windows of {max_pixels} pixels; the smallest that gives the right result has "
            f"{smallest}: raise the limit (--memory) {math.ceil(10 * smallest / max(max_pixels, 1)) / 10} times"
        )
    return (int(max_pixels**0.5) - 2 * halo) // REGION_STEP * REGION_STEP


def hole_tiles(mask_HW: NDArray[np.bool_], max_side: int) -> list[Box]:
    """Boxes that cover the mask: the tight boxes of what it has in each tile of a grid, aligned to STRIDE."""
    rows, columns = bounding_box(mask_HW, multiple=STRIDE)
    top, left, bottom, right = rows.start, columns.start, rows.stop, columns.stop
    side = min(2 * MIN_REGION, max_side)
    while True:
        tiles = []
        for y in range(top, bottom, side):
            strip = mask_HW[y : min(y + side, bottom), left:right]
            for x in np.unique(np.flatnonzero(strip.any(0)) // side) * side:
                tile = strip[:, x : x + side]
                ys, xs = np.flatnonzero(tile.any(1)), np.flatnonzero(tile.any(0))
                box = (y + ys[0], left + x + xs[0], y + ys[-1] + 1, left + x + xs[-1] + 1)
                tiles.append(align(box))
        if len(tiles) <= MAX_TILES or side >= max_side:
            return tiles
        side = min(2 * side, max_side)


def align(box: Box) -> Box:
    """Grown to multiples of STRIDE."""
    top, left, bottom, right = (int(side) for side in box)
    return top // STRIDE * STRIDE, left // STRIDE * STRIDE, round_up(bottom), round_up(right)


def merge_boxes(tiles: list[Box], halo: int, max_pixels: int) -> list[Box]:
    """Greedily join the two boxes whose common window saves most, while any saves, within `max_pixels`."""
    boxes_K4 = np.array(tiles)
    cost_K = costs(boxes_K4, halo)
    saving_KK = np.stack([savings(boxes_K4, cost_K, k, halo, max_pixels) for k in range(len(boxes_K4))])
    while True:
        a, b = divmod(int(saving_KK.argmax()), len(boxes_K4))
        if saving_KK[a, b] <= 0:
            return [tuple(box) for box in boxes_K4[cost_K > 0].tolist()]
        boxes_K4[a] = around_both(boxes_K4[a], boxes_K4[b])
        cost_K[a], cost_K[b] = costs(boxes_K4[a : a + 1], halo)[0], 0
        saving_KK[b] = saving_KK[:, b] = 0
        saving_KK[a] = saving_KK[:, a] = savings(boxes_K4, cost_K, a, halo, max_pixels)


def around_both(one_K4: NDArray[np.int_], other_K4: NDArray[np.int_]) -> NDArray[np.int_]:
    """The smallest boxes around both."""
    return np.concatenate(
        (np.minimum(one_K4[..., :2], other_K4[..., :2]), np.maximum(one_K4[..., 2:], other_K4[..., 2:])), axis=-1
    )


def savings(
    boxes_K4: NDArray[np.int_], cost_K: NDArray[np.float64], k: int, halo: int, max_pixels: int
) -> NDArray[np.float64]:
    """The pixels that joining box `k` with each other one would save; 0 where it may not be."""
    joined_K4 = around_both(boxes_K4, boxes_K4[k])
    saving_K = cost_K + cost_K[k] - costs(joined_K4, halo)
    sides_K2 = joined_K4[:, 2:] - joined_K4[:, :2]
    sides_K2 = np.maximum(-(-sides_K2 // REGION_STEP) * REGION_STEP, MIN_REGION) + 2 * halo
    allowed_K = (sides_K2.prod(1) <= max_pixels) & (cost_K > 0) & (cost_K[k] > 0)
    allowed_K[k] = False
    return np.where(allowed_K, saving_K, 0)


def costs(boxes_K4: NDArray[np.int_], halo: int) -> NDArray[np.float64]:
    """Multiply-adds of the window of each box, in units that only order them."""
    sides_K2 = boxes_K4[:, 2:] - boxes_K4[:, :2]
    outputs_K2L = np.array([[axis_outputs(int(side), halo) for side in sides] for sides in sides_K2])
    return (outputs_K2L.prod(1) * np.array(multiply_adds_per_output())).sum(1).astype(np.float64)


@lru_cache(maxsize=65536)
def axis_outputs(side: int, halo: int) -> tuple[int, ...]:
    """Outputs of each layer along one side of a region."""
    side = max(round_up(side, REGION_STEP), MIN_REGION)
    return tuple(layer_outputs(side + 2 * halo, halo, halo))


def grow(box: Box, height: int, width: int) -> Box:
    """The box with sides of a multiple of REGION_STEP and at least MIN_REGION, moved to lie in the photo."""
    top, bottom = grow_side(box[0], box[2], height)
    left, right = grow_side(box[1], box[3], width)
    return top, left, bottom, right


def grow_side(first: int, stop: int, length: int) -> tuple[int, int]:
    """One side of `grow`."""
    side = min(max(round_up(stop - first, REGION_STEP), MIN_REGION), length)
    first = min(max(first - (side - (stop - first)) // 2 // STRIDE * STRIDE, 0), length - side)
    return first, first + side


def with_halo(region: Box, height: int, width: int, halo: int) -> Window:
    """The window around a region."""
    top, left, bottom, right = region
    outer = (max(top - halo, 0), max(left - halo, 0), min(bottom + halo, height), min(right + halo, width))
    return Window(region, outer)
