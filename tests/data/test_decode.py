"""The pixels that come out of each format."""

import cv2
import numpy as np
import pytest

from data.decode import decode
from data.orientation import upright
from tests.data.made_photos import encoded, scene, with_orientation


def with_alpha(width: int, height: int) -> np.ndarray:
    """RGBA of every transparency."""
    alpha_HW = np.arange(width * height).reshape(height, width) % 256
    return np.dstack([scene(0, width, height), alpha_HW.astype(np.uint8)])


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("WEBP", {"lossless": True, "exact": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ],
)
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_keeps_its_colour(kind: str, options: dict[str, object], mode: str) -> None:
    photo_HW4 = with_alpha(50, 40)
    if mode == "LA":
        photo_HW4[..., :3] = photo_HW4[..., :1]
    data = encoded(photo_HW4, kind, mode, **options)
    np.testing.assert_array_equal(decode(data)[..., ::-1], photo_HW4[..., :3])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_transparent_tiff_comes_upright(orientation: int) -> None:
    photo_HW4 = with_alpha(50, 40)
    data = encoded(photo_HW4, "TIFF", "RGBA", exif=with_orientation(orientation))
    np.testing.assert_array_equal(decode(data)[..., ::-1], upright(photo_HW4[..., :3], orientation))


def test_16_bits_with_alpha_are_the_same_from_tiff_and_png() -> None:
    photo_HW4 = with_alpha(50, 40).astype(np.uint16) * 257
    from_tiff, from_png = (decode(cv2.imencode(suffix, photo_HW4)[1].tobytes()) for suffix in (".tif", ".png"))
    np.testing.assert_array_equal(from_tiff, from_png)
