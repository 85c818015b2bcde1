"""Photos in and out: pixels, metadata, and what cannot be kept."""

import hashlib
import io
import itertools
import struct
import zlib
from dataclasses import FrozenInstanceError, fields, replace
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import skimage.data
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps, JpegImagePlugin, PngImagePlugin

from data.orientation import XMP_HEAD, upright
from engine.inference.photos.formats import jpeg, png
from engine.inference.photos.formats.exif import make_upright
from engine.inference.photos.formats.registry import CODECS
from engine.inference.photos.formats.thumbnails import EXTENDED_HEAD, PHOTOSHOP_LEFT_OUT
from engine.inference.photos.lossless import write_losslessly
from engine.inference.photos.photo import Photo
from engine.inference.photos.reading import read_photo
from engine.inference.photos.writing import encode, write_photo
from engine.inference.pixels import in_8_bits
from engine.serve.album import KeptPhoto
from tests.engine.inference.photos.made_files import PROFILE, XMP, exif_block


def picture(height=37, width=53, channels=3, dtype=np.uint8):
    noise = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (height, width, 4), dtype)
    smooth = cv2.blur(noise, (5, 5))
    return smooth[..., 0] if channels == 1 else smooth[..., :channels]


def save(tmp_path, name, samples, **options):
    path = tmp_path / name
    Image.fromarray(samples).save(path, **options)
    return path


def round_trip(path, out=None):
    """Read, mark a hole, write; the photo as read, what was written, and both as read again."""
    photo = read_photo(path)
    changed_HW3 = photo.pixels_HW3.copy()
    changed_HW3[10:14, 20:26] = 17
    out = out or path.with_name("out" + path.suffix)
    write_photo(out, photo, changed_HW3)
    return photo, changed_HW3, out, read_photo(out)


def write_with_cv2(path, samples):
    order = cv2.COLOR_RGBA2BGRA if samples.ndim == 3 and samples.shape[2] == 4 else cv2.COLOR_RGB2BGR
    cv2.imwrite(str(path), samples if samples.ndim == 2 else cv2.cvtColor(samples, order))


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lossless_formats_keep_every_sample(ending, channels, dtype, tmp_path):
    path = tmp_path / f"photo{ending}"
    write_with_cv2(path, picture(channels=channels, dtype=dtype))
    photo, changed_HW3, out, again = round_trip(path)
    assert again.pixels_HW3.dtype == dtype
    np.testing.assert_array_equal(again.pixels_HW3, changed_HW3)
    assert again.grey == (channels == 1)
    assert (again.alpha_HW is None) == (channels != 4)
    if channels == 4:
        np.testing.assert_array_equal(again.alpha_HW, photo.alpha_HW)
    # As another reader sees it.
    if ending == ".tif":
        seen = tifffile.imread(out)
    else:
        seen = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
        seen = seen if channels == 1 else seen[..., [2, 1, 0]]
    assert seen.dtype == dtype
    np.testing.assert_array_equal(seen.reshape(37, 53, -1)[..., :3], changed_HW3[..., : 1 if channels == 1 else 3])


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("grey-alpha.png", "LA"),
        ("bilevel.png", "1"),
        ("bilevel.tif", "1"),
        ("palette.png", "P"),
        ("lossless.webp", "RGB"),
    ],
)
def test_other_kinds(name, mode, tmp_path):
    image = Image.fromarray(picture(channels=4)).convert("RGB").convert(mode)
    image.save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
    photo, changed_HW3, _, again = round_trip(tmp_path / name)
    np.testing.assert_array_equal(photo.pixels_HW3, np.asarray(image.convert("RGB")))
    if mode in ("1", "P"):  # in the nearest colour that there is
        colours_N3 = np.unique(photo.pixels_HW3.reshape(-1, 3), axis=0).astype(int)
        nearest_3 = colours_N3[((colours_N3 - 17) ** 2).sum(1).argmin()]
        changed_HW3 = np.where((changed_HW3 != photo.pixels_HW3).any(2, keepdims=True), nearest_3, photo.pixels_HW3)
    np.testing.assert_array_equal(again.pixels_HW3, changed_HW3)


def test_a_transparent_colour_becomes_alpha(tmp_path):
    samples = picture()
    key = tuple(int(value) for value in samples[3, 4])
    path = save(tmp_path, "key.png", samples, transparency=key)
    photo, _, _, again = round_trip(path)
    assert photo.alpha_HW[3, 4] == 0
    np.testing.assert_array_equal(photo.alpha_HW == 0, (samples == key).all(2))
    np.testing.assert_array_equal(again.alpha_HW, photo.alpha_HW)


