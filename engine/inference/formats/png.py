"""PNG: the chunks beside the picture."""

import struct
import zlib
from collections.abc import Iterator

from engine.inference.formats.exif import make_upright, make_xmp_upright

SIGNATURE = b"\x89PNG\r\n\x1a\n"

NOT_KEPT = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"bKGD", b"hIST", b"sBIT", b"sPLT", b"acTL", b"fcTL", b"fdAT"}
"""The picture itself, and what depends on how its samples are stored."""


def chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, data) of each chunk."""
    position = len(SIGNATURE)
    while position + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        yield kind, content[position + 8 : position + 8 + length]
        position += 12 + length


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk as it is in a file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def metadata(content: bytes, swapped: bool) -> list[tuple[bytes, bytes]]:
    """The chunks to carry over, made true for the upright photo: colour space, resolution, texts, EXIF, XMP."""
    kept = []
    for kind, data in chunks(content):
        if kind in NOT_KEPT:
            continue
        if kind == b"eXIf":
            exif = make_upright(data, swapped)
            if exif is None:
                continue
            data = exif
        elif kind == b"iTXt":
            data = make_xmp_upright(data)
        elif kind == b"pHYs" and swapped and len(data) == 9:
            data = data[4:8] + data[:4] + data[8:]
        kept.append((kind, data))
    return kept


def metadata_chunks(
    exif: bytes | None, icc: bytes | None, xmp: bytes | None, dpi: tuple[float, float] | None
) -> list[tuple[bytes, bytes]]:
    """The chunks for the metadata of a photo that was no PNG."""
    made = []
    if icc:
        made.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)))
    if dpi:
        made.append((b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in dpi), 1)))
    if exif:
        made.append((b"eXIf", exif))
    if xmp:
        made.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))
    return made


def with_metadata(encoded: bytes, kept: list[tuple[bytes, bytes]]) -> bytes:
    """The PNG `encoded` with these chunks in place of its own ancillary ones."""
    essential = [(kind, data) for kind, data in chunks(encoded) if kind in NOT_KEPT]
    return SIGNATURE + b"".join(chunk(*one) for one in (essential[0], *kept, *essential[1:]))
