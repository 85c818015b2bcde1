"""What the first kilobytes of a file say."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from data.decode import decode
from data.headers import Unusable, is_complete, parse_header
from data.orientation import upright
from tests.data.made_photos import encoded, scene, with_orientation


@settings(max_examples=60)
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"]),
    st.sampled_from(["RGB", "L"]),
)
def test_sizes_are_those_that_pillow_reads(width: int, height: int, kind: str, mode: str) -> None:
    data = encoded(np.zeros((height, width, 3), np.uint8), kind, mode)
    header = parse_header(data)
    assert (header.width, header.height, header.format) == (width, height, kind.lower())
    assert is_complete(data, header)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(orientation: int, kind: str) -> None:
    """What the header says turns the pixels that OpenCV gives into those that Pillow shows."""
    data = encoded(scene(0, 40, 30), kind, exif=with_orientation(orientation), progressive=orientation % 2 == 0)
    header = parse_header(data)
    assert header.orientation == (1 if kind == "TIFF" else orientation)
    stored_HW3 = decode(data)
    assert stored_HW3.shape == (header.height, header.width, 3)
    seen_HW3 = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_allclose(upright(stored_HW3, header.orientation)[..., ::-1].astype(int), seen_HW3, atol=4)


def test_orientation_of_a_png_behind_a_large_profile() -> None:
    data = encoded(scene(0, 40, 30), "PNG", exif=with_orientation(6), icc_profile=bytes(range(256)) * 100)
    assert parse_header(data).orientation == 6
    with pytest.raises(Unusable, match="cut short"):  # so that more of the file is read
        parse_header(data[: data.index(b"eXIf")])


@pytest.mark.parametrize("content", [b"", b"II*\0\xff\xff\xff\xff", b"nonsense", b"II*\0\x08\0\0\0\xff\xff"])
def test_nonsense_instead_of_exif_means_upright(content: bytes) -> None:
    jpeg = encoded(scene(0, 40, 30))
    segment = b"Exif\0\0" + content
    data = jpeg[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]
    assert parse_header(data)[1:4] == (40, 30, 1)


def exif_segment(exif: bytes) -> bytes:
    return b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif


def test_the_first_exif_of_a_jpeg_counts() -> None:
    jpeg = encoded(scene(0, 40, 30))
    first, second, none = (
        exif_segment(exif.tobytes()) for exif in (with_orientation(6), with_orientation(3), Image.Exif())
    )
    assert parse_header(jpeg[:2] + first + second + jpeg[2:]).orientation == 6
    assert parse_header(jpeg[:2] + first + exif_segment(b"Exif\0\0 and more") + jpeg[2:]).orientation == 6
    assert parse_header(jpeg[:2] + none + second + jpeg[2:]).orientation == 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["H", "I"])
@pytest.mark.parametrize(("file", "mark"), [("JPEG", b"Exif\0\0"), ("PNG", b""), ("PNG", b"Exif\0\0")])
def test_exif_as_some_write_it(order: str, kind: str, file: str, mark: bytes) -> None:
    """The orientation as a LONG in place of a SHORT, and with JPEG's mark in a PNG."""
    number = {"H": 3, "I": 4}[kind]
    value = struct.pack(order + kind, 6).ljust(4, b"\0")
    start = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HIH", 42, 8, 1)
    exif = start + struct.pack(order + "HHI", 0x0112, number, 1) + value + bytes(4)
    data = encoded(scene(0, 40, 30), file)
    if file == "JPEG":
        data = data[:2] + exif_segment(mark + exif) + data[2:]
    else:
        content = b"eXIf" + mark + exif
        chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
        data = data[:33] + chunk + data[33:]  # behind IHDR
    assert parse_header(data).orientation == 6
    assert Image.open(io.BytesIO(data)).getexif()[0x0112] == 6


def test_a_cut_file_is_told_from_a_whole_one_despite_its_preview() -> None:
    preview = encoded(scene(1, 64, 48))  # its end is not the end of the photo
    exif = with_orientation(1).tobytes() + preview
    data = encoded(scene(0, 200, 150), exif=exif)
    header = parse_header(data)
    assert is_complete(data, header)
    assert not is_complete(data[: len(data) * 3 // 4], header)


@pytest.mark.filterwarnings("error")
def test_large_photos_are_no_bombs_up_to_our_own_limit() -> None:
    """Pillow warns above 89 million pixels and gives up above 179 million."""
    limit = Image.MAX_IMAGE_PIXELS
    assert parse_header(b"P6 12000 10000 255\n")[1:3] == (12000, 10000)
    assert parse_header(b"P6 16000 16000 255\n")[1:3] == (16000, 16000)
    with pytest.raises(Unusable, match="17000x17000 pixels, more than the limit"):
        parse_header(b"P6 17000 17000 255\n")
    assert limit == Image.MAX_IMAGE_PIXELS


def animation() -> bytes:
    file = io.BytesIO()
    frames = [Image.fromarray(scene(number, 50, 40)) for number in range(2)]
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    return file.getvalue()


JPEG = encoded(scene(0, 120, 90))
FRAME = JPEG.index(b"\xff\xc0")
SPIDER = encoded(scene(0, 120, 90), "SPIDER", "F")  # of electron microscopes; any file may look like one by accident
AVIF = encoded(scene(0, 120, 90), "AVIF")
DAMAGED = {
    "empty": (b"", "empty"),
    "text": (b"<html>not found</html>", "not an image"),
    "zeros": (b"\0" * 5000, "not an image"),
    "jpeg header cut": (JPEG[:100], "cut short"),
    "png header cut": (encoded(scene(0, 50, 40), "PNG")[:20], "cut short"),
    "huge": (JPEG[: FRAME + 5] + b"\xff\xff\xff\xff" + JPEG[FRAME + 9 :], "more than the limit"),
    "no height": (JPEG[: FRAME + 5] + b"\0\0" + JPEG[FRAME + 7 :], "120x0"),
    "cmyk": (encoded(scene(0, 50, 40), mode="CMYK"), "CMYK"),
    "cmyk tiff": (encoded(scene(0, 50, 40), "TIFF", mode="CMYK"), "CMYK"),
    "animated png": (animation(), "animation"),
    "gif extension cut": (encoded(scene(0, 50, 40), "GIF")[:-1] + b"!", "damaged"),
    "avif without its picture": (AVIF.replace(b"pitm", b"none"), "damaged"),
    "spider in no stack": (SPIDER[:104] + struct.pack("=f", 1) + SPIDER[108:], "damaged"),
    "bad marker": (JPEG[:2] + b"\0\0" + JPEG[4:], "damaged"),
}


@pytest.mark.parametrize(("data", "reason"), DAMAGED.values(), ids=[*DAMAGED])
def test_what_is_wrong_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(Unusable, match=reason):
        parse_header(data)


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
)
def test_any_bytes_are_a_header_or_unusable(tail: bytes, head: bytes) -> None:
    try:
        header = parse_header(head + tail)
    except Unusable:
        return
    assert header.width > 0
