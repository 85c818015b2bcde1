"""A rim of what was painted out, left just outside of a hole: completions grow from it, so a note says so.

A rim is a step of the photo's colours that follows the hole all around, a few pixels outside of it, between colours
that are alike all around the hole and colours further out that these are not among. Three numbers tell it, weighed by a
logistic regression on crops of 256x256 of 1614 photos, whose holes are boxes, ellipses, blobs and strokes of 20 to 120
pixels.

On 2000 crops each of 200 other photos, per cent of holes with a note:

| nothing was pasted in, and nothing is painted out         |  0.6 |
| a thing of one colour is, but for a rim of 3 or 6 px      |  100 |
| a thing out of another photo is, but for a rim of 3 px    | 90.6 |
| the same, of 6 px                                         | 92.0 |

What is missed has colours that are all around it, too; what is noted without reason is mostly a thing of which the hole
leaves a rim by chance. Rims of 1 and 2 px are found in 82 and 95 % of cases, of 8 and 10 px in 90 and 75 %, and of 1 to
8 px from place to place in 93 %. On photos of 14 to 25 megapixels, 600 holes of 30 to 1000 px raised no false alarm.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.inference.holes.harmonic import Floats
from engine.inference.holes.mask import Mask, bounding_box
from engine.inference.pixels import Pixels

REACH = 21
"""Pixels outside of a hole that are looked at, each way straight out from its edge."""

NEAR, FAR = slice(0, 2), slice(7, 16)
"""Of these, the ones just outside, and those further away: 1 to 2 and 8 to 16 px."""

LAG = 3
"""Pixels between two colours that a step is measured by: soft edges of things are about as wide."""

CLOSE, AWAY = slice(0, 8), slice(10, 18)
"""Where a step is that the edge of a rim makes, and as many places further away where one may be anyhow."""

WEIGHTS = (5.0, 5.9, -3.7)
"""Of the step, of the unlikeness and of the unevenness, all as logarithms."""

LEAST = 3.8
"""Weighed sum from which on a hole has a rim; the natural logarithm of the number of holes is added, so that many of
them raise no more false alarms than one."""

SHORT, MORE_IF_SHORT = 100, 1.5
"""Pixels of a hole's edge below which more is asked for: so many times the logarithm of the ratio. Small holes lie
within small things by chance, so that without it one of 3 to 6 px would raise a false alarm in 9 of 100 cases."""

RAYS, SECTORS, LEAST_SECTORS = 256, 16, 6
"""Most ways out of one hole, evenly along its edge; the sectors of the edge over which they are averaged; and how many
of these must have something known to be judged."""

MOST_HOLES = 64
"""The holes with the longest edges that are looked at."""

WIDER = 8
"""Pixels by which a mask with a rim is to be wider."""


def rim_note(photo_HW3: Pixels, hole_HW: Mask, unknown_HW: Mask, widened: int) -> str | None:
    """The note for holes with a rim, None if there is none. Nothing `unknown_HW` is looked at, such as other holes.

    `widened` is the number of pixels by which the mask was widened already.
    """
    edges = edges_of(hole_HW)
    looked_at = sorted(edges, key=len, reverse=True)[:MOST_HOLES]
    found = sum(has_rim(photo_HW3, unknown_HW, edge_P2, len(looked_at)) for edge_P2 in looked_at)
    if not found:
        return None
    largest = "" if len(looked_at) == len(edges) else "the largest "
    holes = "" if len(edges) == 1 else f" at {found} of {largest}{len(looked_at)} holes"
    return (
        f"what is just outside the mask looks unlike what is further away{holes}: widen by {WIDER}? "
        f"(--mask-dilate {widened + WIDER})"
    )


def has_rim(photo_HW3: Pixels, unknown_HW: Mask, edge_P2: NDArray[Any], holes: int) -> bool:
    """True if what is just outside of a hole with this edge, one of so many, is a rim."""
    least = LEAST + np.log(holes) + MORE_IF_SHORT * np.log(max(SHORT / len(edge_P2), 1))
    return evidence(*sectors(photo_HW3, unknown_HW, edge_P2)) > least


def edges_of(hole_HW: Mask) -> list[NDArray[Any]]:
    """The x, y of the outermost pixels of each hole, in the order in which they follow one another."""
    rows, columns = where = bounding_box(hole_HW)
    offset = (columns.start, rows.start)
    found, _ = cv2.findContours(hole_HW[where].view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=offset)
    return [edge_P12[:, 0] for edge_P12 in found]


def sectors(photo_HW3: Pixels, unknown_HW: Mask, edge_P2: NDArray[Any]) -> tuple[Floats, Mask]:
    """The colours at 1 to REACH px straight out from a hole's edge, (sectors, REACH, 3) in levels of 255, averaged over
    sectors of the edge; and where there are any: not outside the photo, and not where it is unknown."""
    count = min(len(edge_P2), RAYS)
    at_R = np.arange(count) * len(edge_P2) // count
    ahead = min(3, len(edge_P2) // 4)  # far enough that steps of whole pixels make a direction
    along_R2 = edge_P2[(at_R + ahead) % len(edge_P2)] - edge_P2[at_R - ahead]
    out_R2 = np.stack((-along_R2[:, 1], along_R2[:, 0]), 1) / np.maximum(np.hypot(*along_R2.T), 1e-6)[:, None]
    x_RD, y_RD = (
        np.rint(edge_P2[at_R, axis, None] + out_R2[:, axis, None] * np.arange(1, REACH + 1)).astype(np.intp)
        for axis in (0, 1)
    )
    height, width = unknown_HW.shape
    known_RD = (x_RD >= 0) & (x_RD < width) & (y_RD >= 0) & (y_RD < height)
    x_RD, y_RD = x_RD.clip(0, width - 1), y_RD.clip(0, height - 1)
    known_RD &= ~unknown_HW[y_RD, x_RD]
    scale = np.float32(255 / np.iinfo(photo_HW3.dtype).max)
    colours_RD3 = photo_HW3[y_RD, x_RD] * (scale * known_RD)[..., None]
    first_S = np.arange(min(count, SECTORS)) * count // min(count, SECTORS)
    known_SD = np.add.reduceat(known_RD, first_S, dtype=np.intp)
    return np.add.reduceat(colours_RD3, first_S) / np.maximum(known_SD, 1)[..., None], known_SD > 0


def evidence(colours_SD3: Floats, known_SD: Mask) -> float:
    """The weighed sum that tells a rim; minus infinity where too little is known to tell."""
    signs_3 = signs(colours_SD3, known_SD)
    return -np.inf if signs_3 is None else float(np.dot(WEIGHTS, signs_3))


def signs(colours_SD3: Floats, known_SD: Mask) -> tuple[float, float, float] | None:
    """A hole's step, unlikeness and unevenness; None where too little is known to tell."""
    near_S3, far_S3 = mean_of(colours_SD3, known_SD, NEAR), mean_of(colours_SD3, known_SD, FAR)
    steps_SD = np.linalg.norm(colours_SD3[:, LAG:] - colours_SD3[:, :-LAG], axis=2)
    steps_SD *= known_SD[:, LAG:] & known_SD[:, :-LAG]
    seen_S = known_SD[:, NEAR].any(1) & known_SD[:, FAR].any(1)
    if np.count_nonzero(seen_S) < LEAST_SECTORS:
        return None
    near_S3, far_S3, steps_SD = near_S3[seen_S], far_S3[seen_S], steps_SD[seen_S]
    step = np.median(np.log1p(steps_SD[:, CLOSE].max(1)) - np.log1p(steps_SD[:, AWAY].max(1)))
    nearest_S = np.linalg.norm(near_S3[:, None] - far_S3, axis=2).min(1)
    unlike = np.log1p(np.percentile(nearest_S, 25))
    uneven = np.log1p(np.sqrt(near_S3.var(0).sum()))
    return step, unlike, uneven


def mean_of(colours_SD3: Floats, known_SD: Mask, band: slice) -> Floats:
    """The mean known colour of each sector in a band of distances; 0 where none is known."""
    weights_SD = known_SD[:, band] / np.maximum(np.count_nonzero(known_SD[:, band], axis=1), 1)[:, None]
    return np.einsum("sdc,sd->sc", colours_SD3[:, band], weights_SD)
