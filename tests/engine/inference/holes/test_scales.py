"""The border of a hole at reduced resolution."""

import numpy as np
import pytest

from engine.inference.holes.mask import widen
from engine.inference.holes.scales import halve, halve_mask, put_ring_beside


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("first", [96, 97, 101, 102])
def test_beside_a_reduced_hole_are_the_colours_beside_the_hole(first, dtype):
    """A white page with a black line two pixels from the hole, odd or even, reduced to an eighth."""
    photo_HW3, hole_HW = np.full((301, 300, 3), 255, dtype), np.zeros((301, 300), bool)
    hole_HW[first:200, first:203] = True
    photo_HW3[first - 6 : first - 2], photo_HW3[:, 205:209] = 0, 0
    photo_HW3[hole_HW] = 77
    for _ in range(3):
        half_HW3, half_hole_HW = halve(photo_HW3, hole_HW), halve_mask(hole_HW)
        put_ring_beside(half_HW3, half_hole_HW, photo_HW3, hole_HW)
        photo_HW3, hole_HW = half_HW3, half_hole_HW
    assert photo_HW3.dtype == dtype
    assert (photo_HW3[widen(hole_HW, 1) & ~hole_HW] == 255).all()
    assert photo_HW3.min() < 200, "the line is still there"


def test_an_edge_that_meets_the_hole_meets_the_reduced_one():
    photo_HW3, hole_HW = np.zeros((120, 120, 3), np.uint8), np.zeros((120, 120), bool)
    photo_HW3[60:] = 200
    hole_HW[31:90, 31:90] = True
    half_HW3, half_hole_HW = halve(photo_HW3, hole_HW), halve_mask(hole_HW)
    put_ring_beside(half_HW3, half_hole_HW, photo_HW3, hole_HW)
    np.testing.assert_array_equal(half_HW3[:30][~half_hole_HW[:30]], 0)
    np.testing.assert_array_equal(half_HW3[30:][~half_hole_HW[30:]], 200)
