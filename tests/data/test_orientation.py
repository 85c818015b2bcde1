"""EXIF orientation against Pillow's."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from data.orientation import stored_corner, upright
from tests.data.made_photos import scene, with_orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_and_corners_agree_with_pillow(orientation: int) -> None:
    stored_HW3 = scene(0, 37, 23)
    image = Image.fromarray(stored_HW3)
    image.getexif().update(with_orientation(orientation))
    seen_HW3 = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(upright(stored_HW3, orientation), seen_HW3)

    x, y, side = 5, 3, 11
    left, top = stored_corner(x, y, side, seen_HW3.shape[1], seen_HW3.shape[0], orientation)
    square_HW3 = upright(stored_HW3[top : top + side, left : left + side], orientation)
    np.testing.assert_array_equal(square_HW3, seen_HW3[y : y + side, x : x + side])
