"""Photos whose pixels are whole and whose metadata is not: completed as any other, without what nobody could read."""

import io
import struct

import numpy as np
import pytest
from PIL import ExifTags, Image

from engine.inference.photos.formats.registry import CONTAINERS
from engine.inference.photos.reading import parse_photo, read_photo
from engine.inference.photos.writing import encode, write_photo
from tests.engine.inference.photos.made_files import exif_block

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, about what it cannot read

FORMATS = sorted(set(CONTAINERS.values()))
PIXELS_HW3 = np.random.default_rng(0).integers(0, 256, (24, 20, 3), np.uint8)


def file_of(container, pixels_HW3=PIXELS_HW3, **options):
    content = io.BytesIO()
    Image.fromarray(pixels_HW3).save(content, container, **options)
    return content.getvalue()


def check_all_formats(content, shape=PIXELS_HW3.shape):
    """Each shows what the photo showed."""
    photo = parse_photo(content, "photo")
    assert photo.pixels_HW3.shape == shape
    for container in FORMATS:
        written = parse_photo(encode(photo, photo.pixels_HW3, container), container)
        assert written.pixels_HW3.shape == shape, f"{container} is turned"
        if container in ("PNG", "TIFF", "JXL") or (container == "WEBP" and photo.container != "WEBP"):
            np.testing.assert_array_equal(written.pixels_HW3, photo.pixels_HW3)


@pytest.mark.parametrize("container", ["JPEG", "WEBP", "TIFF"])  # in a PNG, a checksum tells
@pytest.mark.parametrize("seed", range(100))
def test_exif_with_other_bytes(container, seed):
    random = np.random.default_rng(seed)
    exif = Image.Exif()
    exif[ExifTags.Base.Software], exif[ExifTags.Base.Orientation] = "a program", 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2020:01:01 00:00:00"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (1.0, 2.0, 3.0)
    content, block = bytearray(file_of(container, exif=exif, dpi=(72, 72))), exif.tobytes()[6:]
    start = 0 if container == "TIFF" else content.index(block)
    stop = len(content) if container == "TIFF" else start + len(block)
    for position in random.integers(start, stop, random.integers(1, 4)):
        content[position] = random.choice([0, 1, 2, 3, 5, 7, 12, 255])
    try:
        photo = parse_photo(bytes(content), "photo")
    except ValueError:
        assert container == "TIFF", "its directory is of its pixels, too; none of the others needs to be refused"
        return
    for other in FORMATS:
        try:
            written = encode(photo, photo.pixels_HW3, other)
        except ValueError:
            assert max(photo.pixels_HW3.shape) > 10_000, "only for a TIFF whose sides have become too long"
        else:
            assert parse_photo(written, other).pixels_HW3.shape == photo.pixels_HW3.shape


def test_a_text_that_is_a_number_does_not_cost_a_tiff():
    exif = Image.Exif()
    exif[ExifTags.Base.Software], exif[ExifTags.Base.Artist] = "software x1", "somebody"
    content = bytearray(file_of("TIFF", exif=exif))
    entry = content.find(struct.pack("<HHI", ExifTags.Base.Software, 2, 12))
    struct.pack_into("<HI", content, entry + 2, 5, 1)  # one fraction
    check_all_formats(bytes(content))
    photo = parse_photo(bytes(content), "photo")
    with Image.open(io.BytesIO(encode(photo, photo.pixels_HW3, "TIFF"))) as written:
        assert written.getexif()[ExifTags.Base.Artist] == "somebody"
        assert ExifTags.Base.Software not in written.getexif()


@pytest.mark.parametrize("resolution", [(0, 0), (0, 1), (1 << 31, 1)])
def test_a_resolution_that_cannot_be_is_dropped(resolution):
    content = file_of("TIFF", dpi=(72, 72)).replace(struct.pack("<II", 72, 1), struct.pack("<II", *resolution))
    check_all_formats(content)


def test_a_resolution_that_is_a_text_does_not_cost_a_tiff():
    content = bytearray(file_of("TIFF", dpi=(72, 72)))
    for tag in (ExifTags.Base.XResolution, ExifTags.Base.YResolution):
        entry = content.find(struct.pack("<HHI", tag, 5, 1))
        struct.pack_into("<HI4s", content, entry + 2, 2, 4, b"300\0")
    check_all_formats(bytes(content))


