"""Masks as arrays: rectangles, widening, the parts that they fall into."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from engine.inference.holes import mask
from engine.inference.holes.mask import (
    CELL,
    PIECE,
    block_counts,
    components,
    cut_out,
    mask_of_holes,
    pieces,
    prepare_mask,
    widen,
)


def test_rectangles():
    mask_HW = mask_of_holes([(1, 2, 3, 4), (5, 0, 1, 1)], (10, 8))
    assert mask_HW.sum() == 13
    assert mask_HW[2:6, 1:4].all()
    for hole, message in (((0, 0, 9, 1), "leaves the photo, which is 8x10"), ((0, 0, 0, 1), "is empty")):
        with pytest.raises(ValueError, match=message):
            mask_of_holes([hole], (10, 8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("share", [1, 0.8])
def test_what_was_erased_with_the_ring_around_it(share, dtype):
    most = int(share * np.iinfo(dtype).max)  # of a photo that may be seen through as a whole
    alpha_HW = np.full((60, 70), most, dtype)
    alpha_HW[10:20, 10:20], alpha_HW[12:18, 12:15] = most - 1, 0
    alpha_HW[20:22, 20:22] = 1  # where the ring goes on at its corner
    alpha_HW[59, 69] = 0  # without one
    alpha_HW[40:50, 30:40] = most // 2  # seen through, and not erased
    erased_HW = np.zeros((60, 70), bool)
    erased_HW[10:20, 10:20] = erased_HW[20:22, 20:22] = erased_HW[59, 69] = True
    np.testing.assert_array_equal(cut_out(alpha_HW), erased_HW)
    assert cut_out(np.zeros((5, 6), dtype)).all()


def test_widening_is_by_a_disc():
    point_HW = np.zeros((21, 21), bool)
    point_HW[10, 10] = True
    y, x = np.mgrid[-10:11, -10:11]
    wide_HW = widen(point_HW, 6)
    assert wide_HW[y**2 + x**2 <= 5.5**2].all()
    assert not wide_HW[y**2 + x**2 > 7**2].any()
    assert widen(point_HW, 0) is point_HW


@settings(max_examples=60, deadline=None)
@given(st.integers(20, 120), st.lists(st.tuples(*[st.floats(0, 1)] * 2, *[st.integers(1, 24)] * 2), min_size=1))
def test_each_hole_is_widened_as_its_thickness_asks_for(side, boxes):
    """Against the plainest version: one hole after the other, each on the whole mask."""
    mask_HW = np.zeros((side, side + 9), bool)
    for y, x, h, w in boxes:
        mask_HW[int(y * (side - 1)) :, int(x * (side + 8)) :][:h, :w] = True
    if mask_HW.all():
        return
    expected_HW, radii = mask_HW.copy(), set()
    labels_HW, count = ndimage.label(mask_HW, np.ones((3, 3)))
    for label in range(1, count + 1):
        thick = mask.thickness(labels_HW == label)
        radius = 2 if thick <= 4 else 3 if thick <= 16 else 4
        expected_HW |= widen(labels_HW == label, radius)
        radii.add(radius)
    if expected_HW.all():
        return
    wide_HW, widened = prepare_mask(mask_HW, mask_HW.shape, None)
    np.testing.assert_array_equal(wide_HW, expected_HW)
    assert widened == radii


@pytest.mark.parametrize(
    ("height", "width", "radius"),
    [(1, 50, 2), (4, 50, 2), (4, 4, 2), (5, 50, 3), (16, 50, 3), (16, 16, 3), (17, 50, 4), (40, 40, 4)],
)
def test_the_widening_of_a_rectangle_follows_its_short_side(height, width, radius):
    mask_HW = np.zeros((100, 120), bool)
    mask_HW[20 : 20 + height, 20 : 20 + width] = True
    wide_HW, widened = prepare_mask(mask_HW, mask_HW.shape, None)
    assert widened == {radius}
    np.testing.assert_array_equal(wide_HW, widen(mask_HW, radius))


def test_an_explicit_number_widens_every_hole_by_it():
    mask_HW = np.zeros((100, 120), bool)
    mask_HW[10:12, 10:60] = mask_HW[40:80, 40:80] = True
    for pixels, told in ((7, {7}), (0, set())):
        wide_HW, widened = prepare_mask(mask_HW, mask_HW.shape, pixels)
        np.testing.assert_array_equal(wide_HW, widen(mask_HW, pixels))
        assert widened == told


@pytest.mark.parametrize("radius", [17, 40, 600])
def test_widening_by_much_is_the_same_disc_without_its_kernel(radius, monkeypatch):
    """Which took seconds: its work at each pixel grows with the radius's square."""
    monkeypatch.setattr(mask.cv2, "dilate", lambda *_: pytest.fail("a kernel of this radius was used"))
    monkeypatch.setattr(mask, "ROWS_AT_A_TIME", 32)
    random = np.random.default_rng(radius)
    mask_HW = np.zeros((2500, 900), bool)
    mask_HW[random.integers(0, 2500, 9), random.integers(0, 900, 9)] = True
    wide_HW = widen(mask_HW, radius)
    y, x = np.mgrid[:2500, :900]
    nearest_HW = np.min([np.hypot(y - at_y, x - at_x) for at_y, at_x in zip(*np.nonzero(mask_HW), strict=True)], axis=0)
    assert wide_HW[nearest_HW <= radius].all()
    assert not wide_HW[nearest_HW > radius + 0.51].any()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6))
