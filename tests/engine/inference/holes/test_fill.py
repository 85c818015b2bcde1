"""The smooth fill of a photo's holes, against a direct solve."""

import numpy as np
import pytest
import skimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.inference.holes.fill import fill_smoothly
from engine.inference.holes.mask import components
from kernels.smooth_fill import smooth_fill
from tests.engine.inference.holes.test_harmonic import solve_directly


def some_photo(height, width, dtype, generator):
    return generator.integers(0, np.iinfo(dtype).max + 1, (height, width, 3)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_holes_are_filled_with_the_surface_through_their_border(dtype):
    photo_HW3 = some_photo(70, 80, dtype, np.random.default_rng(0))
    hole_HW = np.zeros((70, 80), bool)
    hole_HW[10:40, 20:50] = hole_HW[60:, 70:] = hole_HW[44:47, 3:30] = True
    filled_HW3 = photo_HW3.copy()
    filled_HW3[hole_HW] = 0
    fill_smoothly(filled_HW3, hole_HW)
    expected_HW3 = solve_directly(photo_HW3.astype(float), ~hole_HW, hole_HW)
    error_HW3 = (filled_HW3 - expected_HW3) / (np.iinfo(dtype).max / 255)
    assert not error_HW3[~hole_HW].any()
    assert np.sqrt(np.square(error_HW3[hole_HW]).mean()) < 0.6
    assert np.abs(error_HW3).max() < 3, "of borders without any relation, with steps of 255"


@given(height=st.integers(1, 60), width=st.integers(1, 60), seed=st.integers(0, 999), share=st.floats(0, 1))
@settings(deadline=None, max_examples=60)
def test_what_stands_in_the_hole_is_never_read_and_the_photo_stays(height, width, seed, share):
    generator = np.random.default_rng(seed)
    photo_HW3 = some_photo(height, width, np.uint8, generator)
    hole_HW = generator.random((height, width)) < share
    one_HW3, other_HW3 = photo_HW3.copy(), np.where(hole_HW[..., None], 255 - photo_HW3, photo_HW3)
    for filled_HW3 in (one_HW3, other_HW3):
        fill_smoothly(filled_HW3, hole_HW)
        assert np.array_equal(filled_HW3[~hole_HW], photo_HW3[~hole_HW])
    if not hole_HW.all():
        assert np.array_equal(one_HW3, other_HW3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("value", [0, 1])
def test_one_colour_goes_on_to_the_last_bit(dtype, value):
    photo_HW3 = np.full((50, 60, 3), value * np.iinfo(dtype).max, dtype)
    hole_HW = np.zeros((50, 60), bool)
    hole_HW[10:50, 5:40] = True
    filled_HW3 = photo_HW3.copy()
    filled_HW3[hole_HW] = 77
    fill_smoothly(filled_HW3, hole_HW)
    np.testing.assert_array_equal(filled_HW3, photo_HW3)


def test_a_photo_that_is_all_hole_stays():
    photo_HW3 = some_photo(20, 30, np.uint8, np.random.default_rng(0))
    filled_HW3 = photo_HW3.copy()
    fill_smoothly(filled_HW3, np.ones((20, 30), bool))
    np.testing.assert_array_equal(filled_HW3, photo_HW3)


def test_a_hole_is_filled_the_same_whatever_lies_elsewhere():
    generator = np.random.default_rng(0)
    photo_HW3 = some_photo(90, 90, np.uint8, generator)
    hole_HW = np.zeros((90, 90), bool)
    hole_HW[10:40, 10:40] = hole_HW[60:80, 50:80] = True
    together_HW3 = photo_HW3.copy()
    fill_smoothly(together_HW3, hole_HW)
    for where, part_HW in components(hole_HW):
        alone_HW = np.zeros_like(hole_HW)
        alone_HW[where] = part_HW
        alone_HW3 = photo_HW3.copy()
        fill_smoothly(alone_HW3, alone_HW)
        np.testing.assert_array_equal(alone_HW3[alone_HW], together_HW3[alone_HW])


@pytest.mark.parametrize(("top", "left", "height", "width"), [(40, 60, 96, 128), (100, 130, 48, 20), (20, 20, 200, 40)])
def test_the_fill_is_about_the_one_of_training(top, left, height, width):
    """Networks see that one in training; what is left between them is what a few relaxations leave."""
    photo_HW3 = skimage.data.coffee()[50:306, 100:356].copy()
    hole_HW = np.zeros((256, 256), bool)
    hole_HW[top : top + height, left : left + width] = True
    holed_4HW = np.concatenate((photo_HW3.transpose(2, 0, 1) / 255, hole_HW[None])).astype(np.float32)
    trained_HW3 = smooth_fill(torch.from_numpy(holed_4HW)[None])[0, :3].permute(1, 2, 0).numpy() * 255
    fill_smoothly(photo_HW3, hole_HW)
    difference_P3 = trained_HW3[hole_HW] - photo_HW3[hole_HW]
    assert np.sqrt(np.square(difference_P3).mean()) < 8, "of 255; the photo's own deviation there is 60"
