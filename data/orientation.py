"""Orientation: cameras store pixels as the sensor lay, and say how to turn them to be seen upright."""

import re
import zlib
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from data.containers import PNG_SIGNATURE, Tiff, jpeg_segments, png_chunks, text_in, webp_chunks

Sample = TypeVar("Sample", bound=np.generic)


class Turn(NamedTuple):
    """The turn that makes stored pixels upright: exchange rows and columns first, then mirror."""

    transpose: bool
    flip_y: bool
    flip_x: bool


TURNS = {
    1: Turn(False, False, False),
    2: Turn(False, False, True),
    3: Turn(False, True, True),
    4: Turn(False, True, False),
    5: Turn(True, False, False),
    6: Turn(True, False, True),
    7: Turn(True, True, True),
    8: Turn(True, True, False),
}


def stored_corner(x: int, y: int, side: int, width: int, height: int, orientation: int) -> tuple[int, int]:
    """Top left corner (x, y), in stored pixels, of a square of an upright photo of `width` x `height`."""
    turn = TURNS[orientation]
    x = width - x - side if turn.flip_x else x
    y = height - y - side if turn.flip_y else y
    return (y, x) if turn.transpose else (x, y)


def upright(stored: NDArray[Sample], orientation: int) -> NDArray[Sample]:
    """A view of stored pixels, (height, width) or (height, width, channels), as they are to be seen."""
    turn = TURNS[orientation]
    if turn.transpose:
        stored = stored.swapaxes(0, 1)
    return stored[:: -1 if turn.flip_y else 1, :: -1 if turn.flip_x else 1]


def turned_back(seen: NDArray[Sample], orientation: int) -> NDArray[Sample]:
    """The inverse of `upright`: a view of pixels as they are to be seen, as they are to be stored."""
    turn = TURNS[orientation]
    seen = seen[:: -1 if turn.flip_y else 1, :: -1 if turn.flip_x else 1]
    return seen.swapaxes(0, 1) if turn.transpose else seen


EXIF_HEAD = b"Exif\0\0"
XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
PNG_XMP = b"XML:com.adobe.xmp"
PNG_EXIF = b"Raw profile type exif"
"""Keywords of a PNG's texts: of XMP, and of EXIF as older ImageMagick writes it, in hexadecimal."""

XMP_ORIENTATION = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)([1-8])")
"""As an attribute or an element."""

_TAG = 0x0112


def orientation_of(content: bytes) -> int:
    """The orientation, 1 to 8, of the pixels that a JPEG, PNG, WebP or TIFF stores; 1 where the file does not tell.

    By EXIF, else by XMP, but for a TIFF, whose own tags count alone. `content` may be the file's beginning, if that has
    what tells.
    """
    if Tiff.of(content):
        return exif_orientation(content) or 1
    exif, xmp = metadata_of(content)
    return (exif is not None and exif_orientation(exif)) or (xmp is not None and xmp_orientation(xmp)) or 1


def metadata_of(content: bytes) -> tuple[bytes | None, bytes | None]:
    """The first EXIF block and the first XMP packet of a JPEG, PNG or WebP."""
    found: list[tuple[str, bytes]] = []
    if content.startswith(b"\xff\xd8"):
        for segment in jpeg_segments(content):
            payload = content[segment.payload] if segment.marker == 0xE1 else b""
            found += [("exif", payload)] * payload.startswith(EXIF_HEAD)
            found += [("xmp", payload.removeprefix(XMP_HEAD))] * payload.startswith(XMP_HEAD)
    elif content.startswith(PNG_SIGNATURE):
        for kind, where in png_chunks(content):
            if kind == b"eXIf":
                found.insert(0, ("exif", content[where]))  # before one in a text
            elif kind in (b"tEXt", b"zTXt", b"iTXt"):
                found += metadata_in_text(kind, content[where])
    elif content.startswith(b"RIFF"):
        for kind, where in webp_chunks(content):
            found += [("exif", content[where])] * (kind == b"EXIF") + [("xmp", content[where])] * (kind == b"XMP ")
    first = dict(reversed(found))
    return first.get("exif"), first.get("xmp")


def metadata_in_text(kind: bytes, data: bytes) -> list[tuple[str, bytes]]:
    """The EXIF block or XMP packet that one of a PNG's texts is, if it is one and whole."""
    keyword = data.partition(b"\0")[0]
    if keyword not in (PNG_XMP, PNG_EXIF):
        return []
    try:
        _, text, _ = text_in(kind, data)
        if keyword == PNG_XMP:
            return [("xmp", text)]
        return [("exif", bytes.fromhex(text.split(b"\n", 3)[3].decode("ascii")))]
    except (ValueError, LookupError, zlib.error):
        return []


def exif_orientation(exif: bytes) -> int | None:
    """The orientation in a TIFF or an EXIF block, perhaps behind JPEG's mark, once or twice.

    1 where it says what cannot be; None where it does not say.
    """
    while exif.startswith(EXIF_HEAD):
        exif = exif.removeprefix(EXIF_HEAD)
    tiff = Tiff.of(exif)
    directory = tiff and tiff.directory(exif, tiff.offset_at(exif, tiff.first))
    if tiff is None or directory is None or _TAG not in directory.entries:
        return None
    numbers = tiff.numbers(exif, directory.entries[_TAG], most=1)
    return numbers[0] if numbers and numbers[0] in TURNS else 1


def xmp_orientation(xmp: bytes) -> int | None:
    """The orientation in an XMP packet; None where there is none that can be."""
    found = XMP_ORIENTATION.search(xmp)
    return int(found[2]) if found else None
