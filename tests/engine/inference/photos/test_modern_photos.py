"""HEIC, AVIF and JPEG XL photos, in and out."""

import re
import sys
from io import BytesIO

import cv2
import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401  # Pillow saves JPEG XL
import pytest
from PIL import Image, ImageCms

from engine.inference.photos.formats import jpeg_xl
from engine.inference.photos.lossless import check_lossless
from engine.inference.photos.reading import TooManyPixels, parse_photo, read_photo
from engine.inference.photos.writing import changes_of_kind, check_can_hold, write_photo

pillow_heif.register_heif_opener()

ENDINGS = {"HEIF": ".heic", "AVIF": ".avif", "JXL": ".jxl"}
BEST = {
    "HEIF": {"quality": -1, "chroma": 444},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    "JXL": {"lossless": True, "lossless_jpeg": False},
}
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'


def picture(channels=3, height=64, width=96):
    rows, columns = np.mgrid[:height, :width]
    planes = [rows * 3, columns * 2, 128 + 0 * rows, np.where(columns > 50, 255, 90)]
    kinds = {1: planes[:1], 2: [planes[0], planes[3]], 3: planes[:3], 4: planes}
    return np.squeeze(np.dstack(kinds[channels])).astype(np.uint8)


def exif(orientation=1):
    block = Image.Exif()
    block[0x010F], block[0x0112] = "a camera", orientation
    return block.tobytes()  # pillow-heif turns nothing for a block of the type Image.Exif


def saved(tmp_path, container, samples, **options):
    path = tmp_path / f"photo{ENDINGS[container]}"
    Image.fromarray(samples).save(path, container, **(BEST[container] | options))
    return path


def rewritten(path, out=None, value=7):
    """The photo written with a box of another colour."""
    photo = read_photo(path)
    after_HW3 = photo.pixels_HW3.copy()
    after_HW3[10:20, 30:40] = value
    out = out or path.with_stem("done")
    write_photo(out, photo, after_HW3)
    return photo, after_HW3, out


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("container", ENDINGS)
def test_in_and_out(tmp_path, container, channels):
    samples = picture(channels)
    path = saved(tmp_path, container, samples, exif=exif(), xmp=XMP)
    photo, after_HW3, out = rewritten(path)
    assert photo.container == container
    expected = samples[..., :3] if channels > 1 else samples[..., None]
    assert np.abs(photo.pixels_HW3.astype(int) - expected).max() <= 3
    assert (photo.alpha_HW is not None) == (channels == 4)
    again = read_photo(out)
    assert np.abs(again.pixels_HW3[12:18, 32:38].astype(int) - 7).max() <= 4, "what is completed is in the file"
    assert np.abs(again.pixels_HW3.astype(int) - after_HW3).mean() < 1.5
    if channels == 4:
        np.testing.assert_allclose(again.alpha_HW, samples[..., 3], atol=3)
    with Image.open(out) as image:
        assert image.format == container
        assert (image.getexif()[0x010F], image.getexif().get(0x0112, 1)) == ("a camera", 1)
    assert again.xmp is not None
    assert b"xmpmeta" in again.xmp


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("container", ["HEIF", "AVIF"])
def test_orientations(tmp_path, container, orientation):
    path = saved(tmp_path, container, picture(), exif=exif(orientation))
    jpeg = BytesIO()
    Image.fromarray(picture()).save(jpeg, "JPEG", quality=95, exif=exif(orientation))
    expected_HW3 = parse_photo(jpeg.getvalue(), "").pixels_HW3
    photo, after_HW3, out = rewritten(path)
    assert photo.exif_orientation == orientation
    assert photo.pixels_HW3.shape == expected_HW3.shape
    assert np.abs(photo.pixels_HW3.astype(int) - expected_HW3).mean() < 3
    assert np.abs(read_photo(out).pixels_HW3.astype(int) - after_HW3).mean() < 2
    with Image.open(out) as image:
        assert image.getexif().get(0x0112, 1) == 1


def test_jpeg_xl_does_not_go_by_the_orientation_in_its_exif(tmp_path):
    """By the standard: the codestream says its own, which the decoder applies."""
    photo = read_photo(saved(tmp_path, "JXL", picture(), exif=exif(6)))
    np.testing.assert_array_equal(photo.pixels_HW3, picture())
    assert photo.notes == ("the EXIF of the file tells an orientation, which JPEG XL does not go by: it is left out",)


