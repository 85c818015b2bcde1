"""How a completion is joined with its photo: without a difference of brightness, or fading into it."""

import cv2
import numpy as np
import pytest

from engine.inference.holes.blend import feather_weight, join


def scene():
    """A smooth photo, and a completion that is right but for its brightness."""
    y, x = np.mgrid[0:90, 0:120]
    photo_HW3 = np.stack((y, x, 100 + 20 * np.sin(x / 9) * np.cos(y / 7)), axis=2).clip(0, 255).astype(np.uint8)
    return photo_HW3, (photo_HW3.astype(np.float32) + 25) / 255


@pytest.mark.parametrize("box", [(20, 25, 31, 40), (20, 25, 30, 41), (0, 0, 30, 30), (60, 90, 30, 30), (0, 30, 90, 20)])
def test_poisson_removes_a_difference_of_brightness(box):
    """Odd and even holes, inside and at the borders: cloning a photo onto itself gives the photo, not a shifted one."""
    photo_HW3, brighter_HW3 = scene()
    hole_HW = np.zeros(photo_HW3.shape[:2], bool)
    hole_HW[box[0] : box[0] + box[2], box[1] : box[1] + box[3]] = True
    joined_HW3 = join(photo_HW3, brighter_HW3, hole_HW, hole_HW, "poisson", 0)
    assert abs(joined_HW3.astype(int) - photo_HW3)[hole_HW].max() <= 1


def test_poisson_agrees_with_opencvs_cloning():
    """The paper's post-processing through cv2, with the centre that puts the hole where it belongs."""
    photo_HW3, _ = scene()
    completed_HW3 = cv2.GaussianBlur(photo_HW3[:, ::-1], (9, 9), 3)
    hole_HW = np.zeros(photo_HW3.shape[:2], bool)
    hole_HW[22:61, 30:77] = True
    destination_HW3 = cv2.inpaint(photo_HW3, hole_HW.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    # cv2 solves inside its mask's bounding box without its outermost pixels, and places that box's centre.
    grown_HW = cv2.dilate(hole_HW.astype(np.uint8) * 255, np.ones((3, 3), np.uint8))
    x, y, width, height = cv2.boundingRect(grown_HW)
    centre = (x + width // 2, y + height // 2)
    cloned_HW3 = cv2.seamlessClone(completed_HW3, destination_HW3, grown_HW, centre, cv2.NORMAL_CLONE)
    joined_HW3 = join(photo_HW3, completed_HW3.astype(np.float32) / 255, hole_HW, hole_HW, "poisson", 0)
    difference = abs(joined_HW3.astype(int) - cloned_HW3)[hole_HW]
    assert difference.mean() < 3
    shifted = abs(np.roll(joined_HW3, 1, axis=1).astype(int) - cloned_HW3)[hole_HW]
    assert difference.mean() < shifted.mean()


def test_feather_falls_to_the_photo():
    mask_HW = np.zeros((20, 20), bool)
    mask_HW[8:12, 8:12] = True
    weight_HW = feather_weight(mask_HW, 3)
    np.testing.assert_allclose(weight_HW[10, 3:9], [0, 0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_array_equal(weight_HW > 0, cv2.distanceTransform((~mask_HW).astype(np.uint8), cv2.DIST_L2, 5) < 4)