def test_cells_have_as_many_pixels_as_are_masked_in_them(height, width, seed):
    generator = np.random.default_rng(seed)
    mask_HW = generator.random((height + 3, width + 5)) > generator.choice([0, 0.5, 0.97])
    counts = block_counts(mask_HW[3:, 5:])
    assert counts.shape == (-(-height // CELL), -(-width // CELL))
    for (row, column), count in np.ndenumerate(counts):
        y, x = 3 + CELL * row, 5 + CELL * column
        assert count == np.count_nonzero(mask_HW[y : y + CELL, x : x + CELL])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.lists(st.tuples(*[st.floats(0, 1)] * 2, *[st.integers(1, 20)] * 2)))
def test_components_part_the_mask(height, width, boxes):
    mask_HW = np.zeros((height, width), bool)
    for y, x, h, w in boxes:
        mask_HW[int(y * (height - 1)) :, int(x * (width - 1)) :][:h, :w] = True
    count_HW = np.zeros((height, width), int)
    for where, part_HW in components(mask_HW):
        assert part_HW.any()
        count_HW[where] += part_HW
        other_HW = mask_HW[where] & ~part_HW
        assert not (widen(part_HW, 1) & other_HW).any(), "two holes that touch are one"
        rows, columns = where
        inner = part_HW[1 if rows.start else 0 :, 1 if columns.start else 0 :]
        assert inner.sum() == part_HW.sum(), "no margin"
    np.testing.assert_array_equal(count_HW, mask_HW)


@pytest.mark.parametrize(("thickness", "cut"), [(8, True), (60, True), (110, False)])
def test_pieces_of_long_holes(thickness, cut):
    """Each pixel is in one piece, whose crop shows what is around it; a thick hole stays whole."""
    mask_HW = np.zeros((1200, 1500), np.uint8)
    cv2.line(mask_HW, (50, 100), (1400, 1100), 1, thickness)
    cv2.circle(mask_HW, (200, 1000), 40, 1, -1)
    mask_HW = mask_HW > 0
    found_HW, whole = np.zeros(mask_HW.shape, int), 0
    for where, part_HW, crop in pieces(mask_HW, 16):
        found_HW[where] += part_HW
        whole += part_HW.size > PIECE**2
        for inner, outer, side in zip(where, crop, mask_HW.shape, strict=True):
            assert outer.start <= max(inner.start - 16, 0)
            assert outer.stop >= min(inner.stop + 16, side)
    assert np.array_equal(found_HW, mask_HW)
    assert (whole == 0) == cut
