"""EXIF blocks after a photo has been turned upright and changed: only what is no longer true is edited, in place.

Everything else (maker notes, which hold absolute offsets, above all) stays byte for byte.
"""

import struct
from contextlib import suppress
from typing import Any

from data.containers import SIZES, WHOLE_NUMBERS, Bytes, Directory, Tiff
from data.orientation import XMP_ORIENTATION
from engine.inference.photos.formats.thumbnails import without_xmp_pictures

ORIENTATION = 0x0112
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003
THUMBNAIL_OFFSET, THUMBNAIL_LENGTH = 0x0201, 0x0202

SHORT = 3


class BrokenExif(Exception):
    """The block does not have the structure that EXIF prescribes."""


BROKEN = (BrokenExif, struct.error, LookupError)


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
    tiff = Tiff.of(block)
    if tiff is None:
        return None
    try:
        first = directory(tiff, block, tiff.first)
    except BROKEN:
        return None
    if upright and ORIENTATION in first.entries:  # as a SHORT, which it should be: readers differ on others
        struct.pack_into(tiff.order + "HHIHH", block, first.entries[ORIENTATION], ORIENTATION, SHORT, 1, 1, 0)
    if swapped and EXIF_IFD in first.entries:
        with suppress(*BROKEN):
            swap_sides(tiff, block, directory(tiff, block, tiff.value_at(first.entries[EXIF_IFD])).entries)
    if first.link + 4 <= len(block) and not is_value(tiff, block, first):  # some writers leave the link out
        remove_thumbnail(tiff, block, first.link)
    return bytes(block)


def directory(tiff: Tiff, block: Bytes, place: int) -> Directory:
    """The directory whose offset is written at `place`. BrokenExif if there is none, or it is cut short."""
    found = tiff.directory(block, tiff.offset_at(block, place))
    if found is None or not found.is_whole:
        raise BrokenExif
    return found


def is_value(tiff: Tiff, block: Bytes, first: Directory) -> bool:
    """True if a value of the directory, or another directory, begins in place of its link."""
    for tag, entry in first.entries.items():
        kind, count, offset = struct.unpack_from(tiff.order + "HII", block, entry + 2)
        elsewhere = tag in (EXIF_IFD, GPS_IFD) or SIZES.get(kind, 0) * count > 4
        if elsewhere and first.link <= offset < first.link + 4:
            return True
    return False


def swap_sides(tiff: Tiff, block: bytearray, entries: dict[int, int]) -> None:
    """Exchange width and height in the EXIF directory, each in the type that it has."""
    places = [entries[tag] for tag in (PIXEL_WIDTH, PIXEL_HEIGHT)]
    sides = [tiff.numbers(block, place)[0] for place in places]
    for place, side in zip(places, reversed(sides), strict=True):
        kind = struct.unpack_from(tiff.order + "H", block, place + 2)[0]
        struct.pack_into(tiff.order + WHOLE_NUMBERS[kind], block, tiff.value_at(place), side)


def remove_thumbnail(tiff: Tiff, block: bytearray, link: int) -> None:
    """Cut the link to the thumbnail's directory and blank the thumbnail."""
    with suppress(*BROKEN):  # a link that leads nowhere
        entries = directory(tiff, block, link).entries
        start, length = (tiff.numbers(block, entries[tag])[0] for tag in (THUMBNAIL_OFFSET, THUMBNAIL_LENGTH))
        stop = min(start + length, len(block))
        block[start:stop] = bytes(max(stop - start, 0))
    struct.pack_into(tiff.order + "I", block, link, 0)


def make_xmp_upright(xmp: bytes) -> bytes:
    """The same for XMP: orientation 1 (as an attribute or an element) and no other picture, in as many bytes."""
    return without_xmp_pictures(XMP_ORIENTATION.sub(rb"\g<1>1", xmp))


def upright_xmp(xmp: Any) -> bytes | None:
    """XMP as Pillow gives it, made upright; None if it is no packet."""
    return make_xmp_upright(xmp) if isinstance(xmp, bytes) else None
