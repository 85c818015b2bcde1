"""JPEGs of which only the hole's blocks change: coefficients, pixels, metadata, and what is refused."""

import io
import struct
import sys
from pathlib import Path

import cv2
import jpeglib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from data.orientation import upright
from engine.inference.photos.formats import jpeg
from engine.inference.photos.lossless import check_lossless, write_losslessly
from engine.inference.photos.reading import parse_photo, read_photo
from tests.engine.inference.photos.made_files import PROFILE, XMP, exif_block, mangle

CV2_SAMPLING = {
    name: getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{name}") for name in ("411", "420", "422", "440", "444")
}


@pytest.fixture(scope="module")
def scene_HW3(astronaut_HW3):
    return astronaut_HW3[:103, 150:287]


def save(path, samples, **options):
    Image.fromarray(samples).save(path, "JPEG", **options)
    return path


def change(path, *boxes, fill=(250, 20, 30)):
    """Write the photo with these boxes (top, left, height, width, as it is seen) filled, beside it; both photos."""
    photo = read_photo(path)
    changed_HW3 = photo.pixels_HW3.copy()
    for top, left, height, width in boxes:
        changed_HW3[top : top + height, left : left + width] = fill
    out = path.with_name("out.jpg")
    write_losslessly(out, photo, changed_HW3)
    return photo, changed_HW3, out


def components(path: Path) -> list[np.ndarray]:
    bare = path.with_suffix(".bare")  # jpeglib reads few segments
    bare.write_bytes(jpeg.without_metadata(path.read_bytes()))
    with jpeglib.version("turbo210"):
        stored = jpeglib.read_dct(bare)
        return [stored.Y, stored.Cb, stored.Cr] if stored.has_chrominance else [stored.Y]


def check_blocks(before, after, changed_HW, ratios):
    """Of each component, all coefficients but those of blocks with a changed pixel are the same; `changed_HW` is as
    stored. Returns the pixels that may be seen to change."""
    seen_HW = np.zeros_like(changed_HW)
    for old, new, (height, width) in zip(components(before), components(after), ratios, strict=True):
        touched = np.zeros(old.shape[:2], bool)
        for y, x in np.argwhere(changed_HW):
            touched[y // (8 * height), x // (8 * width)] = True
        np.testing.assert_array_equal(old[~touched], new[~touched])
        wide_HW = touched.repeat(8 * height, 0).repeat(8 * width, 1)[: changed_HW.shape[0], : changed_HW.shape[1]]
        # Decoders interpolate chroma between two samples.
        reach = np.ones((2 * height + 1 if height > 1 else 1, 2 * width + 1 if width > 1 else 1), np.uint8)
        seen_HW |= cv2.dilate(wide_HW.astype(np.uint8), reach) > 0
    return seen_HW


def check(path, *boxes, ratios, orientation=1):
    photo, changed_HW3, out = change(path, *boxes)
    back = {6: 8, 8: 6}.get(orientation, orientation)
    changed_HW = upright((photo.pixels_HW3 != changed_HW3).any(2), back)
    seen_HW = upright(check_blocks(path, out, changed_HW, ratios), orientation)
    again_HW3 = read_photo(out).pixels_HW3
    np.testing.assert_array_equal(again_HW3[~seen_HW], photo.pixels_HW3[~seen_HW])
    assert seen_HW.mean() < 0.9, "the test sees nothing"
    assert (again_HW3 != photo.pixels_HW3).any(2).mean() > 0.8 * (changed_HW3 != photo.pixels_HW3).any(2).mean()
    for top, left, height, width in boxes:  # away from the edges, which rounding makes ring
        inside_HW3 = again_HW3[top + 8 : top + height - 8, left + 8 : left + width - 8].astype(int)
        if inside_HW3.size:
            assert abs(inside_HW3 - (250, 20, 30)).max() < 12
    return out


RATIOS = {0: [(1, 1)] * 3, 1: [(1, 1), (1, 2), (1, 2)], 2: [(1, 1), (2, 2), (2, 2)]}


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("restart", [0, 5])
def test_only_touched_blocks_change(subsampling, progressive, restart, scene_HW3, tmp_path):
    path = save(tmp_path / "photo.jpg", scene_HW3, quality=85, subsampling=subsampling, progressive=progressive,
                restart_marker_blocks=restart)  # fmt: skip
    check(path, (20, 33, 40, 37), (99, 130, 4, 7), ratios=RATIOS[subsampling])


@pytest.mark.parametrize(
    ("sampling", "ratio"), [("411", (1, 4)), ("420", (2, 2)), ("422", (1, 2)), ("440", (2, 1)), ("444", (1, 1))]
)
def test_any_subsampling(sampling, ratio, scene_HW3, tmp_path):
    path = tmp_path / "photo.jpg"
    options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, CV2_SAMPLING[sampling], cv2.IMWRITE_JPEG_QUALITY, 90]
    cv2.imwrite(str(path), scene_HW3[..., ::-1], options)
    check(path, (10, 20, 30, 30), ratios=[(1, 1), ratio, ratio])


