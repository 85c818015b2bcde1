"""Texture in holes: taken from where it may be, the same bits always, and with the surroundings' grain."""

import cv2
import numpy as np
import pytest

from engine.inference.texture.patches import all_around
from engine.inference.texture.pyramid import octaves_for, pyramid
from engine.inference.texture.sources import eight_bits, neighbourhood
from engine.inference.texture.synthesis import synthesise
from tests.engine.inference.texture.made_photos import completed, draw, textured


def detail(photo_HW3, hole_HW):
    """The deviation of what is finer than some pixels, well inside."""
    fine_HW3 = photo_HW3.astype(float) - cv2.GaussianBlur(photo_HW3.astype(float), (0, 0), 2)
    return fine_HW3[cv2.erode(hole_HW.astype(np.uint8), np.ones((9, 9))) > 0].std()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_is_smooth_nearby_stays_so_though_texture_of_its_colour_is_farther_away(seed):
    photo_HW3 = textured(160, 240)
    blurred_HW3 = cv2.GaussianBlur(photo_HW3, (0, 0), 12)
    photo_HW3[:, 130:] = blurred_HW3[:, 130:]
    smooth_HW3, hole_HW = completed(photo_HW3, (20, 150, 110, 70))
    smooth_HW3[hole_HW] = blurred_HW3[hole_HW]
    drawn_HW3, _ = draw(smooth_HW3, hole_HW, "photo", seed=seed)
    texture_HW = np.zeros_like(hole_HW)
    texture_HW[10:150, 10:100] = True
    assert detail(drawn_HW3, hole_HW) < 0.05 * detail(photo_HW3, texture_HW)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_copied_from_a_brighter_place_is_joined_to_the_photo(dtype):
    photo_HW3 = cv2.resize(textured(), (140, 120)) // 2
    photo_HW3[:, 100:] += 90
    photo_HW3[0, 0], photo_HW3[0, 1] = 0, 255
    photo_HW3 = photo_HW3.astype(dtype) * (np.iinfo(dtype).max // 255)
    smooth_HW3, hole_HW = completed(photo_HW3, (40, 40, 40, 40))
    sample_HW = np.zeros_like(hole_HW)
    sample_HW[:, 104:] = True
    drawn_HW3, _ = draw(smooth_HW3, hole_HW, "photo", sample_HW=sample_HW)
    within, outside = drawn_HW3[42:78, 42:78].mean(), photo_HW3[30:90, 30:90].mean()
    assert abs(within - outside) < 10 * (np.iinfo(dtype).max // 255), "and not 90 levels brighter, as the sample is"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("texture", ["auto", "photo"])
def test_pieces_of_a_sky_leave_no_seams(dtype, texture):
    scale = np.iinfo(dtype).max // 255
    down_HW1, right_HW1 = np.mgrid[:300, :300][..., None]
    sky_HW3 = 100 + down_HW1 * np.array([0.3, 0.1, -0.1]) + right_HW1 * np.array([0.1, -0.1, 0.2])
    grain_HW3 = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 9, sky_HW3.shape), (0, 0), 1)
    photo_HW3 = np.rint((sky_HW3 + grain_HW3) * scale).astype(dtype)
    smooth_HW3, hole_HW = completed(photo_HW3, (90, 80, 130, 140))
    smooth_HW3[hole_HW] = np.rint(sky_HW3 * scale).astype(dtype)[hole_HW]
    drawn_HW3, _ = draw(smooth_HW3, hole_HW, texture)
    shade_HW3 = cv2.GaussianBlur(drawn_HW3.astype(np.float32) / scale - sky_HW3.astype(np.float32), (0, 0), 4)
    assert abs(shade_HW3[hole_HW]).max() < 6, "with copied colours it is 13"


