"""Photos as arrays: from colours to grey."""

import tracemalloc

import numpy as np
import pytest

from engine.inference.pixels import as_grey


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (64, 3), (200, 7)])
def test_grey_is_luma_rounded_and_of_grey_the_same(dtype, size):
    pixels_HW3 = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (*size, 3), dtype=dtype)
    luma_HW = (pixels_HW3.astype(np.int64) @ np.array([299, 587, 114]) + 500) // 1000
    grey_HW1 = as_grey(pixels_HW3)
    assert (grey_HW1.dtype, grey_HW1.shape) == (dtype, (*size, 1))
    np.testing.assert_array_equal(grey_HW1[..., 0], luma_HW)
    np.testing.assert_array_equal(as_grey(grey_HW1.repeat(3, 2)), grey_HW1)


def test_a_large_photo_is_turned_to_grey_in_little_more_than_its_result():
    pixels_HW3 = np.zeros((4000, 1000, 3), np.uint8)
    tracemalloc.start()
    try:
        as_grey(pixels_HW3)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 2 * pixels_HW3.nbytes / 3