def test_a_palette_of_black_and_white_keeps_what_is_transparent(tmp_path):
    image = Image.fromarray(picture(channels=1) // 128, "P")
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.save(tmp_path / "page.png", bits=1, transparency=0)
    photo, changed_HW3, out, again = round_trip(tmp_path / "page.png")
    assert 0 < np.count_nonzero(photo.alpha_HW == 0) < photo.alpha_HW.size
    outside_HW = (changed_HW3 == photo.pixels_HW3).all(2)
    np.testing.assert_array_equal(again.alpha_HW[outside_HW], photo.alpha_HW[outside_HW])
    assert out.read_bytes()[24] == 1, "bit per pixel"


def test_jpeg_keeps_its_tables_and_subsampling(tmp_path):
    for subsampling in (0, 1, 2):
        for progressive in (False, True):
            options = {"quality": 71, "subsampling": subsampling, "progressive": progressive, "comment": b"hello"}
            _, changed_HW3, out, again = round_trip(save(tmp_path, "photo.jpg", picture(), **options))
            with Image.open(out) as image, Image.open(tmp_path / "photo.jpg") as before:
                assert image.quantization == before.quantization
                assert JpegImagePlugin.get_sampling(image) == subsampling
                assert image.info["comment"] == b"hello"
                assert ("progressive" in image.info) == progressive
            away_HW = np.ones(changed_HW3.shape[:2], bool)
            away_HW[:32, :48] = False  # the blocks that the change is in
            assert abs(again.pixels_HW3.astype(int) - changed_HW3)[away_HW].mean() < 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_loses_no_more_than_one_that_is_not(orientation, tmp_path):
    """Its blocks are those that it had; turned, they would be cut in other places, with another table for each."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = save(tmp_path, "photo.jpg", skimage.data.coffee()[:381, :499], quality=75, exif=exif.tobytes())
    photo, changed_HW3, _, again = round_trip(path)
    away_HW = cv2.dilate((photo.pixels_HW3 != changed_HW3).any(2).view(np.uint8), np.ones((65, 65))) == 0
    assert abs(again.pixels_HW3.astype(int) - photo.pixels_HW3)[away_HW].mean() < 0.5


@pytest.mark.parametrize("adobe", [True, False])
def test_a_jpeg_that_stores_rgb_still_does(adobe, tmp_path):
    path = save(tmp_path, "photo.jpg", skimage.data.coffee(), quality=75, keep_rgb=True)
    if not adobe:
        path.write_bytes(jpeg.with_metadata(path.read_bytes(), []))
    photo, changed_HW3, out, again = round_trip(path)
    with Image.open(out) as image:
        assert bytes(component[0] for component in image.layer) == b"RGB"
    away_HW = cv2.dilate((photo.pixels_HW3 != changed_HW3).any(2).view(np.uint8), np.ones((65, 65))) == 0
    assert abs(again.pixels_HW3.astype(int) - photo.pixels_HW3)[away_HW].mean() < 0.5


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("to", [".jpg", ".png", ".tif", ".webp"])
def test_metadata_is_kept_and_made_true(ending, to, tmp_path):
    exif, options = exif_block(), {"dpi": (300, 300), "icc_profile": PROFILE}
    if ending == ".png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options["pnginfo"] = info
    else:
        options["xmp"] = XMP
    if ending == ".tif":
        options |= {"tiffinfo": {700: XMP, 271: "Cam", 274: 6}}
    if ending in (".jpg", ".png", ".webp"):
        options["exif"] = jpeg.EXIF_HEAD + exif
    path = save(tmp_path, f"photo{ending}", picture(), **options)
    photo, _, out, again = round_trip(path, tmp_path / f"out{to}")
    assert photo.pixels_HW3.shape == (53, 37, 3), "not turned upright"
    assert again.pixels_HW3.shape == photo.pixels_HW3.shape, "turned twice"
    assert again.icc == PROFILE
    assert again.xmp is not None
    assert b'tiff:Orientation="1"' in again.xmp
    assert b'dc:title="a"' in again.xmp
    with Image.open(out) as image:
        seen = image.getexif()
        assert seen.get(ExifTags.Base.Orientation, 1) == (6 if ending == to == ".jpg" else 1)
        assert seen.get(ExifTags.Base.Make, "").strip("\0") == "Cam"
        if ending != ".webp" and to != ".webp":
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    assert b"unwanted object" not in out.read_bytes()
    if ending == to and ending != ".tif":
        assert again.exif == make_upright(exif, swapped=True)
        assert b"MAKERNOTE" * 3 in out.read_bytes()


def raw_profile(name, block):
    """A text as older ImageMagick writes it: the block in hexadecimal, 36 bytes a line."""
    lines = "\n".join(block[start : start + 36].hex() for start in range(0, len(block), 36))
    return f"\n{name}\n{len(block):8}\n{lines}\n"


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt", "packed iTXt"])
@pytest.mark.parametrize("keyword", ["XML:com.adobe.xmp", "Raw profile type exif", "Raw profile type APP1"])
def test_an_orientation_in_any_text_of_a_png_is_applied_once(kind, keyword, tmp_path):
    info = PngImagePlugin.PngInfo()
    text = XMP.decode() if keyword.startswith("XML") else raw_profile("exif", jpeg.EXIF_HEAD + exif_block())
    if kind.endswith("iTXt"):
        info.add_itxt(keyword, text, "en", "a name", zip=kind.startswith("packed"))
    else:
        info.add_text(keyword, text, zip=kind == "zTXt")
    info.add_text("Title", "x", zip=True)
    path = save(tmp_path, "photo.png", picture(), pnginfo=info)
    photo, changed_HW3, out, again = round_trip(path)
    assert photo.pixels_HW3.shape == ((37, 53, 3) if keyword.endswith("APP1") else (53, 37, 3))
    np.testing.assert_array_equal(again.pixels_HW3, changed_HW3)
    with Image.open(out) as image:
        assert image.getexif().get(ExifTags.Base.Orientation, 1) == 1
        assert image.text["Title"] == "x"
        if keyword.startswith("XML"):
            assert image.text[keyword] == XMP.decode().replace('"6"', '"1"')
        else:
            assert keyword not in image.text, "its thumbnail shows what was removed"
            assert photo.notes == (f"texts of the photo's file that may show the hole are left out: {keyword}",)


def test_a_broken_text_of_a_png_is_dropped(tmp_path):
    path = save(tmp_path, "photo.png", picture())
    broken = [b"", b"\1", b"\1\0\0", b"\1\0\0\0" + b"no stream", b"\1\0\0\0" + zlib.compress(XMP)[:-9]]
    keys = (png.XMP, b"Raw profile type exif")
    kept = [(b"iTXt", key + b"\0" + data) for key in keys for data in broken] + [(b"zTXt", key) for key in keys]
    kept.append((b"tEXt", b"Title\0x"))
    assert png.metadata(png.with_metadata(path.read_bytes(), kept), swapped=False) == kept[-1:]


SHOWS = b"what was removed, " * 20


def resource(number, data, name=b""):
    """One of Photoshop's image resources."""
    padded = bytes([len(name)]) + name + bytes((len(name) + 1) % 2)
    return b"8BIM" + struct.pack(">H", number) + padded + struct.pack(">I", len(data)) + data + bytes(len(data) % 2)


RESOURCES = [
    resource(0x0404, b"IPTC!", b"odd"),
    resource(0x040C, SHOWS + b"!"),
    resource(0x03ED, b"resolution", b"even"),
    resource(0x0409, SHOWS),
    resource(0x0425, b"digest"),
]
KEPT_RESOURCES = RESOURCES[0] + RESOURCES[2] + RESOURCES[4]

THUMBNAILS = [
    b"<xmp:Thumbnails><rdf:Alt><rdf:li><xmpGImg:image>%s</xmpGImg:image></rdf:li></rdf:Alt></xmp:Thumbnails>",
    b'<xap:Thumbnails ><rdf:li xapGImg:format="JPEG" xapGImg:image="%s"/></xap:Thumbnails >',
    b"<rdf:li><xmpGImg:image>\n%s\n</xmpGImg:image></rdf:li>",
    b"<rdf:li xmpGImg:height='1' xmpGImg:image = '%s'/>",
    b"<xmp:Thumbnails>%s",  # broken
]


@pytest.mark.parametrize("thumbnail", THUMBNAILS)
@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp"])
def test_thumbnails_in_xmp_are_removed(ending, thumbnail, tmp_path):
    xmp = b'<x:xmpmeta><xmp:Thumbnails/><xmp:ThumbnailsNot a="b">c</xmp:ThumbnailsNot>' + thumbnail % SHOWS
    options = {"xmp": xmp}
    if ending == ".png":
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=True)
    if ending == ".tif":
        options = {"tiffinfo": {700: xmp}}
        tifffile.imwrite(tmp_path / "typed.tif", picture(), extratags=[(700, 7, len(xmp), xmp, True)])
        assert SHOWS not in read_photo(tmp_path / "typed.tif").carried[700]
    _, _, out, again = round_trip(save(tmp_path, f"photo{ending}", picture(), **options))
    assert SHOWS not in out.read_bytes()
    assert SHOWS not in again.xmp
    assert b'<xmp:ThumbnailsNot a="b">c</xmp:ThumbnailsNot>' in again.xmp
    assert len(again.xmp) == len(xmp)
    assert again.xmp.count(b"<rdf:li") == (0 if b":Thumbnails" in thumbnail else 1)