@pytest.mark.parametrize("stated", [(1, 1), (2, 2)])
def test_grey(stated, scene_HW3, tmp_path):
    path = save(tmp_path / "photo.jpg", scene_HW3[..., 1], quality=80)
    content = bytearray(path.read_bytes())
    content[content.index(b"\xff\xc0") + 11] = (
        16 * stated[0] + stated[1]
    )  # sampling, which grey files state for nothing
    path.write_bytes(content)
    photo, changed_HW3, out = change(path, (20, 30, 20, 20), fill=(200, 200, 200))
    seen_HW = check_blocks(path, out, (photo.pixels_HW3 != changed_HW3).any(2), [(1, 1)])
    np.testing.assert_array_equal(read_photo(out).pixels_HW3[~seen_HW], photo.pixels_HW3[~seen_HW])
    assert abs(read_photo(out).pixels_HW3[22:38, 32:48].astype(int) - 200).max() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_photos_stay_as_they_are_stored(orientation, scene_HW3, tmp_path):
    options = {
        "exif": jpeg.EXIF_HEAD + exif_block(orientation),
        "xmp": XMP,
        "icc_profile": PROFILE,
        "comment": b"hello",
    }
    path = save(tmp_path / "photo.jpg", scene_HW3, quality=85, subsampling=2, **options)
    out = check(path, (10, 50, 30, 24), ratios=RATIOS[2], orientation=orientation)
    with Image.open(path) as before, Image.open(out) as after:
        assert after.size == before.size
        assert after.getexif()[ExifTags.Base.Orientation] == orientation
        assert after.quantization == before.quantization
        assert after.layer == before.layer, "components, their numbers, sampling and tables"
        assert after.info["icc_profile"] == PROFILE
        assert (after.info["comment"], after.info["xmp"]) == (b"hello", XMP)
    assert b"MAKERNOTE" * 3 in out.read_bytes()
    assert b"unwanted object" not in out.read_bytes()


@pytest.mark.parametrize("orientation", [0, 9, "6"])
def test_an_orientation_that_is_none_is_upright(orientation, scene_HW3, tmp_path):
    exif = exif_block(0 if orientation == "6" else orientation)
    if orientation == "6":  # as text
        exif = exif.replace(struct.pack(">HHI4x", 0x0112, 3, 1), struct.pack(">HHI4s", 0x0112, 2, 2, b"6"))
    path = save(tmp_path / "photo.jpg", scene_HW3, quality=85, exif=jpeg.EXIF_HEAD + exif)
    with Image.open(path) as image:
        assert image.getexif()[ExifTags.Base.Orientation] == orientation
    check(path, (10, 50, 30, 24), ratios=RATIOS[2])


