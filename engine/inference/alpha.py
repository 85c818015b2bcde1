"""A photo's colours and its transparency, which is completed as they are where it varies in or around a hole."""

from typing import NamedTuple

import numpy as np

from engine.inference.completer import Completer, CompletionOptions
from engine.inference.holes.hidden import hidden_pixels
from engine.inference.holes.mask import Mask, widen
from engine.inference.pixels import Pixels
from engine.inference.report import Report

NEAR = 4
"""Pixels around a hole whose transparency is compared with that in it."""

STEEPER = 4
"""Times by which completed alpha is moved away from half transparent where all that is around the hole is fully
transparent or opaque: the network's soft edges are no part of such a picture. Under a caption across a button's edge,
the error is 8.0 levels of 255 on average with 4, 10.6 without, and 7.8 with 100, which leaves steps."""


class Layers(NamedTuple):
    """A photo's colours, and its alpha if it has any."""

    pixels_HW3: Pixels
    alpha_HW: Pixels | None


def complete_layers(
    completer: Completer,
    before: Layers,
    hole_HW: Mask,
    options: CompletionOptions,
    report: Report,
    *,
    erased: bool = False,
    nodata: float | None = None,
    sample_HW: Mask | None = None,
    avoid_HW: Mask | None = None,
) -> Layers:
    """The colours completed in the hole, and the alpha: completed, too, or opaque there if the hole was `erased`.

    `hole_HW` is the mask as `prepare_mask` gives it, widened. `nodata` is the value of pixels without data. The rest,
    and ValueError, as `Completer.complete`.
    """
    options, alpha_HW = options._replace(dilate=0), before.alpha_HW
    if erased and alpha_HW is not None:  # what is completed is to be seen
        alpha_HW = np.where(hole_HW, np.iinfo(alpha_HW.dtype).max, alpha_HW)
    completed_HW3 = completer.complete(
        before.pixels_HW3,
        hole_HW,
        **options._asdict(),
        hidden_HW=hidden_pixels(before.pixels_HW3, alpha_HW, nodata, report),
        sample_HW=sample_HW,
        avoid_HW=avoid_HW,
        report=report,
    )
    if alpha_HW is not None and not erased:
        alpha_HW = complete_alpha(completer, alpha_HW, hole_HW, options, report)
    return Layers(completed_HW3, alpha_HW)


def complete_alpha(
    completer: Completer, alpha_HW: Pixels, hole_HW: Mask, options: CompletionOptions, report: Report
) -> Pixels:
    """`alpha_HW` (uint8 or uint16) completed in the hole; the same array where it does not vary there.

    `hole_HW` is widened already, and `options.dilate` 0.
    """
    near_HW = widen(hole_HW, NEAR)
    near_P = alpha_HW[near_HW]
    if (near_P == near_P[0]).all():
        return alpha_HW
    with report.stage("alpha"):
        grey_HW3 = np.broadcast_to(alpha_HW[..., None], (*alpha_HW.shape, 3))
        apart = Report(watch=report.watch)  # its notes and windows are those of the colours again
        options = options._replace(texture="none")
        completed_HW3 = completer.complete(grey_HW3, hole_HW, **options._asdict(), report=apart)
    completed_HW = completed_HW3[..., 0]
    around_P = alpha_HW[near_HW & ~hole_HW]
    largest = np.iinfo(alpha_HW.dtype).max
    if np.isin(around_P, (0, largest)).all():
        steeper_HW = (completed_HW - largest / 2) * STEEPER + largest / 2
        completed_HW = np.where(completed_HW == alpha_HW, alpha_HW, np.rint(steeper_HW).clip(0, largest))
    return np.ascontiguousarray(completed_HW.astype(alpha_HW.dtype))
