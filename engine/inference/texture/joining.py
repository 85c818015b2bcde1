"""Joining pieces of the photo to each other and to what surrounds the hole, by their slopes.

Pieces that lie side by side come from places of different brightness: in a sky their seams would show. Not colours are
copied, therefore, but how these change from pixel to pixel, and the hole is the picture with these changes that meets
the photo at its border (as in Darabi et al. 2012, Image Melding). What is large is no seam but the edge of a thing.
"""

import numpy as np

from engine.inference.holes.harmonic import Floats, Slopes, slopes_of, with_slopes
from engine.inference.holes.mask import Mask, bounding_box
from engine.inference.texture.sources import Neighbourhood
from engine.inference.texture.synthesis import Drawing
from kernels.arrays import beside, on_host

SEAM = 3.0
"""Levels of 255 from pixel to pixel up to which a step between two pieces goes; from twice as many on it stays."""


def join_patches(near: Neighbourhood, drawing: Drawing) -> Floats:
    """The neighbourhood with its hole drawn from patches, in the photo's units, joined without seams."""
    # fp64 holds the sums of 16-bit colours exactly.
    completed_HW3: Floats = near.pixels_HW3.astype(np.float32 if near.pixels_HW3.dtype == np.uint8 else np.float64)
    box = bounding_box(near.hole_HW, 1)
    hole_hw, drawn_hw3 = near.hole_HW[box], vote(drawing, completed_HW3)[box]
    found = slopes_of(drawn_hw3)
    ahead = [vote(drawing, slopes_HW3)[box] for slopes_HW3 in slopes_ahead(completed_HW3, near.copied_HW)]
    seam = SEAM / 255 * np.iinfo(near.pixels_HW3.dtype).max
    slopes = Slopes(
        with_edges(ahead[0][:-1], found.down_hW3, seam),
        with_edges(ahead[1][:, :-1], found.right_Hw3, seam),
    )
    start_hw3 = np.where(hole_hw[..., None], drawn_hw3, completed_HW3[box])
    joined_hw3 = with_slopes(start_hw3, slopes, near.known_HW[box], hole_hw)
    np.copyto(completed_HW3[box], joined_hw3, where=hole_hw[..., None])
    return completed_HW3


def vote(drawing: Drawing, image_HW3: Floats) -> Floats:
    """The image with what the patches cover drawn from it."""
    return on_host(drawing.of(beside(image_HW3, drawing.weight_N)))


def slopes_ahead(image_HW3: Floats, copied_HW: Mask) -> tuple[Floats, Floats]:
    """From each pixel to the one below and to the one on its right; `slopes_HW3` for each of the two.

    Where that next one may not be copied, or is none, the slope is that to the pixel before: no patch that may be
    copied tells of anything outside it.
    """
    down_HW3, right_HW3 = np.zeros_like(image_HW3), np.zeros_like(image_HW3)
    slopes = slopes_of(image_HW3)
    down_HW3[:-1], right_HW3[:, :-1] = slopes.down_hW3, slopes.right_Hw3
    last_HW1, end_HW1 = np.ones((2, *copied_HW.shape, 1), np.bool_)
    last_HW1[:-1, :, 0], end_HW1[:, :-1, 0] = ~copied_HW[1:], ~copied_HW[:, 1:]
    np.copyto(down_HW3[1:], slopes.down_hW3, where=last_HW1[1:])
    np.copyto(right_HW3[:, 1:], slopes.right_Hw3, where=end_HW1[:, 1:])
    return down_HW3, right_HW3


def with_edges(copied_hw3: Floats, found_hw3: Floats, seam: float) -> Floats:
    """The slopes that were copied, and the steps between pieces where they are larger than a seam.

    `found_hw3` are the slopes of the hole drawn from colours, which have both.
    """
    step_hw3 = found_hw3 - copied_hw3
    size_hw1 = np.sqrt(np.square(step_hw3).mean(2, keepdims=True))
    return copied_hw3 + step_hw3 * (size_hw1 / seam - 1).clip(0, 1)
