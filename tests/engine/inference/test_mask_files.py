"""Mask files: what is taken for a hole in each form that people have, and what is refused."""

import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from data.orientation import turned_back
from engine.inference.formats import png
from engine.inference.mask import OtherSize
from engine.inference.mask_files import parse_mask, read_mask


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
    yield "red with alpha", Image.fromarray(np.dstack((everything, nothing, nothing, white)))
    for hidden in (255, 0):
        for paint in ((0, 0, 0), (255, 0, 0), (30, 30, 90), (255, 255, 255)):
            painted_HW3 = np.where(disc_HW[..., None], np.array(paint, np.uint8), np.uint8(hidden))
            yield f"{paint} on hidden {hidden}", Image.fromarray(np.dstack((painted_HW3, white)))
    noise_HW3 = np.random.default_rng(0).integers(0, 256, (*white.shape, 3), np.uint8)
    noise_HW3[disc_HW] = 0
    yield "black on hidden noise", Image.fromarray(np.dstack((noise_HW3, white)))
    both_HW3 = np.where((noise_HW3[..., :1] > 128) & ~disc_HW[..., None], noise_HW3, white[..., None])
    shown_HW = np.where((both_HW3 == white[..., None]).all(2), everything, nothing)
    yield "black and white, beside hidden noise", Image.fromarray(np.dstack((both_HW3, shown_HW)))
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


@pytest.mark.parametrize("name", ["astronaut.png", "camera.png", "coffee.png", "rocket.jpg", "page.png"])
def test_a_photo_is_taken_for_no_mask(name, shipped_photos, tmp_path):
    with pytest.raises(ValueError, match=r"cannot read the mask .*: \d\d% of it is neither dark nor bright.*Paint"):
        read_mask(shipped_photos / name)
    erased = Image.open(shipped_photos / name).convert("RGB")
    erased.putalpha(Image.new("L", erased.size, 255))
    erased.paste((0, 0, 0, 0), (10, 10, 40, 40))
    erased.save(tmp_path / "erased.png")
    with pytest.raises(ValueError, match="is it a photo"):
        read_mask(tmp_path / "erased.png")


def test_soft_masks_stay_masks(tmp_path):
    path, (y, x) = tmp_path / "soft.png", np.mgrid[:256, :256]
    distance_HW = np.hypot(y - 128, x - 128)
    hard_HW = (distance_HW < 40).astype(np.float32)
    cone_HW = np.clip(1 - distance_HW / 128, 0, 1)  # the softest brush, as wide as the picture
    for soft_HW in (cv2.GaussianBlur(hard_HW, (0, 0), 1), cv2.GaussianBlur(hard_HW, (0, 0), 20), cone_HW):
        soft_HW = np.rint(255 * soft_HW).astype(np.uint8)
        for stored_HW in (soft_HW, 255 - soft_HW):
            Image.fromarray(stored_HW).save(path)
            np.testing.assert_array_equal(read_mask(path), stored_HW >= 128)
    Image.fromarray(np.full((9, 9), 200, np.uint8) - np.eye(9, dtype=np.uint8)).save(path)
    assert read_mask(path).all(), "a dot's box may be all edge"


def test_a_mask_of_labels_is_told_its_largest_value(disc_HW, tmp_path):
    Image.fromarray(3 * disc_HW.astype(np.uint8)).save(tmp_path / "labels.png")
    with pytest.raises(ValueError, match=r"its largest value is 3 of 255, and a hole begins at 127\.5.*make the hole"):
        read_mask(tmp_path / "labels.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "labels.png", threshold=0.01), disc_HW)


def test_a_mask_is_turned_upright_by_its_own_orientation(disc_HW, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(disc_HW).astype(np.uint8) * 255).save(tmp_path / "mask.png", exif=exif)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), disc_HW)


@pytest.mark.filterwarnings("ignore")  # Pillow's, about what it cannot read
@pytest.mark.parametrize("name", ["mask.png", "mask.webp"])
@pytest.mark.parametrize("exif", [b"MM", b"II*\0\x08\0\0\0\1\0\0\1\2\0\2\0\0\0a\0\0\0\0\0\0\0"], ids=["cut", "odd"])
def test_broken_exif_costs_no_mask(name, exif, disc_HW, tmp_path):
    Image.fromarray(disc_HW.astype(np.uint8) * 255).convert("RGB").save(tmp_path / name, exif=exif, lossless=True)
    np.testing.assert_array_equal(read_mask(tmp_path / name), disc_HW)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["mask.png", "mask.tif"])
def test_all_orientations_of_a_mask(name, orientation, disc_HW, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored_HW = turned_back(disc_HW, orientation).astype(np.uint8) * 255
    Image.fromarray(np.ascontiguousarray(stored_HW)).save(tmp_path / name, exif=exif)
    np.testing.assert_array_equal(read_mask(tmp_path / name), disc_HW)


def test_unreadable_masks_are_named(tmp_path):
    with pytest.raises(ValueError, match="there is no mask at"):
        read_mask(tmp_path / "none.png")
    (tmp_path / "text.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"cannot read the mask .*text\.png: it is no picture"):
        read_mask(tmp_path / "text.png")
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


def test_a_mask_on_its_side_is_refused_when_it_is_seen(disc_HW, tmp_path):
    Image.fromarray(disc_HW).save(tmp_path / "mask.png")
    with pytest.raises(OtherSize, match="the mask is 40x30 and the photo 30x40"):
        read_mask(tmp_path / "mask.png", size=(40, 30))
    with pytest.raises(OtherSize):
        parse_mask((tmp_path / "mask.png").read_bytes(), size=(40, 30))
