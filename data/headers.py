"""What the first kilobytes of an image file say of it: format, size, orientation. No pixel is decoded.

JPEG and PNG are parsed here, since an index of millions of photos needs nothing else; other formats ask Pillow.
"""

import struct
from typing import NamedTuple

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
"""Files with these suffixes (in any case) are taken for photographs; their content decides what they are."""

MAX_PIXELS = 2**28
"""A header that claims more is taken for damage: decoding it would take gigabytes."""

_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_EXIF = b"Exif\0\0"
_ORIENTATION_TAG = 0x0112
_LONG = 4
_CMYK = "CMYK, whose colours depend on a profile: convert it to RGB"


class Header(NamedTuple):
    """`width` and `height` are those of the stored pixels, before the EXIF `orientation` (1..8) is applied.
    `body` is where a JPEG's header ends and its pixels begin (0 in other formats).
    A TIFF counts as stored upright, since decoders turn it."""

    format: str
    width: int
    height: int
    orientation: int = 1
    body: int = 0


class Unusable(ValueError):
    """A photograph that cannot be used; the message is the reason, for people."""


class Unreadable(Unusable):
    """A photograph that could not be read, which says nothing of the next time: disks and rights are mended."""


def parse_header(data: bytes) -> Header:
    """The header of an image file, of which `data` is the beginning or the whole.

    Unusable if it is no image, if `data` ends within the header, or if it is an image that no training should see.
    """
    if data.startswith(b"\xff\xd8"):
        header = _parse_jpeg(data)
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        header = _parse_png(data)
    else:
        header = _ask_pillow(data)
    if header.width < 1 or header.height < 1:
        raise Unusable(f"its header says {header.width}x{header.height} pixels")
    if header.width * header.height > MAX_PIXELS:
        raise Unusable(f"its header says {header.width}x{header.height} pixels, more than the limit of {MAX_PIXELS}")
    return header


def _parse_jpeg(data: bytes) -> Header:
    frame: tuple[int, int] | None = None
    orientation: int | None = None
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise Unusable("a damaged JPEG header")
        marker = data[at + 1]
        if marker == 0xFF or marker in _ALONE:  # padding, or a marker without content
            at += 1 if marker == 0xFF else 2
            continue
        length = (data[at + 2] << 8) | data[at + 3]
        segment = data[at + 4 : at + 2 + length]
        if marker in _START_OF_FRAME and len(segment) >= 6:
            frame = struct.unpack_from(">HH", segment, 1)
            if segment[5] == 4:
                raise Unusable(_CMYK)
        elif marker == 0xE1 and segment.startswith(_EXIF) and orientation is None:  # later ones continue the first
            orientation = _exif_orientation(segment)
        elif marker == 0xDA:
            if frame is None:
                break
            return Header("jpeg", frame[1], frame[0], orientation or 1, at)
        at += 2 + length
    raise Unusable("its JPEG header is cut short")


def _exif_orientation(exif: bytes) -> int:
    """The orientation tag of the first directory; 1 (upright) where there is none or it makes no sense.

    `exif` is a TIFF, perhaps behind the mark that JPEG puts before it, which some writers put into PNG and WebP, too.
    """
    tiff = exif.removeprefix(_EXIF)
    try:
        order = {b"II": "<", b"MM": ">"}[tiff[:2]]
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, directory)
        for entry in range(entries):
            at = directory + 2 + 12 * entry
            tag, kind = struct.unpack_from(order + "HH", tiff, at)
            if tag == _ORIENTATION_TAG:
                # A SHORT by the standard, but some write a LONG, whose value a SHORT's bytes would miss in "MM".
                (value,) = struct.unpack_from(order + ("I" if kind == _LONG else "H"), tiff, at + 8)
                return value if 1 <= value <= 8 else 1
    except (KeyError, struct.error):
        pass
    return 1


def _parse_png(data: bytes) -> Header:
    orientation = 1
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"acTL":
            raise Unusable("an animation")
        if kind == b"eXIf":
            orientation = _exif_orientation(data[at + 8 : at + 8 + length])
        elif kind == b"IDAT":
            if data[12:16] != b"IHDR":
                break
            width, height = struct.unpack_from(">II", data, 16)
            return Header("png", width, height, orientation)
        at += 12 + length
    raise Unusable("its PNG header is cut short")


def _ask_pillow(data: bytes) -> Header:
    from data.decoders import UnknownPicture, UnreadablePhoto, decoding
    from data.pillow import open_image

    try:
        with open_image(data) as image, decoding():
            animated = getattr(image, "is_animated", False)
    except UnknownPicture:
        raise Unusable("not an image" if data else "an empty file") from None
    except UnreadablePhoto as error:
        raise Unusable(f"damaged: {error}") from None
    if image.mode == "CMYK":
        raise Unusable(_CMYK)
    if animated:
        raise Unusable("an animation")
    # Not a TIFF's: OpenCV turns those upright whatever it is told, and `size` is that of the turned photo.
    orientation = _exif_orientation(image.info.get("exif", b""))
    return Header((image.format or "").lower(), *image.size, orientation)


def is_complete(data: bytes, header: Header) -> bool:
    """Whether the file has its end. Decoders give a JPEG that was cut short as a photo with a grey lower part."""
    if header.format == "jpeg":
        return data.rfind(b"\xff\xd9", header.body) >= 0
    if header.format == "png":
        return data.rfind(b"IEND") >= 0
    return True
