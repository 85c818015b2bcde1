"""The mirrored photo beyond its borders: where it is added, and that nothing of it stays."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.inference.holes.border import MIRRORED, NEAR, cut, ends_for, mirror, own_holes
from engine.inference.holes.mask import mask_of_holes


def test_only_where_a_hole_is_at_the_border():
    size = (200, 300)
    assert ends_for(mask_of_holes([(100, 80, 40, 40)], size)) == ((0, 0), (0, 0))
    assert ends_for(mask_of_holes([(100, 0, 40, 40)], size)) == ((MIRRORED, 0), (0, 0))
    assert ends_for(mask_of_holes([(NEAR, 80, 40, 40)], size)) == ((0, 0), (MIRRORED, 0))
    assert ends_for(mask_of_holes([(NEAR + 1, 80, 40, 40)], size)) == ((0, 0), (0, 0))
    assert ends_for(mask_of_holes([(0, 190, 300, 10)], size)) == ((0, MIRRORED), (MIRRORED, MIRRORED))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_mirrored_and_cut_again(height, width, seed):
    generator = np.random.default_rng(seed)
    photo_HW3 = generator.integers(0, 256, (height, width, 3), np.uint8)
    top, left = int(generator.integers(height)), int(generator.integers(width))
    hole_HW = mask_of_holes([(left, top, width - left, 1)], (height, width))
    ends = ends_for(hole_HW)
    mirrored_HW3 = mirror(photo_HW3, ends)
    assert np.array_equal(cut(mirrored_HW3, ends), photo_HW3)
    right = width + ends[1][0]
    assert np.array_equal(mirrored_HW3[:, right - 1], mirrored_HW3[:, right])  # the hole reaches to the right border
    own_HW = own_holes(mirror(hole_HW, ends), ends)
    assert np.array_equal(cut(own_HW, ends), hole_HW)


def test_holes_of_the_mirror_image_alone_are_nobodys():
    """One hole at each of two borders: each has an image beyond its own, and one beyond the other, apart from it."""
    hole_HW = mask_of_holes([(100, 0, 20, 20), (0, 100, 20, 20)], (200, 300))
    ends = ends_for(hole_HW)
    own_HW = own_holes(mirror(hole_HW, ends), ends)
    assert own_HW.sum() == 2 * (400 + 400)
    assert own_HW[MIRRORED - 20 : MIRRORED + 20, MIRRORED + 100 : MIRRORED + 120].all()
