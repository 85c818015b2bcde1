"""Holes whose surroundings use little of the range."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.inference.completer import Completer
from engine.inference.holes.contrast import OUTLIERS, Contrast, faint_holes, without_outliers
from tests.engine.inference.conftest import random_network


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("blend", ["none", "feather", "poisson"])
def test_errors_are_relative_to_the_contrast(dtype, blend):
    """A bad network's fill of a faint photo is that of the same photo with more contrast, and the rest is untouched."""
    y_HW, x_HW = np.mgrid[:300, :320]
    pattern_HW3 = np.rint(20 * np.sin(np.dstack((y_HW / 9, x_HW / 7, (x_HW + y_HW) / 8))))
    hole_HW = np.zeros((300, 320), bool)
    hole_HW[100:140, 120:170] = hole_HW[0:20, 10:30] = True
    bad = Completer.of(random_network(4), "torch", precision="fp32", device="cpu")
    made = []
    for middle in (25, 200):
        photo_HW3 = (pattern_HW3 + middle).astype(dtype)
        completed_HW3 = bad.complete(np.where(hole_HW[..., None], dtype(7), photo_HW3), hole_HW, blend=blend)
        assert completed_HW3.dtype == dtype
        near_HW = np.zeros_like(hole_HW)
        near_HW[90:150, 110:180] = near_HW[0:30, 0:40] = True
        np.testing.assert_array_equal(completed_HW3[~near_HW], photo_HW3[~near_HW])
        assert abs(completed_HW3[hole_HW].astype(float) - middle).max() < 30, "within what 0.8 of the range leaves"
        made.append(completed_HW3.astype(int) - middle)
    assert abs(made[0] - made[1]).max() <= 1, "the offset makes no difference"


@settings(max_examples=15, deadline=None)
@given(
    sixteen=st.booleans(),
    offset=st.floats(0, 1),
    share=st.floats(0.05, 1),
    noise=st.sampled_from([0, 0.005]),
    turned=st.booleans(),
)
def test_a_ramp_of_any_offset_and_range(sixteen, offset, share, noise, turned):
    """The worst error is less than 3 % of the ramp's range, its noise, and what rounding adds."""
    dtype, largest = (np.uint16, 65535) if sixteen else (np.uint8, 255)
    span = share**3 * largest
    ramp_HW = offset * (largest - span) + span * np.linspace(0, 1, 256) + np.zeros((256, 1))
    ramp_HW = ramp_HW.T if turned else ramp_HW
    noise_HW = np.random.default_rng(0).normal(0, noise * span, (256, 256))
    photo_HW3 = np.rint(np.clip(ramp_HW + noise_HW, 0, largest)).astype(dtype)[..., None].repeat(3, 2)
    hole_HW = np.zeros((256, 256), bool)
    hole_HW[100:156, 100:156] = True
    photo_HW3[hole_HW] = largest
    completed_HW3 = Completer.load(runtime="torch", device="cpu", precision="fp32").complete(photo_HW3, hole_HW)
    error_HW3 = abs(completed_HW3 - ramp_HW[..., None])[hole_HW]
    assert error_HW3.max() < 0.03 * span + 4 * noise * span + 1


def test_what_has_contrast_around_it_is_not_stretched():
    photo_HW3 = np.random.default_rng(0).integers(90, 120, (200, 400, 3), np.uint8)
    photo_HW3[:, 200:] *= 2
    hole_HW = np.zeros((200, 400), bool)
    hole_HW[80:100, 50:80] = hole_HW[80:100, 190:220] = True
    ((where, part_HW, contrast),) = faint_holes(photo_HW3, hole_HW, hole_HW)
    found_HW = np.zeros_like(hole_HW)
    found_HW[where] = part_HW
    assert found_HW[80:100, 50:80].all()
    assert np.count_nonzero(found_HW) == 600
    assert contrast.span == 29
    stretched_HW3 = contrast.stretch(photo_HW3[:, :150])
    assert stretched_HW3.dtype == np.uint16
    np.testing.assert_array_equal(contrast.bring_back(stretched_HW3, np.dtype(np.uint8)), photo_HW3[:, :150])


def test_a_star_does_not_hide_the_contrast():
    photo_HW3 = np.full((100, 100, 3), 300, np.uint16)
    photo_HW3[::2] = 420
    photo_HW3[10:14, 50:54] = 60000
    hole_HW = np.zeros((100, 100), bool)
    hole_HW[40:60, 40:60] = True
    assert Contrast.around(photo_HW3, ~hole_HW, hole_HW).span == 120


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), pixels=st.integers(1, 1000), dtype=st.sampled_from([np.uint8, np.uint16]))
def test_values_without_outliers_are_percentiles(seed, pixels, dtype):
    values_P3 = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (pixels, 3), dtype, endpoint=True)
    expected_23 = np.percentile(values_P3, (OUTLIERS, 100 - OUTLIERS), axis=0)
    np.testing.assert_allclose(without_outliers(values_P3), expected_23, rtol=1e-9)
