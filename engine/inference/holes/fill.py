"""The smooth fill of a photo's holes, before the network sees them.

Each hole is filled once, since a window may show a part of it. The cost follows the hole.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from engine.inference.holes.mask import Mask, pieces, relative
from engine.inference.pixels import Pixels
from kernels.smooth_fill import smooth_fill

CONTEXT = 16
"""Pixels around a hole that its fill looks at. In training it looks at the whole crop, as which 64 px are as good: that
gives 0.02 dB less in boxes of 96 to 128 px, and the same in strokes."""

ONE_THREAD = 2**16
"""Pixels up to which a second thread is not asked to help: it would save 0.4 ms of 4, and where another program has
its core, waiting for it at each of some hundred small steps has taken a second."""


def fill_smoothly(photo_HW3: Pixels, hole_HW: Mask) -> None:
    """Fill the holes of `photo_HW3` (uint8 or uint16), in place, with a smooth surface through their border."""
    white = np.iinfo(photo_HW3.dtype).max
    for where, part_HW, crop in pieces(hole_HW, CONTEXT):
        holed_HW4 = np.dstack((photo_HW3[crop].astype(np.float32) / white, hole_HW[crop].astype(np.float32)))
        with threads(1 if hole_HW[crop].size <= ONE_THREAD else torch.get_num_threads()):
            filled_N4HW = smooth_fill(torch.from_numpy(holed_HW4).permute(2, 0, 1)[None])
        filled_HW3 = filled_N4HW[0, :3].permute(1, 2, 0).numpy()[relative(where, crop)]
        photo_HW3[where][part_HW] = np.rint(filled_HW3[part_HW] * white).astype(photo_HW3.dtype)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """PyTorch with so many threads in this thread. Threads that use it for the first time meanwhile keep the number."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
