"""The header of an image file, from its first kilobytes: format, size, orientation. No pixel is decoded.

JPEG and PNG are parsed here, since an index of millions of photos needs nothing else; other formats ask Pillow.
"""

import struct
from typing import NamedTuple

from data.containers import PNG_SIGNATURE, START_OF_SCAN, STARTS_OF_FRAME, jpeg_segments, png_chunks
from data.orientation import orientation_of

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
"""Files with these suffixes (in any case) are taken for photographs; their content decides what they are."""

MAX_PIXELS = 2**28
"""A header that claims more is taken for damage: decoding it would take gigabytes."""

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
    elif data.startswith(PNG_SIGNATURE):
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
    for marker, payload, strays in jpeg_segments(data):
        if strays:
            raise Unusable("a damaged JPEG header")
        segment = data[payload]
        if marker in STARTS_OF_FRAME and len(segment) >= 6:
            frame = struct.unpack_from(">HH", segment, 1)
            if segment[5] == 4:
                raise Unusable(_CMYK)
        if marker == START_OF_SCAN and frame is not None:
            return Header("jpeg", frame[1], frame[0], orientation_of(data), payload.start - 4)
    raise Unusable("its JPEG header is cut short")


def _parse_png(data: bytes) -> Header:
    for kind, _ in png_chunks(data):
        if kind == b"acTL":
            raise Unusable("an animation")
        if kind == b"IDAT" and data[12:16] == b"IHDR":
            width, height = struct.unpack_from(">II", data, 16)
            return Header("png", width, height, orientation_of(data))
    raise Unusable("its PNG header is cut short")


def _ask_pillow(data: bytes) -> Header:
    from data.decoders import UnknownPicture, UnreadablePhoto, decoding
    from data.pillow import open_image, orientation_to_apply

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
    # `size` is that of a turned TIFF, which OpenCV turns, too.
    return Header((image.format or "").lower(), *image.size, orientation_to_apply(image, data))


def is_complete(data: bytes, header: Header) -> bool:
    """True if the file has its end. Decoders give a JPEG that was cut short as a photo with a grey lower part."""
    if header.format == "jpeg":
        return data.rfind(b"\xff\xd9", header.body) >= 0
    if header.format == "png":
        return data.rfind(b"IEND") >= 0
    return True