@pytest.mark.parametrize("thumbnail", THUMBNAILS)
def test_thumbnails_in_extended_xmp_are_removed(thumbnail, tmp_path):
    whole = b"<x:xmpmeta>" + b"A" * 70_000 + thumbnail % SHOWS + b"</x:xmpmeta>"
    guid = hashlib.md5(whole).hexdigest().upper().encode()
    main = XMP_HEAD + b'<x:xmpmeta xmpNote:HasExtendedXMP="%s"/>' % guid
    cut = 70_040  # within the thumbnail
    parts = [
        EXTENDED_HEAD + guid + struct.pack(">II", len(whole), start) + whole[start:stop]
        for start, stop in ((60_000, cut), (0, 60_000), (cut, len(whole)))
    ]
    path = save(tmp_path, "photo.jpg", picture())
    path.write_bytes(jpeg.with_metadata(path.read_bytes(), [(0xE1, payload) for payload in (main, *parts)]))
    assert jpeg.metadata(path.read_bytes(), orientation=1) == [(0xE1, main)]
    (note,) = read_photo(path).notes
    assert note == "the longer part of the photo's XMP, which has a picture that shows the hole, is left out"


def test_extended_xmp_without_a_thumbnail_stays(tmp_path):
    parts = [(0xE1, EXTENDED_HEAD + b"G" * 32 + struct.pack(">II", 4, 0) + b"abcd"), (0xE1, EXTENDED_HEAD)]
    path = save(tmp_path, "photo.jpg", picture())
    content = jpeg.with_metadata(path.read_bytes(), parts)
    assert jpeg.metadata(content, orientation=1) == parts


