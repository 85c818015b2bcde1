"""EXIF blocks after a photo has been turned upright and changed: only what is no longer true is edited, in place.

Everything else (maker notes, which hold absolute offsets, above all) stays byte for byte.
"""

import re
import struct
from contextlib import suppress

from engine.inference.formats.thumbnails import without_xmp_pictures

ORIENTATION = 0x0112
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003
THUMBNAIL_OFFSET, THUMBNAIL_LENGTH = 0x0201, 0x0202

SHORT, LONG = 3, 4
FORMATS = {SHORT: "H", LONG: "I"}
"""struct characters of the integer types that these tags have."""

SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8)
"""Bytes of a value of each type."""


class BrokenExif(Exception):
    """The block does not have the structure that EXIF prescribes."""


BROKEN = (BrokenExif, struct.error, KeyError)


def make_upright(exif: bytes, swapped: bool) -> bytes | None:
    """A TIFF-structured EXIF block with orientation 1 and no thumbnail, which would still show what was removed.

    `swapped`: the photo was turned by a quarter, so its EXIF width and height change places. None if the block's
    first directory is broken, so that it cannot be made true; what is broken beyond that stays, and leads nowhere.
    """
    return edited(exif, True, swapped)


def without_thumbnail(exif: bytes) -> bytes | None:
    """The same for a photo that stays as it was stored, so that its orientation and sides stay true."""
    return edited(exif, False, False)


def only_orientation(orientation: int) -> bytes:
    """A block that says this and nothing else."""
    return b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, ORIENTATION, SHORT, 1, orientation, 0, 0)


def edited(exif: bytes, upright: bool, swapped: bool) -> bytes | None:
    """See `make_upright` and `without_thumbnail`."""
    block = bytearray(exif)
    try:
        order = {b"II*\0": "<", b"MM\0*": ">"}[bytes(block[:4])]
        first = struct.unpack_from(order + "I", block, 4)[0]
        entries, link = directory(block, order, first)
    except BROKEN:
        return None
    if upright and ORIENTATION in entries:  # as a SHORT, which it should be: readers differ on others
        struct.pack_into(order + "HHIHH", block, entries[ORIENTATION], ORIENTATION, SHORT, 1, 1, 0)
    if swapped and EXIF_IFD in entries:
        with suppress(*BROKEN):
            swap_sides(block, order, read(block, order, entries[EXIF_IFD]))
    if link is not None and not is_value(block, order, entries, link):
        remove_thumbnail(block, order, link)
    return bytes(block)


def directory(block: bytes | bytearray, order: str, offset: int) -> tuple[dict[int, int], int | None]:
    """Where the entry of each tag of an image file directory is, and where its link to the next directory is.

    Some writers leave the link out: None, where the block ends instead.
    """
    count = struct.unpack_from(order + "H", block, offset)[0]
    link = offset + 2 + 12 * count
    if link > len(block):
        raise BrokenExif
    entries = {struct.unpack_from(order + "H", block, entry)[0]: entry for entry in range(offset + 2, link, 12)}
    return entries, link if link + 4 <= len(block) else None


def is_value(block: bytearray, order: str, entries: dict[int, int], link: int) -> bool:
    """Whether a value of the directory, or another directory, begins in place of the link."""
    for tag, entry in entries.items():
        kind, count, offset = struct.unpack_from(order + "HII", block, entry + 2)
        elsewhere = tag in (EXIF_IFD, GPS_IFD) or (kind < len(SIZES) and SIZES[kind] * count > 4)
        if elsewhere and link <= offset < link + 4:
            return True
    return False


def read(block: bytearray, order: str, entry: int) -> int:
    """The integer in an entry."""
    kind = struct.unpack_from(order + "H", block, entry + 2)[0]
    return struct.unpack_from(order + FORMATS[kind], block, entry + 8)[0]


def write(block: bytearray, order: str, entry: int, value: int) -> None:
    """Put an integer into an entry, in the type that it has."""
    kind = struct.unpack_from(order + "H", block, entry + 2)[0]
    struct.pack_into(order + FORMATS[kind], block, entry + 8, value)


def swap_sides(block: bytearray, order: str, offset: int) -> None:
    """Exchange width and height in the EXIF directory."""
    entries, _ = directory(block, order, offset)
    if PIXEL_WIDTH in entries and PIXEL_HEIGHT in entries:
        width = read(block, order, entries[PIXEL_WIDTH])
        height = read(block, order, entries[PIXEL_HEIGHT])
        write(block, order, entries[PIXEL_WIDTH], height)
        write(block, order, entries[PIXEL_HEIGHT], width)


def remove_thumbnail(block: bytearray, order: str, link: int) -> None:
    """Cut the link to the thumbnail's directory and blank the thumbnail."""
    second = struct.unpack_from(order + "I", block, link)[0]
    if second == 0:
        return
    struct.pack_into(order + "I", block, link, 0)
    with suppress(*BROKEN):  # a link that leads nowhere
        entries, _ = directory(block, order, second)
        start = read(block, order, entries[THUMBNAIL_OFFSET])
        stop = min(start + read(block, order, entries[THUMBNAIL_LENGTH]), len(block))
        block[start:stop] = bytes(max(stop - start, 0))


def make_xmp_upright(xmp: bytes) -> bytes:
    """The same for XMP: orientation 1 (as an attribute or an element) and no other picture, in as many bytes."""
    xmp = re.sub(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[1-8]", rb"\g<1>1", xmp)
    return without_xmp_pictures(xmp)
