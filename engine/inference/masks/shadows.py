"""The shadow of a thing that is selected: what touches it and is darker than its surroundings by one factor.

The surroundings of the thing are looked at in a copy of at most SIDE pixels a side, so that its time does not grow with
the photo. There, what touches the thing and is darker than each of several limits is a candidate; of each its edge is
followed, and the difference across it taken. Of a shadow it is the same all along and in all colours. The best
candidate is the shadow if it is good enough; docs/measurements.md has how often that is right.
"""

import heapq
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.inference.holes.mask import Mask, Where, bounding_box, components, part_in, widen, with_context
from engine.inference.pixels import Pixels, in_8_bits

SIDE = 200
"""Pixels of the longer side of the copy in which a shadow is looked for."""

REACH = 1.5
"""Distance from the thing within which its shadow lies, as a share of the thing's longer side."""

LEAST_SIDE, LEAST_THING = 8, 64
"""Pixels that are looked at around the thing at least, and that the thing has in the copy at least."""

SPECK = 0.05
"""Share of the largest thing's pixels below which no shadow is looked for of a part of the mask."""

MOST_THINGS = 64
"""The largest things, whose shadows alone are looked for: each takes 15 to 60 ms."""

SMALLEST, LARGEST = 0.05, 3.0
"""Areas that a shadow may have, in those of its thing."""

CONTACT, GAP = 0.03, 3
"""Share of the thing's outline that a shadow touches at least, and pixels of the copy at which it still does."""

LEVELS, FROM, UNTIL = 12, 3, 80
"""Limits of brightness that are tried, and the percentiles of what is around the thing between which they lie."""

ROUND = (0.5, 1.0, 2.0)
"""Halves of the squares, in sides of a square of the thing's area, whose mean the brightness is compared with."""

SMOOTHING = 0.15
"""Difference in colour, as a natural logarithm summed over the channels, up to which neighbours are averaged."""

ACROSS = 3
"""Pixels of the copy on either side of an edge whose means are compared."""

LEAST_OUTSIDE = 2
"""Pixels outside of a candidate that there must be in that distance of its edge."""

FAINTEST = 0.08
"""Natural logarithm of the factor by which a shadow darkens at least, in 8 bits."""

DARK = 4
"""Levels of 255 that are added before a logarithm: below that, there is noise alone."""

EDGE = 1
"""Pixels of a smaller copy by which what is found in it is widened: its edge is soft, and known no better."""

Field = NDArray[np.float32]


class Surroundings(NamedTuple):
    """The smaller copy of a thing's surroundings."""

    logs_HW3: Field
    """Natural logarithms of the colours, smoothed; they mean nothing where they are unknown."""
    unknown_HW: Mask
    """The mask, and what is hidden."""
    thing_HW: Mask
    """The part of the mask whose shadow is looked for."""
    near_HW: Mask
    """Unknown pixels and those at most GAP away from one, where edges are not followed."""
    open_HW: Mask
    """Where the copy ends and the photo goes on."""


class Traits(NamedTuple):
    """The traits that tell a shadow from other dark regions."""

    same: float
    """Share of the edge at which it is darker by half to one and a half times what it is in the median."""
    step: float
    """That median: the natural logarithm of the factor."""
    solid: float
    """Share of its convex hull."""
    hue: float
    """Difference of the step between channels, in steps."""
    uneven: float
    """Standard deviation of the brightness outside of the edge, in steps."""
    size: float
    """Natural logarithm of its area in those of the thing."""


WEIGHTS, LIMIT = Traits(same=3.9, step=-3.2, solid=3.4, hue=-2.0, uneven=-0.75, size=0.75), 4.4
"""Of a logistic regression on made-up shadows (bench/shadows.py): what a candidate's traits add up to, and what a
shadow's add up to at least, so that one is found where there is none in one of twenty."""


class Shadows(NamedTuple):
    """The shadows of the things in a mask."""

    shadow_HW: Mask
    """All of them, without the mask itself."""
    found: int
    """The things of which one was found."""
    things: int
    """All of them, of which the MOST_THINGS largest are looked at."""

    def note(self) -> str:
        """A sentence on what was found, for those who complete it."""
        largest = f" (the {MOST_THINGS} largest alone are looked at)" if self.things > MOST_THINGS else ""
        if not self.found:
            return f"no shadow was found beside what is masked{largest}: paint it, too (--save-mask writes the mask)"
        pixels = np.count_nonzero(self.shadow_HW)
        if self.found == self.things:
            return f"a shadow of {pixels} pixels was found and is completed, too"
        return (
            f"shadows of {pixels} pixels were found beside {self.found} of {self.things} things{largest} and are "
            "completed, too: paint those of the others"
        )