def test_the_edge_of_a_thing_is_no_seam():
    photo_HW3 = np.full((120, 140, 3), 60, np.uint8)
    photo_HW3[60:] = 180
    photo_HW3[:, :, 1] += np.random.default_rng(0).integers(0, 20, (120, 140)).astype(np.uint8)
    smooth_HW3, hole_HW = completed(photo_HW3, (40, 50, 40, 40))
    smooth_HW3[hole_HW] = cv2.GaussianBlur(photo_HW3, (0, 0), 6)[hole_HW]
    drawn_HW3, _ = draw(smooth_HW3, hole_HW, "photo")
    assert abs(drawn_HW3[45:57, 55:85, 0] - 60.0).max() < 12
    assert abs(drawn_HW3[63:75, 55:85, 0] - 180.0).max() < 12


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_smooth_hole_gets_the_detail_that_is_around_it(dtype):
    photo_HW3 = textured().astype(dtype) * (np.iinfo(dtype).max // 255)
    smooth_HW3, hole_HW = completed(photo_HW3, (40, 50, 40, 44))
    drawn_HW3, report = draw(smooth_HW3, hole_HW)
    assert report.texture == {"photo": 1, "network": 0}
    assert np.array_equal(drawn_HW3[~hole_HW], smooth_HW3[~hole_HW])
    assert 0.6 < detail(drawn_HW3, hole_HW) / detail(photo_HW3, hole_HW) < 1.3


def test_16_bits_give_what_8_bits_give():
    smooth_HW3, hole_HW = completed(textured(), (40, 50, 40, 44))
    in_8_bits, in_16_bits = (draw(one, hole_HW)[0] for one in (smooth_HW3, smooth_HW3.astype(np.uint16) * 257))
    assert np.abs(in_16_bits / 257 - in_8_bits).max() <= 1


def test_the_same_bits_whatever_holes_are_beside():
    smooth_HW3, hole_HW = completed(textured(260, 300), (40, 50, 40, 44))
    other_HW3, both_HW = completed(smooth_HW3, (40, 50, 40, 44), (210, 240, 30, 30))
    other_HW3[hole_HW] = smooth_HW3[hole_HW]
    alone_HW3, beside_HW3 = draw(smooth_HW3, hole_HW)[0], draw(other_HW3, both_HW)[0]
    assert np.array_equal(alone_HW3[hole_HW], beside_HW3[hole_HW])


def test_another_seed_is_another_completion_and_the_same_one_the_same():
    smooth_HW3, hole_HW = completed(textured(), (40, 50, 40, 44))
    first, second, again = (draw(smooth_HW3, hole_HW, seed=seed)[0] for seed in (1, 2, 1))
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - second)[hole_HW].mean() > 5


@pytest.mark.parametrize("seed", [0, 5])
def test_only_what_may_be_copied_is_copied(seed):
    """All that may be copied is dark, all else bright: copying any of it would show."""
    generator = np.random.default_rng(seed)
    photo_HW3 = textured(colour=(60, 60, 60)) // 2
    unknown_HW = np.zeros(photo_HW3.shape[:2], bool)
    unknown_HW[:, 100:] = True
    unknown_HW |= cv2.dilate((generator.random(unknown_HW.shape) < 0.0005).astype(np.uint8), np.ones((3, 3))) > 0
    smooth_HW3, hole_HW = completed(photo_HW3, (40, 40, 40, 44))
    smooth_HW3[unknown_HW & ~hole_HW] = (255, 0, 255)
    drawn_HW3, _ = draw(smooth_HW3, hole_HW, "photo", unknown_HW=unknown_HW | hole_HW)
    inside_HW = cv2.erode(hole_HW.astype(np.uint8), np.ones((25, 25))) > 0
    assert np.ptp(drawn_HW3[inside_HW].astype(int), axis=1).max() < 40, "nothing of the bright magenta"


def test_every_source_is_a_whole_patch_of_what_may_be_copied():
    smooth_HW3, hole_HW = completed(textured(), (40, 50, 40, 44))
    avoid_HW = np.zeros_like(hole_HW)
    avoid_HW[:, :40] = True
    near = neighbourhood(
        smooth_HW3, (slice(40, 80), slice(50, 94)), hole_HW[40:80, 50:94], hole_HW, hole_HW | avoid_HW, 2, False
    )
    scales = list(
        pyramid(eight_bits(near), near.hole_HW, near.copied_HW, np.zeros_like(near.hole_HW), octaves_for(40), "cpu")
    )
    drawing = synthesise(scales, np.random.default_rng(0))
    assert all_around(near.copied_HW).ravel()[drawing.field.best_N].all()
    uses_P = np.bincount(drawing.field.best_N)
    assert uses_P.max() < 0.02 * len(drawing.field.best_N), "no source is used again and again"


def test_texture_is_taken_from_the_users_sample_however_far_away():
    photo_HW3 = textured(140, 600, colour=(120, 120, 120))
    photo_HW3[:, 500:] = textured(140, 100, seed=3)[:, :, ::-1]
    flat_HW3, hole_HW = completed(np.full_like(photo_HW3, 120), (50, 50, 40, 40))
    photo_HW3[:, :400] = flat_HW3[:, :400]
    sample_HW = np.zeros_like(hole_HW)
    sample_HW[20:120, 520:590] = True
    drawn_HW3, report = draw(photo_HW3, hole_HW, sample_HW=sample_HW)
    assert report.texture["photo"] == 1
    assert detail(drawn_HW3, hole_HW) > 0.4 * detail(photo_HW3, sample_HW)
    assert detail(draw(photo_HW3, hole_HW)[0], hole_HW) < 1