def test_a_jpeg_packed_into_a_jpeg_xl(tmp_path):
    jpeg = tmp_path / "photo.jpg"
    Image.fromarray(picture()).save(jpeg, quality=95, exif=exif(6))
    with Image.open(jpeg) as image, pytest.warns(UserWarning, match="JPEG reconstruction"):
        image.save(tmp_path / "photo.jxl")
    photo, after_HW3, out = rewritten(tmp_path / "photo.jxl")
    np.testing.assert_array_equal(photo.pixels_HW3, read_photo(jpeg).pixels_HW3)
    assert photo.notes == ("the file holds a packed JPEG, which cannot be unpacked from the result any more",)
    assert np.abs(read_photo(out).pixels_HW3.astype(int) - after_HW3).mean() < 2


@pytest.mark.parametrize("bits", [10, 12])
def test_heic_of_more_than_8_bits(tmp_path, bits):
    deep = picture().astype(np.uint16) * 257
    file = pillow_heif.from_bytes("RGB;16", (96, 64), deep.tobytes())
    file.save(tmp_path / "photo.heic", quality=-1, chroma=444, bit_depth=bits)
    photo, after_HW3, out = rewritten(tmp_path / "photo.heic", value=30000)
    assert photo.pixels_HW3.dtype == np.uint16
    assert np.abs(photo.pixels_HW3.astype(int) - deep).max() < 65536 / 2**bits * 8
    with Image.open(out) as image:
        assert image.info["bit_depth"] == bits
    assert np.abs(read_photo(out).pixels_HW3.astype(int) - after_HW3).mean() < 400
    _, after_HW3, out = rewritten(tmp_path / "photo.heic", tmp_path / "done.png", value=30000)
    np.testing.assert_array_equal(read_photo(out).pixels_HW3, after_HW3)
    with pytest.raises(ValueError, match=r"16 bits per sample and JPEG holds 8"):
        check_can_hold("JPEG", photo)