def shadows_of(photo_HW3: Pixels, mask_HW: Mask, hidden_HW: Mask | None = None) -> Shadows:
    """The shadows of the things in a mask of a photo, uint8 or uint16 RGB. The same photo and mask give the same.

    Pixels whose colours mean nothing (`hidden_HW`) are not looked at, and are in no shadow.
    """
    shadow_HW, found = np.zeros(mask_HW.shape, np.bool_), 0
    unknown_HW = mask_HW if hidden_HW is None else mask_HW | hidden_HW
    things, looked_at = things_in(mask_HW)
    for where, part_HW in looked_at:
        crop = with_context(where, mask_HW.shape, reach_of(bounding_box(part_HW)), multiple=1)
        thing_HW = part_in(part_HW, where, crop)
        open_HW = borders(crop, mask_HW.shape)
        one_HW = shadow_in(in_8_bits(photo_HW3[crop]), unknown_HW[crop], thing_HW, open_HW) & ~unknown_HW[crop]
        found += bool(one_HW.any())
        shadow_HW[crop] |= one_HW
    return Shadows(shadow_HW, found, things)


def things_in(mask_HW: Mask) -> tuple[int, list[tuple[Where, Mask]]]:
    """The number of things in a mask, and the MOST_THINGS largest, as `components` has them."""
    areas: list[int] = []

    def parts() -> Iterator[tuple[int, Where, Mask]]:
        for where, part_HW in components(mask_HW):
            areas.append(int(np.count_nonzero(part_HW)))
            yield areas[-1], where, part_HW

    largest = heapq.nlargest(MOST_THINGS, parts(), key=itemgetter(0))
    least = SPECK * max(areas, default=0)
    things = sum(area >= least for area in areas)
    return things, [(where, part_HW) for _, where, part_HW in largest[:things]]


def reach_of(thing: Where) -> int:
    """Pixels around a thing in which its shadow is looked for."""
    return max(LEAST_SIDE, round(REACH * max(one.stop - one.start for one in thing)))


def borders(crop: Where, size: tuple[int, ...]) -> Mask:
    """The rows and columns of a crop beyond which the photo of (height, width) goes on."""
    rows, columns = crop
    open_HW = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.bool_)
    open_HW[0] |= rows.start > 0
    open_HW[-1] |= rows.stop < size[0]
    open_HW[:, 0] |= columns.start > 0
    open_HW[:, -1] |= columns.stop < size[1]
    return open_HW