@pytest.mark.parametrize("container", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("head", [b"garbage!", b"II\x2b\0\x08\0\0\0\0\0\0\0\0\0", b"MM\0"])
def test_exif_with_a_broken_head(container, head):
    check_all_formats(file_of(container, exif=b"Exif\0\0" + head if container == "JPEG" else head))


def test_a_jpeg_stays_turned_by_exif_that_is_dropped():
    """Whose directory says that it is longer than the block: readers that do not mind find the orientation."""
    block = bytearray(exif_block(orientation=6))
    block[8:10] = struct.pack(">H", 900)
    content = file_of("JPEG", exif=b"Exif\0\0" + bytes(block))
    shown = parse_photo(content, "photo").orientation
    assert shown == 6, "Pillow reads it"
    check_all_formats(content, (20, 24, 3))


@pytest.mark.parametrize("stray", [b"\0", b"\0\1\xff", b"\xff\xff"])
@pytest.mark.parametrize("before", [0xE1, 0xE2])
def test_a_jpeg_with_bytes_between_its_segments(stray, before):
    """Decoders pass over them, and so does what carries the metadata over."""
    content = file_of("JPEG", exif=b"Exif\0\0" + exif_block(orientation=6), icc_profile=b"a profile")
    place = content.index(struct.pack(">BB", 0xFF, before))
    content = content[:place] + stray + content[place:]
    check_all_formats(content, (20, 24, 3))
    photo = parse_photo(content, "photo")
    with Image.open(io.BytesIO(encode(photo, photo.pixels_HW3, "JPEG"))) as written:
        assert written.info["icc_profile"] == b"a profile"
        assert written.getexif()[ExifTags.Base.Make] == "Cam"


@pytest.mark.parametrize("container", ["JPEG", "PNG", "WEBP"])
def test_a_tiffs_exif_goes_through_any_number_of_files(container):
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "a camera"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    content = file_of("WEBP", exif=exif)  # Pillow writes no such directories into a TIFF
    for to in ("TIFF", container, container, container):
        photo = parse_photo(content, "photo")
        content = encode(photo, photo.pixels_HW3, to)
        assert content.count(b"Exif\0\0Exif\0\0") == 0
        with Image.open(io.BytesIO(content)) as written:
            assert written.getexif()[ExifTags.Base.Model] == "a camera"
            assert written.getexif().get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


@pytest.mark.parametrize("number", [2, 3])
def test_a_jpegs_tables_are_kept_by_component_whatever_their_numbers(number):
    content = bytearray(file_of("JPEG", qtables=[[40] * 64, [2] * 64], subsampling=0))
    position = 2
    while content[position + 1] != 0xDA:  # the scan
        if content[position + 1] == 0xDB and content[position + 4] == 1:
            content[position + 4] = number
        if content[position + 1] == 0xC0:
            for component in (1, 2):
                content[position + 12 + 3 * component] = number
        position += 2 + struct.unpack_from(">H", content, position + 2)[0]
    photo = parse_photo(bytes(content), "photo")
    again = encode(photo, photo.pixels_HW3, "JPEG")
    with Image.open(io.BytesIO(again)) as image:
        assert [table[0] for table in image.quantization.values()] == [40, 2]


@pytest.mark.parametrize("what", ["exif", "xmp"])
def test_more_metadata_than_a_jpeg_holds_is_refused_with_what_does(what, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "a" * 70_000
    options = {"exif": exif} if what == "exif" else {"xmp": b"<x>" + b"a" * 70_000 + b"</x>"}
    (tmp_path / "photo.webp").write_bytes(file_of("WEBP", lossless=True, **options))
    photo = read_photo(tmp_path / "photo.webp")
    with pytest.raises(ValueError, match=r"bytes of EXIF or XMP and a JPEG holds 65000; write a \.png or \.tif"):
        write_photo(tmp_path / "out.jpg", photo, photo.pixels_HW3)
    for ending in (".png", ".tif", ".webp"):
        write_photo(tmp_path / f"out{ending}", photo, photo.pixels_HW3)
        read_photo(tmp_path / f"out{ending}")