ULTRA_HDR = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:Container="http://ns.google.com/photos/1.0/container/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:Item="http://ns.google.com/photos/1.0/container/item/" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"
 xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" hdrgm:Version="1.0" GCamera:MotionPhoto="1" dc:title="a">
<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary"/></rdf:li>
<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" Item:Length="600"/></rdf:li></rdf:Seq>
</Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"""


@pytest.mark.parametrize("write", [write_photo, write_losslessly])
def test_a_gain_map_is_neither_kept_nor_announced(write, tmp_path):
    path = save(tmp_path, "photo.jpg", picture())
    gain_map = b"\xff\xd8" + SHOWS + b"\xff\xd9"
    parts = [
        (0xE1, XMP_HEAD + ULTRA_HDR),
        (0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4)),
    ]
    path.write_bytes(jpeg.with_metadata(path.read_bytes(), parts) + gain_map)
    photo = read_photo(path)
    write(tmp_path / "out.jpg", photo, photo.pixels_HW3)
    written = (tmp_path / "out.jpg").read_bytes()
    for gone in (SHOWS, b"21496", b"hdrgm:", b"Container:Directory", b"GainMap", b"MotionPhoto"):
        assert gone not in written
    xmp = read_photo(tmp_path / "out.jpg").xmp
    assert len(xmp) == len(ULTRA_HDR)
    (description,) = ElementTree.fromstring(xmp)[0]
    assert list(description.attrib.values()) == ["a"]
    assert len(description) == 0


@pytest.mark.parametrize("cuts", [(), (40,), (3, 41, 500)])
def test_photoshops_thumbnails_in_a_jpeg_are_removed(cuts, tmp_path):
    path, whole = save(tmp_path, "photo.jpg", picture()), b"".join(RESOURCES)
    ends = [0, *cuts, len(whole)]
    parts = [(0xED, b"Photoshop 3.0\0" + whole[start:stop]) for start, stop in itertools.pairwise(ends)]
    content = jpeg.with_metadata(path.read_bytes(), [*parts, (0xEB, b"anything")])
    assert jpeg.metadata(content, orientation=1) == [(0xEB, b"anything")]
    assert jpeg.left_out(content) == [PHOTOSHOP_LEFT_OUT]
    without = [(0xED, b"Photoshop 3.0\0" + KEPT_RESOURCES)]
    content = jpeg.with_metadata(path.read_bytes(), without)
    assert jpeg.metadata(content, orientation=1) == without, "byte for byte, with the captions in it"
    assert jpeg.left_out(content) == []


def test_photoshops_thumbnails_in_a_tiff_are_removed(tmp_path):
    path = tmp_path / "photo.tif"
    for kind, resources in itertools.product((1, 7), (b"".join(RESOURCES), RESOURCES[1], KEPT_RESOURCES)):
        tifffile.imwrite(path, picture(), photometric="rgb", extratags=[(34377, kind, len(resources), resources, True)])
        photo, _, out, _ = round_trip(path)
        with tifffile.TiffFile(out) as written:
            assert (34377 in written.pages[0].tags) == (resources == KEPT_RESOURCES)
        assert photo.notes == (() if resources == KEPT_RESOURCES else (PHOTOSHOP_LEFT_OUT,))
        assert out.read_bytes().count(KEPT_RESOURCES) == (resources == KEPT_RESOURCES)


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_is_edited_in_place(order):
    before = exif_block(order=order)
    after = make_upright(before, swapped=True)
    assert len(after) == len(before)
    expected = exif_block(orientation=1, width=37, height=53, thumbnail=bytes(23), order=order)
    # The directory of the thumbnail is cut off, so that nothing links to it.
    link = 8 + 2 + 3 * 12
    assert after[link : link + 4] == bytes(4)
    assert after[:link] + expected[link : link + 4] + after[link + 4 :] == expected


@pytest.mark.parametrize("broken", [b"", b"II", b"MM\0*\0\0\0\x08", b"II*\0\xff\xff\xff\xff", exif_block()[:30]])
def test_broken_exif_is_dropped(broken):
    assert make_upright(broken, swapped=False) is None


@pytest.mark.parametrize("order", ["<", ">"])
def test_what_is_broken_beyond_the_first_directory_stays(order):
    whole = exif_block(order=order)
    link = 8 + 2 + 3 * 12
    good = make_upright(whole, swapped=True)

    def patched(block, at, form, value):
        return block[:at] + struct.pack(order + form, value) + block[at + struct.calcsize(order + form) :]

    # A link beyond the block, or to something that is no directory, is cut.
    for wrong in (len(whole) - 1, 0xFFFFFFFF, len(whole) + 100):
        after = make_upright(patched(whole, link, "I", wrong), swapped=True)
        assert after[: link + 4] == good[: link + 4]
        assert after[link + 4 :].replace(b"\xff\xd8the unwanted object\xff\xd9", bytes(23)) == good[link + 4 :]
    # A thumbnail's directory without its own link is cut, and its thumbnail blanked.
    second = link + 4 + 2 + 3 * 12 + 4
    after = make_upright(patched(whole, second, "H", (len(whole) - second) // 12), swapped=True)
    assert b"unwanted object" not in after
    # An EXIF directory that is none stays.
    after = make_upright(patched(whole, link - 4, "I", 0xFFFFFF), swapped=True)
    assert after[: link - 4] == good[: link - 4]
    # Without a link at all, the block ends, or another directory or a value begins there.
    head = struct.pack(order + "2sHI", b"MM" if order == ">" else b"II", 42, 8)
    turned = struct.pack(order + "HHIHH", 0x0112, 3, 1, 6, 0)
    upright_ = struct.pack(order + "HHIHH", 0x0112, 3, 1, 1, 0)
    at = 8 + 2 + 2 * 12
    for other, behind in (
        (struct.pack(order + "HHI4s", 0x010F, 2, 4, b"Cam\0"), b""),
        (struct.pack(order + "HHII", 0x010F, 2, 9, at), b"Camera 1\0"),
        (struct.pack(order + "HHII", 0x8769, 4, 1, at), whole[link + 4 : second]),
    ):
        block = head + struct.pack(order + "H", 2) + turned + other + behind
        assert make_upright(block, False) == head + struct.pack(order + "H", 2) + upright_ + other + behind


@pytest.mark.parametrize(
    ("kind", "value"), [(1, b"\6\0\0\0"), (7, b"\6\0\0\0"), (9, b"\6\0\0\0"), (11, struct.pack("<f", 6))]
)
def test_an_orientation_of_another_type_does_not_cost_the_exif(kind, value, tmp_path):
    before = exif_block(order="<")
    at = before.index(struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0))
    odd = before[:at] + struct.pack("<HHI", 0x0112, kind, 1) + value + before[at + 12 :]
    assert make_upright(odd, swapped=True) == make_upright(before, swapped=True)
    _, changed_HW3, out, again = round_trip(save(tmp_path, "photo.png", picture(), exif=jpeg.EXIF_HEAD + odd))
    np.testing.assert_array_equal(again.pixels_HW3, changed_HW3)
    assert b"MAKERNOTE" * 3 in out.read_bytes()


def test_all_eight_orientations(tmp_path):
    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[ExifTags.Base.Orientation] = orientation
        path = save(tmp_path, f"{orientation}.png", picture(), exif=exif)
        with Image.open(path) as image:
            expected = np.asarray(ImageOps.exif_transpose(image))
        np.testing.assert_array_equal(read_photo(path).pixels_HW3, expected)
    cv2.imwrite(str(tmp_path / "deep.png"), picture(dtype=np.uint16)[..., ::-1])
    chunks = [(b"eXIf", exif.tobytes()[6:])]
    (tmp_path / "deep.png").write_bytes(png.with_metadata((tmp_path / "deep.png").read_bytes(), chunks))
    np.testing.assert_array_equal(read_photo(tmp_path / "deep.png").pixels_HW3, upright(picture(dtype=np.uint16), 8))


@pytest.mark.parametrize("orientation", [0, 9])
def test_an_orientation_that_is_none_is_upright(orientation, tmp_path):
    path = save(tmp_path, "photo.png", picture(), exif=jpeg.EXIF_HEAD + exif_block(orientation))
    np.testing.assert_array_equal(read_photo(path).pixels_HW3, picture())


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_turned_tiff_is_turned_upright_once(channels, dtype, tmp_path):
    samples = picture(channels=channels, dtype=dtype)
    kind = {1: {"photometric": "minisblack"}, 3: {"photometric": "rgb"}}.get(
        channels, {"photometric": "rgb", "extrasamples": ["unassalpha"]}
    )
    for orientation in range(1, 9):
        path = tmp_path / f"{orientation}.tif"
        tifffile.imwrite(path, samples, extratags=[(274, "H", 1, orientation, True)], **kind)
        _, changed_HW3, out, again = round_trip(path)
        seen = upright(samples, orientation).reshape(*changed_HW3.shape[:2], channels)
        photo = read_photo(path)
        np.testing.assert_array_equal(photo.pixels_HW3, seen[..., :3] if channels > 1 else seen.repeat(3, 2))
        assert (photo.alpha_HW is None) == (channels < 4)
        assert channels < 4 or np.array_equal(photo.alpha_HW, seen[..., 3])
        np.testing.assert_array_equal(again.pixels_HW3, changed_HW3)
        with tifffile.TiffFile(out) as written:
            assert 274 not in written.pages[0].tags


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [1, 6, 9])
def test_a_tiff_keeps_its_place_on_earth(orientation, order, tmp_path):
    placed = [
        (33550, 12, 3, (0.5, 0.25, 0.0), True),
        (33922, 12, 6, (0.0, 0.0, 0.0, 500000.125, 4100000.0, 0.0), True),
        (34264, 12, 16, tuple(float(value) for value in range(16)), True),
        (34735, 3, 8, (1, 1, 0, 1, 1024, 0, 1, 1), True),
        (34736, 12, 2, (6378137.0, 298.257), True),
        (34737, 2, 0, "WGS 84|", True),
    ]
    others = [
        (42112, 2, 0, "<GDALMetadata/>", True),
        (42113, 2, 0, "0", True),
        (269, 2, 0, "a document", True),
        (316, 2, 0, "a computer", True),
    ]
    turned = [(274, 3, 1, orientation, True)]
    path = tmp_path / "photo.tif"
    tifffile.imwrite(path, picture(), photometric="rgb", byteorder=order, extratags=placed + others + turned)
    _, _, out, _ = round_trip(path)
    with tifffile.TiffFile(path) as before, tifffile.TiffFile(out) as after:
        old, new = before.pages[0].tags, after.pages[0].tags
        for tag, *_ in others + (placed if orientation != 6 else []):
            assert (new[tag].dtype, new[tag].count, new[tag].value) == (old[tag].dtype, old[tag].count, old[tag].value)
        if orientation == 6:
            assert not [tag for tag, *_ in placed if tag in new], "they place the photo as it was stored"


@pytest.mark.parametrize(
    ("shape", "dtype", "kind", "message"),
    [
        ((3, 37, 53), np.uint16, {"photometric": "rgb", "planarconfig": "separate"}, "each channel as a plane"),
        ((37, 53), np.uint16, {"photometric": "miniswhite"}, "white as 0"),
        ((37, 53, 4), np.uint16, {"photometric": "rgb", "extrasamples": ["assocalpha"]}, "multiplied by alpha"),
        ((37, 53, 4), np.uint8, {"photometric": "rgb", "extrasamples": ["unspecified"]}, "4 channels, of which 3"),
        ((37, 53, 4), np.uint16, {"photometric": "rgb", "extrasamples": ["unspecified"]}, "4 channels, of which 3"),
        ((37, 53, 5), np.uint8, {"photometric": "rgb", "extrasamples": ["unassalpha", 0]}, "5 channels, of which 4"),
    ],
)
def test_a_tiff_whose_samples_would_be_lost_or_misread_is_refused(shape, dtype, kind, message, tmp_path):
    samples = np.full(shape, 99, dtype)  # a channel of infrared, say, which is no selection
    tifffile.imwrite(tmp_path / "photo.tif", samples, **kind)
    with pytest.raises(ValueError, match=rf"{message}.*; save it"):
        read_photo(tmp_path / "photo.tif")


def test_a_tiff_of_12_bits_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "photo.tif", np.zeros((37, 54), np.uint16))
    with tifffile.TiffFile(tmp_path / "photo.tif", mode="r+") as file:
        file.pages[0].tags[258].overwrite(12)
    with pytest.raises(ValueError, match="12 bits per sample, which would not be kept; save it"):
        read_photo(tmp_path / "photo.tif")


@pytest.mark.filterwarnings("ignore")  # of Pillow, that the multi-picture offsets lead nowhere
def test_other_segments_and_chunks_are_carried_over(tmp_path):
    path = save(tmp_path, "photo.jpg", picture())
    kept = [
        (0xED, b"Photoshop 3.0\0IPTC"),
        (0xE2, b"MPF\0" + struct.pack(">2sHIH", b"MM", 42, 8, 0)),
        (0xEB, b"anything"),
    ]
    path.write_bytes(jpeg.with_metadata(path.read_bytes(), kept))
    _, _, out, _ = round_trip(path)
    assert list(jpeg.segments(out.read_bytes()))[:2] == [kept[0], kept[2]]  # not the offsets of a multi-picture file

    path = save(tmp_path, "photo.png", picture())
    kept = [(b"gAMA", struct.pack(">I", 45455)), (b"tEXt", b"Title\0x"), (b"prVt", b"private")]
    path.write_bytes(png.with_metadata(path.read_bytes(), kept))
    _, _, out, _ = round_trip(path)
    assert [one for one in png.chunks(out.read_bytes()) if one[0] not in png.NOT_KEPT] == kept


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: Image.fromarray(picture()).convert("CMYK").save(path, "JPEG"), "colours are CMYK"),
        (lambda path: Image.fromarray(picture(channels=1)).convert("F").save(path, "TIFF"), "floating-point"),
        (lambda path: Image.fromarray(picture()).save(path, "GIF"), "it is GIF"),
        (lambda path: Image.fromarray(picture()).save(path, "PNG", save_all=True,
                                                      append_images=[Image.new("RGB", (53, 37))]), "2 pictures"),
        (lambda path: path.write_bytes(b""), "it is an empty file"),
        (lambda path: path.write_bytes(b"text"), "it is no picture"),
        (lambda path: path.write_bytes(b"\xff\xd8\xff\xe0"), "cannot read"),
        (lambda path: path.mkdir(), "cannot read"),
        (lambda path: None, "there is no photo"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused(make, message, tmp_path):
    path = tmp_path / "photo.png"
    make(path)
    with pytest.raises(ValueError, match=message):
        read_photo(path)


def test_opencvs_warnings_do_not_reach_the_terminal(tmp_path, capfd):
    samples_HW3 = picture(dtype=np.uint16)
    unknown = [(65000, 2, 5, "what", True), (42113, 2, 2, "0", True)]
    tifffile.imwrite(tmp_path / "map.tif", samples_HW3, photometric="rgb", extratags=unknown)
    np.testing.assert_array_equal(read_photo(tmp_path / "map.tif").pixels_HW3, samples_HW3)
    assert capfd.readouterr().err == ""


def test_too_many_pixels_are_refused_before_decoding(tmp_path):
    path = tmp_path / "bomb.png"
    header = png.chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
    path.write_bytes(png.SIGNATURE + header + png.chunk(b"IDAT", b"") + png.chunk(b"IEND", b""))
    with pytest.raises(ValueError, match=r"100000x100000 pixels and the limit is 500000000.*--max-pixels"):
        read_photo(path)


@pytest.mark.parametrize(
    ("samples", "name", "message"),
    [
        (picture(dtype=np.uint16), "out.jpg", "16 bits per sample and JPEG holds 8"),
        (picture(channels=4), "out.jpg", "JPEG holds none"),
        (picture(2, 16_384), "out.webp", "16384x2 pixels and a side of a WEBP has at most 16383; write a .png or .tif"),
        (picture(65_501, 2), "out.jpg", "2x65501 pixels and a side of a JPEG has at most 65500; write a .png or .tif"),
        (picture(), "out.bmp", "its name must end in one of .*others are to be converted"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(samples, name, message, tmp_path):
    write_with_cv2(tmp_path / "photo.png", samples)
    photo = read_photo(tmp_path / "photo.png")
    with pytest.raises(ValueError, match=message):
        write_photo(tmp_path / name, photo, photo.pixels_HW3)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("container", "side"), [(name, codec.longest_side) for name, codec in CODECS.items() if codec.longest_side]
)
def test_the_longest_sides_are_written(container, side, tmp_path):
    for shape in ((2, side), (side, 2)):
        photo = read_photo(save(tmp_path, "photo.png", np.zeros(shape, np.uint8)))
        with Image.open(io.BytesIO(encode(photo, photo.pixels_HW3, container))) as image:
            assert image.size == shape[::-1]


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 2, 3, 4]),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    container=st.sampled_from(["PNG", "TIFF"]),
)
def test_any_photo_survives_a_lossless_format(height, width, channels, dtype, container, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / f"photo.{container.lower()}"
    cv2.imwrite(str(path.with_suffix(".png")), picture(height, width, 4, dtype))
    photo = read_photo(path.with_suffix(".png"))
    photo = replace(photo, grey=channels in (1, 2))
    if photo.grey:
        photo = replace(photo, pixels_HW3=np.repeat(photo.pixels_HW3[..., :1], 3, axis=2))
    if channels in (1, 3):
        photo = replace(photo, alpha_HW=None)
    path = path.with_suffix(".png" if container == "PNG" else ".tif")
    path.write_bytes(encode(photo, photo.pixels_HW3, container))
    again = read_photo(path)
    np.testing.assert_array_equal(again.pixels_HW3, photo.pixels_HW3)
    assert (again.alpha_HW is None) == (photo.alpha_HW is None)
    if photo.alpha_HW is not None:
        np.testing.assert_array_equal(again.alpha_HW, photo.alpha_HW)


def test_nothing_partial_is_left_when_writing_fails(tmp_path):
    photo = read_photo(save(tmp_path, "photo.png", picture()))
    (tmp_path / "out.png").mkdir()
    with pytest.raises(OSError, match=r"out\.png"):
        write_photo(tmp_path / "out.png", photo, photo.pixels_HW3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.png", "photo.png"]
    assert io.BytesIO(encode(photo, photo.pixels_HW3, "PNG")).read(8) == png.SIGNATURE


def test_nothing_of_a_photo_changes_once_it_is_made(tmp_path):
    photo = read_photo(save(tmp_path, "photo.png", picture(channels=4)))
    for field in fields(photo):
        with pytest.raises(FrozenInstanceError):
            setattr(photo, field.name, None)


def test_16_bits_are_rounded_to_8_wherever_they_are_shown():
    samples = np.arange(65536, dtype=np.uint16)
    np.testing.assert_array_equal(in_8_bits(samples), np.rint(samples / 257).astype(np.uint8))
    photo = Photo(
        pixels_HW3=samples.reshape(256, 256, 1).repeat(3, 2), alpha_HW=None, grey=False,
        container="PNG", exif=None, icc=None, xmp=None, dpi=None,
    )  # fmt: skip
    shown_HW3 = np.asarray(Image.open(io.BytesIO(KeptPhoto(photo, "photo.png").preview())))
    np.testing.assert_array_equal(shown_HW3, in_8_bits(photo.pixels_HW3))