def shadow_in(image_HW3: Pixels, unknown_HW: Mask, thing_HW: Mask, open_HW: Mask) -> Mask:
    """The shadow of a thing in its surroundings, uint8 RGB, which go on where they are `open_HW`; empty without one."""
    height, width = unknown_HW.shape
    scale = min(1.0, SIDE / max(height, width))
    around = surroundings(image_HW3, (unknown_HW, thing_HW, open_HW), scale)
    best_HW, most = None, LIMIT
    for candidate_HW in candidates(around):
        traits = traits_of(candidate_HW, around)
        score = float(np.dot(WEIGHTS, traits)) if traits else -np.inf
        if score > most:
            best_HW, most = candidate_HW, score
    if best_HW is None:
        return np.zeros(unknown_HW.shape, np.bool_)
    if scale == 1:
        return best_HW
    shadow_HW = cv2.resize(best_HW.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    return widen(shadow_HW, round(EDGE / scale))


def surroundings(image_HW3: Pixels, masks: tuple[Mask, Mask, Mask], scale: float) -> Surroundings:
    """The smaller copy in which a shadow is looked for, of an image and of what is unknown, of the thing, or open."""
    height, width = image_HW3.shape[:2]
    small = max(round(width * scale), 1), max(round(height * scale), 1)
    unknown_HW, thing_HW, open_HW = (
        cv2.resize(one.view(np.uint8) * np.uint8(255), small, interpolation=cv2.INTER_AREA) > 0 for one in masks
    )
    copy_HW3 = cv2.resize(image_HW3, small, interpolation=cv2.INTER_AREA)
    logs_HW3 = np.log(copy_HW3.astype(np.float32) + DARK)
    logs_HW3[unknown_HW] = -30  # so far away that nothing is averaged with it
    for _ in range(2):
        logs_HW3 = cv2.bilateralFilter(logs_HW3, 9, SMOOTHING, 4)
    return Surroundings(logs_HW3, unknown_HW, thing_HW, widen(unknown_HW, GAP), open_HW)


def candidates(around: Surroundings) -> Iterator[Mask]:
    """The regions that touch the thing and are darker than a limit, or than one beside the mean of what is around."""
    area = int(np.count_nonzero(around.thing_HW))
    near_HW = beside(around, GAP)
    if area < LEAST_THING or not near_HW.any():
        return
    ring_HW = beside(around, 2 * GAP)
    for field_HW in (brightness_of(around), *darkness_of(around, area)):
        first, last = np.percentile(field_HW[ring_HW], (FROM, UNTIL))
        for limit in np.linspace(first, last, LEVELS):
            dark_HW = ((field_HW < limit) & ~around.unknown_HW).view(np.uint8)
            dark_HW = cv2.morphologyEx(dark_HW, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
            count, labels_HW, stats_N5, _ = cv2.connectedComponentsWithStats(dark_HW, connectivity=4)
            area_N = stats_N5[:, cv2.CC_STAT_AREA]
            fits_N = (area_N >= SMALLEST * area) & (area_N <= LARGEST * area)
            fits_N &= np.bincount(labels_HW[near_HW], minlength=count) >= CONTACT * np.count_nonzero(near_HW)
            fits_N[labels_HW[around.open_HW]] = False
            fits_N[0] = False
            for label in np.flatnonzero(fits_N):
                yield labels_HW == label


def beside(around: Surroundings, pixels: int) -> Mask:
    """Known pixels at most so many pixels of the copy away from the thing."""
    return widen(around.thing_HW, pixels) & ~around.unknown_HW


def brightness_of(around: Surroundings) -> Field:
    """The mean logarithm of the channels."""
    brightness_HW: Field = around.logs_HW3.mean(2)
    return brightness_HW


def darkness_of(around: Surroundings, area: int) -> Iterator[Field]:
    """The brightness in comparison with the mean in squares around each pixel, of several sizes."""
    brightness_HW, known_HW = brightness_of(around), ~around.unknown_HW
    for half in ROUND:
        yield brightness_HW - means(brightness_HW, known_HW, round(half * area**0.5))


def means(values_HWC: Field, counted_HW: Mask, half: int) -> Field:
    """The means of what is counted in the square of 2 `half` + 1 around each pixel; 0 where nothing is."""
    weights_HW = counted_HW.astype(np.float32)
    counts_HW = np.maximum(sums(weights_HW, half), 1)
    if values_HWC.ndim == 3:
        weights_HW, counts_HW = weights_HW[..., None], counts_HW[..., None]
    found_HWC: Field = np.divide(sums(values_HWC * weights_HW, half), counts_HW, dtype=np.float32)
    return found_HWC


def sums(values_HWC: Field, half: int) -> Field:
    """The sums of the square of 2 `half` + 1 around each pixel, with nothing beyond the border."""
    square = 2 * half + 1, 2 * half + 1
    found_HWC: Any = cv2.boxFilter(values_HWC, -1, square, normalize=False, borderType=cv2.BORDER_CONSTANT)
    return found_HWC


def traits_of(candidate_HW: Mask, around: Surroundings) -> Traits | None:
    """The traits of a candidate; None if it has too little of an edge with its surroundings, or is hardly darker."""
    here = bounding_box(candidate_HW, 2 * ACROSS)
    inside_HW, logs_HW3, unknown_HW = candidate_HW[here], around.logs_HW3[here], around.unknown_HW[here]
    edge_HW = inside_HW & (cv2.erode(inside_HW.view(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    outside_HW = ~inside_HW & ~unknown_HW
    free_HW = edge_HW & ~around.near_HW[here] & (sums(outside_HW.astype(np.float32), ACROSS) > LEAST_OUTSIDE)
    if np.count_nonzero(free_HW) < max(8, 0.2 * np.count_nonzero(edge_HW)):
        return None
    inside_P3 = means(logs_HW3, inside_HW, ACROSS)[free_HW]
    outside_P3 = means(logs_HW3, outside_HW, ACROSS)[free_HW]
    step_P = (outside_P3 - inside_P3).mean(1)
    step = float(np.median(step_P))
    if step < FAINTEST:
        return None
    outlines, _ = cv2.findContours(inside_HW.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.contourArea(cv2.convexHull(max(outlines, key=len))) + 1
    area = np.count_nonzero(inside_HW)
    return Traits(
        same=float((np.abs(step_P - step) < step / 2).mean()),
        step=step,
        solid=area / hull,
        hue=float(np.ptp(np.median(outside_P3 - inside_P3, 0))) / step,
        uneven=float(outside_P3.mean(1).std()) / step,
        size=float(np.log(area / np.count_nonzero(around.thing_HW))),
    )