def test_masks_that_leave_nothing_to_copy_are_refused():
    smooth_HW3, hole_HW = completed(textured(), (40, 50, 40, 44))
    everything_HW, little_HW = np.ones_like(hole_HW), np.zeros_like(hole_HW)
    little_HW[:6, :6] = True
    with pytest.raises(ValueError, match="--avoid and the hole leave no 7x7"):
        draw(smooth_HW3, hole_HW, avoid_HW=everything_HW)
    with pytest.raises(ValueError, match="--sample and the hole leave no 7x7"):
        draw(smooth_HW3, hole_HW, sample_HW=little_HW)
    with pytest.raises(ValueError, match="--sample and --avoid and the hole leave"):
        draw(smooth_HW3, hole_HW, sample_HW=everything_HW, avoid_HW=everything_HW)
    with pytest.raises(ValueError, match="sample: the mask is 10x12 and the photo 140x120"):
        draw(smooth_HW3, hole_HW, sample_HW=np.ones((12, 10), bool))


def test_without_a_source_the_network_stays_and_it_is_said():
    photo_HW3, hole_HW = completed(textured(22, 22), (3, 3, 16, 16))
    drawn_HW3, report = draw(photo_HW3, hole_HW)
    assert np.array_equal(drawn_HW3, photo_HW3)
    assert report.texture == {"photo": 0, "network": 1}
    assert "no 7x7 known pixels near" in report.warnings[0]


def test_a_completion_as_detailed_as_its_surroundings_stays():
    photo_HW3 = textured()
    _, hole_HW = completed(photo_HW3, (40, 50, 40, 44))
    drawn_HW3, report = draw(photo_HW3, hole_HW)
    assert report.texture == {"photo": 0, "network": 1}
    assert np.array_equal(drawn_HW3, photo_HW3)
    assert draw(photo_HW3, hole_HW, "photo")[1].texture["photo"] == 1


@pytest.mark.parametrize("box", [(0, 0, 40, 44), (80, 96, 40, 44), (0, 50, 120, 30), (40, 50, 3, 80), (60, 70, 1, 1)])
def test_holes_of_all_kinds_at_all_places(box):
    smooth_HW3, hole_HW = completed(textured(), box)
    for texture in ("auto", "photo"):
        drawn_HW3, report = draw(smooth_HW3, hole_HW, texture)
        assert np.array_equal(drawn_HW3[~hole_HW], smooth_HW3[~hole_HW])
        assert sum(report.texture.values()) == 1


@pytest.mark.parametrize("level", [4, 8, 16])
@pytest.mark.parametrize("correlated", [False, True])
def test_a_plain_sky_has_its_grain_in_the_hole(level, correlated):
    generator = np.random.default_rng(level)
    noise_HW3 = generator.normal(0, level, (300, 300, 1 if correlated else 3))
    sky_HW3 = np.rint(np.array([110, 140, 190]) + np.linspace(0, 20, 300)[:, None, None] + noise_HW3)
    sky_HW3 = sky_HW3.clip(0, 255).astype(np.uint8)
    smooth_HW3, hole_HW = sky_HW3.copy(), np.zeros((300, 300), bool)
    hole_HW[110:190, 120:200] = True
    smooth_HW3[hole_HW] = np.rint(np.array([110, 140, 190]) + np.linspace(0, 20, 300)[:, None, None]).repeat(300, 1)[
        hole_HW
    ]
    drawn_HW3, _ = draw(smooth_HW3, hole_HW)
    for sigma in (1, 2):
        fine_HW3 = drawn_HW3.astype(float) - cv2.GaussianBlur(drawn_HW3.astype(float), (0, 0), sigma)
        inside_P3, outside_P3 = fine_HW3[130:170, 140:180].reshape(-1, 3), fine_HW3[20:90, 20:280].reshape(-1, 3)
        assert np.abs(inside_P3.std(0) / outside_P3.std(0) - 1).max() < 0.15
        between = [np.corrcoef(one_P3.T)[0, 1] for one_P3 in (inside_P3, outside_P3)]
        assert abs(between[0] - between[1]) < 0.15
