"""Pixels whose colours mean nothing: fully transparent ones, and those of the value that stands for no data."""

import math

import numpy as np

from engine.inference.holes.mask import Mask
from engine.inference.pixels import Pixels
from engine.inference.report import Report


def hidden_pixels(pixels_HW3: Pixels, alpha_HW: Pixels | None, nodata: float | None, report: Report) -> Mask | None:
    """True where nobody sees the colours, or all channels have the value `nodata`, which a note tells; None if nowhere.

    A value that no pixel can have, such as -9999 or nan, hides none.
    """
    hidden_HW = None if alpha_HW is None else alpha_HW == 0
    largest = np.iinfo(pixels_HW3.dtype).max
    if nodata is None or not (math.isfinite(nodata) and nodata == int(nodata) and 0 <= nodata <= largest):
        return hidden_HW
    empty_HW = (pixels_HW3 == pixels_HW3.dtype.type(nodata)).all(2)
    if not empty_HW.any():
        return hidden_HW
    report.warnings.append(f"pixels of the value {nodata:g}, which stands for no data, are not looked at")
    return empty_HW if hidden_HW is None else hidden_HW | empty_HW
