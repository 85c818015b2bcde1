"""Holes whose surroundings use little of the range: these are brought to the network's range, and the fill back.

The network draws with errors of a few levels of 255, whatever the photo: in a sky of 300 to 420 of 65535 they were
larger than all that is seen in it. On crops of photos of 14 to 25 megapixels with holes of 32 to 96 px, PSNR in the
hole is 0.4 to 1.0 dB more for being stretched where the surroundings span up to a quarter of the range.
"""

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np

from engine.inference.holes.harmonic import Floats
from engine.inference.holes.mask import Mask, Where, components, part_in, widen, with_context
from engine.inference.pixels import Pixels

NEAR = 32
"""Pixels around a hole whose values are looked at."""

OUTLIERS = 0.5
"""Per cent of these pixels, at either end, that do not count: stars, dead pixels."""

SAMPLES = 2**16
"""About as many of them are sorted, evenly spread."""

FAINT = 1 / 4
"""Share of the range below which the surroundings are stretched."""

STRETCHED = 0.8
"""Share of the range that they then have, around its middle: the hole may hold more than they do."""


class Contrast(NamedTuple):
    """The values around a hole: their middle in each channel, and how far they reach in the channel that spans most."""

    middle_3: Floats
    span: float

    @classmethod
    def around(cls, photo_HW3: Pixels, known_HW: Mask, part_HW: Mask) -> Self:
        """Of the known pixels near the hole that is `part_HW`; the span is 0 where there are none."""
        is_near_HW = widen(part_HW, NEAR) & known_HW
        near_P3 = np.compress(is_near_HW.ravel(), photo_HW3.reshape(-1, 3), axis=0)
        if not near_P3.size:
            return cls(np.zeros(3), 0.0)
        low_3, high_3 = without_outliers(near_P3[:: len(near_P3) // SAMPLES + 1])
        return cls((low_3 + high_3) / 2, float((high_3 - low_3).max()))

    def is_faint(self, dtype: np.dtype) -> bool:
        """True if it is less than the network needs, of the range of a photo of this type."""
        return self.span < FAINT * np.iinfo(dtype).max

    def stretch(self, photo_HW3: Pixels) -> Pixels:
        """The photo in uint16, these values in the network's range; what is far beyond them is cut off."""
        stretched_HW3 = (photo_HW3 - self.middle_3) * (STRETCHED / self.span) + 0.5
        return np.rint(stretched_HW3.clip(0, 1) * 65535).astype(np.uint16)

    def bring_back(self, stretched_HW3: Pixels, dtype: np.dtype) -> Pixels:
        """The inverse."""
        values_HW3 = (stretched_HW3 / 65535 - 0.5) * (self.span / STRETCHED) + self.middle_3
        return np.rint(values_HW3).clip(0, np.iinfo(dtype).max).astype(dtype)


def without_outliers(values_P3: Pixels) -> tuple[Floats, Floats]:
    """The least and the largest value in each channel, as percentiles, in fp64.

    By `np.percentile` it takes twice as long, which tells where a photo has thousands of specks.
    """
    last = len(values_P3) - 1
    first = int(last * OUTLIERS / 100)
    share, second = last * OUTLIERS / 100 - first, min(first + 1, last)
    ordered_P3 = np.partition(values_P3, (first, second, last - second, last - first), axis=0).astype(np.float64)
    low_3, high_3 = (
        ordered_P3[one] * (1 - share) + ordered_P3[other] * share
        for one, other in ((first, second), (last - first, last - second))
    )
    return low_3, high_3


def faint_holes(photo_HW3: Pixels, hole_HW: Mask, wanted_HW: Mask) -> Iterator[tuple[Where, Mask, Contrast]]:
    """The wanted holes with less contrast around them than the network needs: (where, the mask there, the contrast).

    `hole_HW` is all that is unknown.
    """
    for where, part_HW in components(wanted_HW):
        contrast = contrast_near(photo_HW3, hole_HW, where, part_HW)
        if contrast.span > 0 and contrast.is_faint(photo_HW3.dtype):
            yield where, part_HW, contrast


def contrast_near(photo_HW3: Pixels, hole_HW: Mask, where: Where, part_HW: Mask) -> Contrast:
    """The values around the hole that is `part_HW` at `where`; `hole_HW` is all that is unknown."""
    crop = with_context(where, hole_HW.shape, NEAR)
    here_HW = part_in(part_HW, where, crop)
    return Contrast.around(photo_HW3[crop], ~hole_HW[crop], here_HW)
