"""Holes in plain parts of a photo."""

import numpy as np
import pytest

from engine.inference.holes.plain import fill_plain_holes

WHOLE = (slice(0, 80), slice(0, 90))


def filled(photo_HW3, hole_HW, own=WHOLE):
    photo_HW3 = photo_HW3.copy()
    left_HW, wanted_HW = fill_plain_holes(photo_HW3, hole_HW, hole_HW, own)
    np.testing.assert_array_equal(left_HW, wanted_HW)
    return photo_HW3, left_HW


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_shades_are_continued_and_other_holes_are_left(dtype):
    y_HW, x_HW = np.mgrid[:80, :90]
    levels_HW = 60 + 0.5 * y_HW + 0.004 * (x_HW - 20) ** 2 + 3 * np.sin(y_HW / 20)
    photo_HW3 = np.rint(levels_HW[..., None].repeat(3, 2) * np.iinfo(dtype).max / 255).astype(dtype)
    hole_HW = np.zeros((80, 90), bool)
    hole_HW[20:40, 20:44] = hole_HW[50:60, 60:75] = True
    photo_HW3[48, 66] = 0  # within three pixels of the second
    made_HW3, left_HW = filled(np.where(hole_HW[..., None], dtype(9), photo_HW3), hole_HW)
    assert np.abs(made_HW3.astype(int) - photo_HW3)[20:40, 20:44].max() <= np.iinfo(dtype).max / 255
    assert left_HW[50:60, 60:75].all()
    assert np.count_nonzero(left_HW) == 150


@pytest.mark.parametrize("what", ["noise", "edge", "at the border", "beside what is hidden"])
def test_what_is_not_plain_all_around_is_left(what):
    y_HW, x_HW = np.mgrid[:80, :90]
    photo_HW3 = np.rint(60 + 0.5 * y_HW + 0.3 * x_HW).astype(np.uint8)[..., None].repeat(3, 2)
    hole_HW, own = np.zeros((80, 90), bool), WHOLE
    hole_HW[20:40, 20:44] = True
    unknown_HW = hole_HW.copy()
    if what == "noise":
        photo_HW3 += np.random.default_rng(0).integers(0, 9, (80, 90, 1), np.uint8)
    elif what == "edge":
        photo_HW3[30:] = 200
    elif what == "at the border":
        own = (slice(19, 80), slice(0, 90))
    else:
        unknown_HW[:, 45:] = True
    before_HW3 = photo_HW3.copy()
    left_HW, wanted_HW = fill_plain_holes(photo_HW3, unknown_HW, hole_HW, own)
    np.testing.assert_array_equal(photo_HW3, before_HW3)
    np.testing.assert_array_equal(left_HW, unknown_HW)
    np.testing.assert_array_equal(wanted_HW, hole_HW)
