"""Large holes are refined at finer scales, but where patches of the photo are to draw them again."""

import cv2
import numpy as np
import pytest

from engine.inference.completer import Completer
from engine.inference.report import Report
from engine.inference.texture.stage import TextureStage
from tests.engine.inference.texture.made_photos import textured

BOX = (slice(120, 250), slice(130, 260))


@pytest.fixture(scope="module")
def completer() -> Completer:
    return Completer.load(device="cpu", precision="fp32")


def mask_of(box=BOX):
    mask_HW = np.zeros((380, 400), bool)
    mask_HW[box] = True
    return mask_HW


def complete(completer, photo_HW3, mask_HW, **options):
    report = Report()
    return completer.complete(photo_HW3, mask_HW, report=report, **options), report


@pytest.mark.parametrize("box", [BOX, (slice(100, 380), slice(0, 260))])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_patches_draw_again_is_completed_at_the_coarsest_scale_alone(completer, dtype, box):
    photo_HW3 = textured(380, 400).astype(dtype) * (np.iinfo(dtype).max // 255)
    drawn_HW3, report = complete(completer, photo_HW3, mask_of(box))
    _, refined = complete(completer, photo_HW3, mask_of(box), texture="none")
    assert report.texture == {"photo": 1, "network": 0}
    assert report.window_pixels < refined.window_pixels / 2
    windows_HW3, _ = complete(completer, photo_HW3, mask_of(box), full_frame=True)
    np.testing.assert_array_equal(drawn_HW3, windows_HW3)


@pytest.mark.parametrize("options", [{"blend": "feather"}, {"sample_HW": ~mask_of()}, {"avoid_HW": mask_of()}])
def test_with_other_sources_or_a_fading_border_it_is_refined(completer, options):
    photo_HW3 = textured(380, 400)
    _, report = complete(completer, photo_HW3, mask_of(), **options)
    _, refined = complete(completer, photo_HW3, mask_of(), texture="none", **options)
    assert report.texture == {"photo": 1, "network": 0}
    assert report.window_pixels == refined.window_pixels


def test_in_smooth_surroundings_it_is_refined(completer):
    photo_HW3 = cv2.GaussianBlur(textured(380, 400), (0, 0), 25)
    photo_HW3 = cv2.normalize(photo_HW3, None, 0, 255, cv2.NORM_MINMAX)
    _, report = complete(completer, photo_HW3, mask_of())
    _, refined = complete(completer, photo_HW3, mask_of(), texture="none")
    assert report.window_pixels == refined.window_pixels


def test_a_hole_that_has_detail_already_is_not_to_be_drawn_again():
    photo_HW3, hole_HW = textured(190, 200), mask_of()[::2, ::2]
    smooth_HW3 = np.where(hole_HW[..., None], 128, photo_HW3).astype(np.uint8)
    stage = TextureStage("auto", 0, hole_HW, hole_HW, False, "cpu", Report())
    assert stage.is_drawn_again(smooth_HW3, hole_HW, hole_HW, 2)
    assert not stage.is_drawn_again(photo_HW3, hole_HW, hole_HW, 2), "as of a network that draws texture itself"
    nothing_HW = np.ones_like(hole_HW)
    assert not stage.is_drawn_again(smooth_HW3, nothing_HW, hole_HW, 2), "there is nothing to be copied"
