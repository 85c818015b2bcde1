"""Descriptors of patches: what they measure, and that their sums are exact."""

import numpy as np

from engine.inference.texture.detail import detail_of
from engine.inference.texture.patches import PATCH, SCALE, all_around, any_around, describe, filters


def image(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.float32)


def test_sums_of_integers_stay_below_two_to_the_24():
    filters_K3PP, coefficients = filters()
    assert len(filters_K3PP) == len(coefficients)
    assert np.array_equal(filters_K3PP, filters_K3PP.round())
    assert np.abs(filters_K3PP).sum((1, 2, 3)).max() * 255 < 2**24


def test_filters_are_orthonormal_to_their_rounding():
    rows_KN = filters()[0].reshape(len(filters()[0]), -1).astype(np.float64) / SCALE
    np.testing.assert_allclose(rows_KN @ rows_KN.T, np.eye(len(rows_KN)), atol=4e-3, rtol=0)


def test_coefficients_are_those_of_the_patch_around_each_pixel():
    image_HW3 = image(13, 17)
    found_HWK = describe(image_HW3)
    padded = np.pad(image_HW3, ((3, 3), (3, 3), (0, 0)), mode="reflect").astype(np.int64)
    for y, x in ((0, 0), (5, 9), (12, 16)):
        patch_3PP = padded[y : y + PATCH, x : x + PATCH].transpose(2, 0, 1)
        expected_K = (filters()[0].astype(np.int64) * patch_3PP).sum((1, 2, 3))
        np.testing.assert_array_equal(found_HWK[y, x] * SCALE, expected_K)


def test_coefficients_do_not_depend_on_what_is_described_beside():
    image_HW3 = image(40, 50)
    part = slice(8, 30), slice(11, 40)
    inner = slice(3, -3), slice(3, -3)
    assert np.array_equal(describe(image_HW3)[part][inner], describe(image_HW3[part])[inner])


def test_distances_are_nearly_those_of_smooth_patches():
    y, x = np.mgrid[:30, :30]
    smooth_HW3 = np.rint(np.stack((90 + 3 * x, 100 + 2 * y, 120 + x + y), 2)).astype(np.float32)
    coefficients_HWK = describe(smooth_HW3).astype(np.float64)
    one, other = (10, 10), (18, 14)
    patches = [smooth_HW3[y - 3 : y + 4, x - 3 : x + 4].astype(np.float64) for y, x in (one, other)]
    expected = ((patches[0] - patches[1]) ** 2).sum()
    found = np.square(coefficients_HWK[one] - coefficients_HWK[other]).sum()
    assert abs(found - expected) < 0.02 * expected


def test_detail_is_the_deviation_about_a_plane():
    y, x = np.mgrid[:20, :20]
    plane_HW3 = np.repeat((50 + 4 * x + 2 * y)[..., None], 3, 2).astype(np.float32)
    wave_HW3 = np.repeat((128 + 40 * np.cos(2 * np.pi * x / 7))[..., None], 3, 2).round().astype(np.float32)
    plane, wave = (detail_of(describe(one).reshape(400, -1))[10 * 20 + 10] for one in (plane_HW3, wave_HW3))
    deviation = plane_HW3[7:14, 7:14, 0].std() * 3**0.5
    assert plane < 0.15 * deviation, "of a plane only the odd frequencies that a cosine leaves of its slope"
    assert 0.7 * 40 * 3**0.5 / 2**0.5 < wave < 1.1 * 40 * 3**0.5 / 2**0.5


def test_masks_around_are_those_of_the_plainest_loops():
    mask_HW = np.random.default_rng(1).random((23, 19)) < 0.9
    for y in range(23):
        for x in range(19):
            patch = mask_HW[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4]
            assert any_around(mask_HW)[y, x] == patch.any()
            assert all_around(mask_HW)[y, x] == (patch.shape == (PATCH, PATCH) and patch.all())