def test_avif_of_10_bits_becomes_another_format(tmp_path):
    deep = picture().astype(np.uint16) << 2
    options = [cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 100]
    (tmp_path / "photo.avif").write_bytes(cv2.imencode(".avif", deep[..., ::-1], options)[1].tobytes())
    _, after_HW3, out = rewritten(tmp_path / "photo.avif", tmp_path / "done.png", value=30000)
    np.testing.assert_array_equal(read_photo(out).pixels_HW3, after_HW3)
    assert np.abs(after_HW3[30:].astype(int) - (deep[30:].astype(int) * 65535 // 1023)).max() < 1000
    with pytest.raises(ValueError, match=r"16 bits per sample and AVIF is written with 8; write a \.png or \.tif"):
        check_can_hold("AVIF", read_photo(tmp_path / "photo.avif"))


DEEP_JPEG_XL = (
    "0000000c4a584c200d0a870a00000014667479706a786c20000000006a786c20000000096a786c6c0a0000001d6a786c63ff"
    "0a43f00350b408080401001c004b188b15820300"
)
"""By libjxl 0.11.2: 16x16 pixels of 16 bits in colour, lossless."""


def test_jpeg_xl_of_16_bits(tmp_path):
    """Of grey they are kept; of colours the decoder gives 8, which is no photo any more."""
    deep = picture(1).astype(np.uint16) * 257
    path = saved(tmp_path, "JXL", deep)
    photo, after_HW3, out = rewritten(path, value=30000)
    np.testing.assert_array_equal(photo.pixels_HW3[..., 0], deep)
    np.testing.assert_array_equal(read_photo(out).pixels_HW3, after_HW3)
    with pytest.raises(ValueError, match=r"a JPEG XL of 16 bits per sample, of which 8 would be kept; convert it"):
        parse_photo(bytes.fromhex(DEEP_JPEG_XL), "deep.jxl")
    with pytest.raises(ValueError, match="16 bits per sample and JPEG XL is written with 8"):
        check_can_hold(
            "JXL", parse_photo(encoded_tiff(deep), "deep.tif")
        )  # the encoder would say they are linear light


def encoded_tiff(samples):
    file = BytesIO()
    Image.fromarray(samples).save(file, "TIFF")
    return file.getvalue()


@pytest.mark.parametrize("size", [(64, 96), (40, 40), (45, 80), (300, 7), (8, 16), (1000, 1200), (33, 9000)])
def test_the_size_of_a_jpeg_xl_is_known_before_it_is_decoded(tmp_path, size):
    content = saved(tmp_path, "JXL", np.zeros((*size, 3), np.uint8)).read_bytes()
    assert jpeg_xl.header(content).size == size
    with pytest.raises(TooManyPixels, match=f"it has {size[1]}x{size[0]} pixels and the limit is 100;"):
        parse_photo(content, "photo", max_pixels=100)


def test_lossless_jpeg_xl_stays_so(tmp_path):
    _, after_HW3, out = rewritten(saved(tmp_path, "JXL", picture()))
    np.testing.assert_array_equal(read_photo(out).pixels_HW3, after_HW3)
    lossy = saved(tmp_path, "JXL", picture(), lossless=False, quality=90)
    assert jpeg_xl.header(rewritten(lossy)[2].read_bytes()).lossless is False


def wide_profile():
    """sRGB's with red and green exchanged, which is none of a display but another than sRGB."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


def test_profiles(tmp_path):
    """Kept in HEIC and AVIF; JPEG XL is written without one."""
    profile = wide_profile()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for container in ("HEIF", "AVIF"):
        path = saved(tmp_path, container, picture(), icc_profile=profile)
        assert rewritten(path)[0].icc == profile
        assert read_photo(path.with_stem("done")).icc == profile
    path = tmp_path / "photo.png"
    Image.fromarray(picture()).save(path, icc_profile=profile)
    check_can_hold("JXL", read_photo(saved(tmp_path, "AVIF", picture(), icc_profile=srgb)))
    with pytest.raises(
        ValueError, match=r"has an ICC profile, and JPEG XL is written in sRGB without one; write a \.png"
    ):
        check_can_hold("JXL", read_photo(path))


def test_colours_that_a_heic_says_without_a_profile(tmp_path):
    path = saved(tmp_path, "HEIF", picture(), color_primaries=12, transfer_characteristics=16)
    photo, _, out = rewritten(path)
    with Image.open(out) as image:
        nclx = image.info["nclx_profile"]
    assert (nclx["color_primaries"], nclx["transfer_characteristics"]) == (12, 16)
    (note,) = changes_of_kind(photo, "JPEG")
    assert "which colours its values mean" in note
    assert changes_of_kind(read_photo(saved(tmp_path, "HEIF", picture())), "JPEG") == ()


def test_what_is_beside_the_photo_in_a_heic_is_left_out_and_said(tmp_path):
    file = pillow_heif.from_bytes("RGB", (96, 64), picture().tobytes())
    file.save(tmp_path / "photo.heic", quality=95, thumbnails=[32])
    photo, _, out = rewritten(tmp_path / "photo.heic")
    assert photo.notes == ("1 thumbnail(s) in the photo's file are left out",)
    with Image.open(out) as image:
        assert image.info["thumbnails"] == []


@pytest.mark.parametrize("container", ENDINGS)
def test_losslessly_outside(tmp_path, container):
    photo = read_photo(saved(tmp_path, container, picture(), **({"lossless": False} if container == "JXL" else {})))
    with pytest.raises(ValueError, match=r"with lossy compression, which changes every pixel; write a \.png"):
        check_lossless(photo, tmp_path / f"out{ENDINGS[container]}")
    check_lossless(photo, tmp_path / "out.png")


@pytest.mark.parametrize("container", ENDINGS)
def test_cut_short(tmp_path, container):
    content = saved(tmp_path, container, picture(), exif=exif()).read_bytes()
    for share in (0.05, 0.3, 0.6, 0.9):
        with pytest.raises(ValueError, match=re.escape("cannot read the photo photo: ")) as refused:
            parse_photo(content[: int(share * len(content))], "photo")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("container", "package"), [("HEIF", "pillow_heif"), ("JXL", "pillow_jxl")])
def test_without_the_extra(tmp_path, monkeypatch, container, package):
    path = saved(tmp_path, container, picture())
    png = tmp_path / "photo.png"
    Image.fromarray(picture()).save(png)
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"{package} is needed \(.*\): pip install 'glcic-engine\[photos\]'"
    with pytest.raises(ValueError, match=message):
        read_photo(path)
    with pytest.raises(ValueError, match=message):
        check_can_hold(container, read_photo(png))