def test_many_segments_and_a_file_after_the_photo(scene_HW3, tmp_path):
    path = save(tmp_path / "photo.jpg", scene_HW3, quality=85, subsampling=2)
    kept = [(0xEB, bytes([number]) * 9) for number in range(70)]
    picture = path.read_bytes()
    path.write_bytes(jpeg.with_metadata(picture, kept) + picture)
    out = check(path, (20, 30, 20, 20), ratios=RATIOS[2])
    assert list(jpeg.segments(out.read_bytes()))[:70] == kept


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    subsampling=st.integers(0, 2),
    boxes=st.lists(st.tuples(*[st.integers(0, 69)] * 2, *[st.integers(1, 30)] * 2), max_size=4),
    quality=st.integers(1, 100),
)
def test_any_size_and_any_hole(height, width, subsampling, boxes, quality, scene_HW3, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "photo.jpg"
    save(path, scene_HW3[:height, :width], quality=quality, subsampling=subsampling)
    photo, changed_HW3, out = change(path, *boxes, fill=(0, 255, 1))
    changed_HW = (photo.pixels_HW3 != changed_HW3).any(2)
    if changed_HW.any():
        seen_HW = check_blocks(path, out, changed_HW, RATIOS[subsampling])
        np.testing.assert_array_equal(read_photo(out).pixels_HW3[~seen_HW], photo.pixels_HW3[~seen_HW])
    else:
        np.testing.assert_array_equal(read_photo(out).pixels_HW3, photo.pixels_HW3)


def test_the_changed_blocks_are_as_good_as_libjpegs_own(scene_HW3, tmp_path):
    """With all pixels changed, the file is the one that libjpeg makes, to rounding."""
    path = save(tmp_path / "photo.jpg", 255 - scene_HW3, quality=85, subsampling=2)
    out = tmp_path / "out.jpg"
    write_losslessly(out, read_photo(path), scene_HW3)
    expected = save(tmp_path / "expected.jpg", scene_HW3, quality=85, subsampling=2)
    for ours, theirs in zip(components(out), components(expected), strict=True):
        assert (ours != theirs).mean() < 0.03
        assert abs(ours - theirs).max() <= 1


@pytest.mark.parametrize(
    ("name", "options", "out", "message"),
    [
        ("photo.png", {}, "out.jpg", "a JPEG of a PNG, which changes every pixel"),
        ("photo.webp", {"quality": 80}, "out.webp", "lossy compression again"),
        ("photo.jpg", {"keep_rgb": True}, "out.jpg", "stores its colours as JCS_RGB"),
    ],
)
def test_what_cannot_be_kept_is_refused(name, options, out, message, scene_HW3, tmp_path):
    Image.fromarray(scene_HW3).save(tmp_path / name, **options)
    photo = read_photo(tmp_path / name)
    with pytest.raises(ValueError, match=message):
        write_losslessly(tmp_path / out, photo, 255 - photo.pixels_HW3)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_without_jpeglib_the_remedy_is_named(scene_HW3, tmp_path, monkeypatch):
    photo = read_photo(save(tmp_path / "photo.jpg", scene_HW3))
    monkeypatch.setitem(sys.modules, "jpeglib", None)
    with pytest.raises(ValueError, match=r"pip install 'glcic-engine\[jpeg\]'"):
        check_lossless(photo, tmp_path / "out.jpg")
    check_lossless(photo, tmp_path / "out.png")


@pytest.mark.filterwarnings("ignore")  # of Pillow, about the damage
def test_damaged_files_are_kept_outside_or_refused(scene_HW3, tmp_path, monkeypatch):
    """And no copy of them stays in the temporary folder."""
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    random = np.random.default_rng(1)
    file = io.BytesIO()
    Image.fromarray(scene_HW3).save(file, "JPEG", quality=80, subsampling=2, restart_marker_blocks=9)
    kept = refused = 0
    for _ in range(150):
        path = tmp_path / "photo.jpg"
        path.write_bytes(mangle(file.getvalue(), random))
        try:
            photo = read_photo(path, max_pixels=100_000)
        except ValueError:
            continue
        out = tmp_path / "out.jpg"
        out.unlink(missing_ok=True)
        changed_HW3 = photo.pixels_HW3.copy()
        changed_HW3[:10, :10] //= 2
        try:
            write_losslessly(out, photo, changed_HW3)
        except ValueError:
            refused += 1
            assert not out.exists()
        else:
            kept += 1
            again_HW3 = parse_photo(out.read_bytes(), "out").pixels_HW3
            np.testing.assert_array_equal(again_HW3[60:], photo.pixels_HW3[60:])
    assert kept > 50
    assert 0 < refused < kept
    assert not list(temporary.iterdir())
