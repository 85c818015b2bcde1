"""Thin and small holes: that they are filled, each by itself, and where the network is not asked."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.inference.completer import Completer
from engine.inference.holes import thin
from engine.inference.holes.mask import widen
from engine.inference.holes.thin import RING, SMALL, SMALL_IF_SOFT, bends_near, fill_thin_holes
from engine.inference.report import Report


@pytest.fixture(scope="module")
def completer() -> Completer:
    return Completer.load(runtime="torch", precision="fp32", device="cpu")


def photo_of(seed: int, size: tuple[int, int], dtype: type = np.uint8) -> NDArray:
    """Soft blotches of colour over much of the range."""
    noise_HW3 = np.random.default_rng(seed).random((*size, 3)).astype(np.float32)
    soft_HW3 = cv2.GaussianBlur(noise_HW3, (0, 0), 6)
    low, high = soft_HW3.min(), soft_HW3.max()
    return np.rint((soft_HW3 - low) / (high - low) * np.iinfo(dtype).max).astype(dtype)


def test_a_slope_goes_on() -> None:
    ramp_HW3 = np.repeat((2 * np.arange(60)[:, None] + np.arange(80)[None] + 20)[..., None], 3, 2).astype(np.uint8)
    hole_HW = np.zeros((60, 80), np.bool_)
    hole_HW[28:31, 10:70] = True
    holed_HW3 = np.where(hole_HW[..., None], 0, ramp_HW3).astype(np.uint8)
    fill_thin_holes(holed_HW3, hole_HW, hole_HW, Report())
    np.testing.assert_array_equal(holed_HW3, ramp_HW3)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6), dtype=st.sampled_from([np.uint8, np.uint16]))
def test_holes_do_not_depend_on_each_other(seed: int, dtype: type) -> None:
    """Each hole gets the bits that it gets alone, and nothing else is touched."""
    generator, photo_HW3 = np.random.default_rng(seed), photo_of(seed, (120, 160), dtype)
    one_HW = np.zeros((120, 160), np.bool_)
    one_HW[40:44, 30:90] = True
    all_HW = one_HW.copy()
    for y, x in zip(generator.integers(60, 117, 8), generator.integers(2, 155, 8), strict=True):
        all_HW[y : y + 3, x : x + 4] = True
    alone_HW3, among_HW3 = photo_HW3.copy(), photo_HW3.copy()
    fill_thin_holes(alone_HW3, one_HW, one_HW, Report())
    report = Report()
    left_HW, left_wanted_HW = fill_thin_holes(among_HW3, all_HW, all_HW, report)
    assert not left_HW.any()
    assert not left_wanted_HW.any()
    assert report.texture["smooth"] >= 2
    np.testing.assert_array_equal(among_HW3[one_HW], alone_HW3[one_HW])
    np.testing.assert_array_equal(among_HW3[~all_HW], photo_HW3[~all_HW])


def test_a_net_over_the_photo_is_left_to_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    photo_HW3, hole_HW = photo_of(3, (120, 160)), np.zeros((120, 160), np.bool_)
    hole_HW[10:110:10, 10:150] = hole_HW[10:110, 10:150:10] = True
    monkeypatch.setattr(thin, "MOST", np.count_nonzero(hole_HW) - 1)
    assert fill_thin_holes(photo_HW3, hole_HW, hole_HW, Report())[0] is hole_HW
    monkeypatch.setattr(thin, "MOST", np.count_nonzero(hole_HW))
    assert not fill_thin_holes(photo_HW3, hole_HW, hole_HW, Report())[0].any()


def test_larger_holes_are_left_to_the_network() -> None:
    photo_HW3, hole_HW = photo_of(3, (120, 160)), np.zeros((120, 160), np.bool_)
    hole_HW[20:32, 20:50] = True
    assert fill_thin_holes(photo_HW3, hole_HW, hole_HW, Report())[0] is hole_HW
    faint_HW3 = 100 + photo_HW3 // 16
    assert not fill_thin_holes(faint_HW3, hole_HW, hole_HW, Report())[0].any()  # it would draw nothing else
    hole_HW[:], side = False, int(SMALL**0.5)
    hole_HW[20 : 20 + side, 20 : 20 + side] = True
    assert not fill_thin_holes(photo_HW3, hole_HW, hole_HW, Report())[0].any()


def overlapping_specks(pixels: int) -> NDArray[np.bool_]:
    """Two discs of 7 px across side by side, and as many pixels below them as are missing."""
    hole_HW = np.zeros((120, 160), np.uint8)
    for x in (60, 66):
        cv2.circle(hole_HW, (x, 50), 3, 1, -1)
    for number in range(pixels - np.count_nonzero(hole_HW)):
        hole_HW[54 + number // 12, 57 + number % 12] = 1
    return hole_HW > 0


def waves(dtype: type, noise: float) -> NDArray:
    """Smooth and of much contrast, with noise of so many levels of 255."""
    y, x = np.mgrid[:120, :160] / 25
    smooth_HW3 = np.stack([np.sin(x + y / 2), np.cos(y), np.sin(y - x)], 2)
    noise_HW3 = np.random.default_rng(0).standard_normal(smooth_HW3.shape) * noise / 255
    return np.rint((0.5 + 0.4 * smooth_HW3 + noise_HW3).clip(0, 1) * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_overlapping_specks_are_left_to_the_network_where_colours_bend(dtype: type) -> None:
    """Those of noise have a root mean square of 2.4 times its own; up to 24 levels over all that is across are soft."""
    hole_HW, too_large_HW = overlapping_specks(100), overlapping_specks(SMALL_IF_SOFT + 1)
    assert not fill_thin_holes(waves(dtype, 0), hole_HW, hole_HW, Report())[0].any()
    assert not fill_thin_holes(waves(dtype, 0.5), hole_HW, hole_HW, Report())[0].any()
    assert fill_thin_holes(waves(dtype, 2), hole_HW, hole_HW, Report())[0] is hole_HW
    assert fill_thin_holes(waves(dtype, 0), too_large_HW, too_large_HW, Report())[0] is too_large_HW


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6), dtype=st.sampled_from([np.uint8, np.uint16]))
def test_bends_are_those_of_known_colours_near_the_hole(seed: int, dtype: type) -> None:
    generator = np.random.default_rng(seed)
    photo_HW3 = generator.integers(0, np.iinfo(dtype).max, (30, 40, 3), dtype, endpoint=True)
    hole_HW, part_HW = generator.random((30, 40)) > 0.9, generator.random((6, 7)) > 0.5
    top, left = (int(generator.integers(side)) for side in (24, 33))
    where, here_HW = (slice(top, top + 6), slice(left, left + 7)), np.zeros((30, 40), np.bool_)
    here_HW[where] = part_HW
    hole_HW[where] = part_HW
    # The plainest way: each pixel by itself.
    squares = []
    for y, x in np.argwhere(widen(here_HW, RING) & ~hole_HW):
        for down, right in ((1, 0), (0, 1)):
            before, after = (y - down, x - right), (y + down, x + right)
            if min(before) >= 0 and after[0] < 30 and after[1] < 40 and not (hole_HW[before] or hole_HW[after]):
                middle_3 = (photo_HW3[before].astype(float) + photo_HW3[after]) / 2
                squares.extend(np.square(2 * (middle_3 - photo_HW3[y, x])))
    bends = bends_near(photo_HW3, hole_HW, where, part_HW)
    assert bends == pytest.approx(np.sqrt(np.mean(squares)) / np.iinfo(dtype).max if squares else np.inf)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6), noise=st.sampled_from([0.0, 1.4, 2.0]))
def test_overlapping_specks_do_not_depend_on_others(seed: int, noise: float) -> None:
    """More than 32 px away: neither whether the network is asked, nor the bits."""
    generator, photo_HW3, one_HW = np.random.default_rng(seed), waves(np.uint8, noise), overlapping_specks(60)
    away_HW = cv2.distanceTransform((~one_HW).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    others_HW = (generator.random(one_HW.shape) > 0.998).astype(np.uint8)
    others_HW = cv2.dilate(others_HW, np.ones((4, 5), np.uint8)) > 0
    all_HW = one_HW | (others_HW & (away_HW > 33))
    alone_HW3, among_HW3 = photo_HW3.copy(), photo_HW3.copy()
    alone_left_HW, _ = fill_thin_holes(alone_HW3, one_HW, one_HW, Report())
    left_HW, _ = fill_thin_holes(among_HW3, all_HW, all_HW, Report())
    np.testing.assert_array_equal(left_HW & one_HW, alone_left_HW)
    np.testing.assert_array_equal(among_HW3[one_HW], alone_HW3[one_HW])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("place", [(60, 80), (0, 0), (59, 157), (1, 70)])
def test_no_window_is_computed_for_specks(completer: Completer, place: tuple[int, int], dtype: type) -> None:
    photo_HW3, mask_HW = photo_of(5, (120, 160), dtype), np.zeros((120, 160), np.bool_)
    mask_HW[place[0] : place[0] + 3, place[1] : place[1] + 3] = True
    report = Report()
    holed_HW3 = np.where(mask_HW[..., None], 0, photo_HW3)
    completed_HW3 = completer.complete(holed_HW3, mask_HW, report=report)
    assert report.windows == 0
    assert report.texture["smooth"] == 1
    np.testing.assert_array_equal(completed_HW3[~mask_HW], photo_HW3[~mask_HW])
    error = np.abs(completed_HW3[mask_HW].astype(np.float64) - photo_HW3[mask_HW]).max() / np.iinfo(dtype).max
    assert error < 0.1
    # What asks for the network gets it.
    for options in ({"texture": "none"}, {"blend": "feather"}):
        report = Report()
        completer.complete(holed_HW3, mask_HW, **options, report=report)
        assert report.windows > 0
        assert "smooth" not in report.texture


def test_a_scratch_beside_a_hole_is_as_it_is_alone(completer: Completer) -> None:
    photo_HW3, scratch_HW = photo_of(7, (200, 260)), np.zeros((200, 260), np.bool_)
    scratch_HW[20:23, 30:200] = True
    both_HW = scratch_HW.copy()
    both_HW[90:150, 100:160] = True
    alone_HW3 = completer.complete(photo_HW3, scratch_HW)
    both_HW3 = completer.complete(photo_HW3, both_HW)
    np.testing.assert_array_equal(both_HW3[scratch_HW], alone_HW3[scratch_HW])
