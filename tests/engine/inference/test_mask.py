import struct

import numpy as np
import pytest
from PIL import Image

from engine.inference.formats import png
from engine.inference.mask import mask_of_holes, read_mask, widen


@pytest.fixture
def disc_HW():
    y, x = np.mgrid[0:30, 0:40]
    return (y - 12) ** 2 + (x - 17) ** 2 < 80


def forms(disc_HW):
    """The mask in every form that people have it."""
    white = disc_HW.astype(np.uint8) * 255
    nothing, everything = np.zeros_like(white), np.full_like(white, 255)
    yield "bilevel", Image.fromarray(disc_HW)
    yield "0 and 255", Image.fromarray(white)
    yield "0 and 1", Image.fromarray(disc_HW.astype(np.uint8))
    yield "16 bits", Image.fromarray(disc_HW.astype(np.uint16) * 65535)
    yield "rgb", Image.fromarray(np.dstack((white, white, white)))
    yield "red", Image.fromarray(np.dstack((white, nothing, nothing)))
    yield "only alpha", Image.fromarray(np.dstack((nothing, nothing, nothing, white)))
    yield "white with alpha", Image.fromarray(np.dstack((everything, everything, everything, white)))
    yield "rgb with opaque alpha", Image.fromarray(np.dstack((white, white, white, everything)))
    yield "grey with alpha", Image.fromarray(np.dstack((white, everything)))
    yield "palette", Image.fromarray(np.dstack((white, white, white))).quantize(2)


@pytest.mark.parametrize("form", [name for name, _ in forms(np.eye(9, dtype=bool))])
def test_every_form_is_understood(form, disc_HW, tmp_path):
    path = tmp_path / "mask.png"
    dict(forms(disc_HW))[form].save(path)
    np.testing.assert_array_equal(read_mask(path), disc_HW)
    np.testing.assert_array_equal(read_mask(path, invert=True), ~disc_HW)


def test_threshold(tmp_path):
    path = tmp_path / "soft.png"
    Image.fromarray(np.arange(0, 256, 5, dtype=np.uint8)[None].repeat(3, 0)).save(path)
    assert read_mask(path)[0].sum() == sum(value >= 127.5 for value in range(0, 256, 5))
    assert read_mask(path, threshold=0.2)[0].sum() == sum(value >= 51 for value in range(0, 256, 5))


def test_a_mask_is_turned_upright_by_its_own_orientation(disc_HW, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(disc_HW).astype(np.uint8) * 255).save(tmp_path / "mask.png", exif=exif)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), disc_HW)


def test_unreadable_masks_are_named(tmp_path):
    with pytest.raises(ValueError, match="there is no mask at"):
        read_mask(tmp_path / "none.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(ValueError, match=r"cannot read the mask .*broken\.png"):
        read_mask(tmp_path / "broken.png")


def test_a_mask_of_another_size_is_refused_before_it_is_decoded_and_no_size_is_too_large(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    header = png.chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 90_000, 8, 0, 0, 0, 0))
    path.write_bytes(png.SIGNATURE + header + png.chunk(b"IDAT", b"") + png.chunk(b"IEND", b""))
    with pytest.raises(ValueError, match="the mask is 100000x90000 and the photo 40x30"):
        read_mask(path, size=(30, 40))
    Image.new("L", (40, 30), 255).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow's, beyond which it reads nothing
    assert read_mask(path, size=(30, 40)).all()


def test_rectangles():
    mask_HW = mask_of_holes([(1, 2, 3, 4), (5, 0, 1, 1)], (10, 8))
    assert mask_HW.sum() == 13
    assert mask_HW[2:6, 1:4].all()
    for hole, message in (((0, 0, 9, 1), "leaves the photo, which is 8x10"), ((0, 0, 0, 1), "is empty")):
        with pytest.raises(ValueError, match=message):
            mask_of_holes([hole], (10, 8))


def test_widening_is_by_a_disc():
    point_HW = np.zeros((21, 21), bool)
    point_HW[10, 10] = True
    y, x = np.mgrid[-10:11, -10:11]
    wide_HW = widen(point_HW, 6)
    assert wide_HW[y**2 + x**2 <= 5.5**2].all()
    assert not wide_HW[y**2 + x**2 > 7**2].any()
    assert widen(point_HW, 0) is point_HW
