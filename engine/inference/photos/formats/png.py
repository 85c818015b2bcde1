"""PNG: the chunks beside the picture."""

import struct
import zlib
from collections.abc import Iterator

from data.containers import PNG_SIGNATURE as SIGNATURE
from data.containers import png_chunks, text_in
from data.orientation import EXIF_HEAD, PNG_EXIF
from data.orientation import PNG_XMP as XMP
from engine.inference.photos.formats.exif import make_upright, make_xmp_upright

NOT_KEPT = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"bKGD", b"hIST", b"sBIT", b"sPLT", b"acTL", b"fcTL", b"fdAT"}
"""The picture itself, and what depends on how its samples are stored."""

TEXTS = (b"tEXt", b"zTXt", b"iTXt")

HEXADECIMAL = {PNG_EXIF, *(b"Raw profile type " + name for name in (b"APP1", b"8bim", b"iptc", b"xmp"))}
"""Keywords of texts that hold what older ImageMagick writes in hexadecimal: a thumbnail or the orientation, maybe."""


def chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, data) of each chunk."""
    return ((kind, content[where]) for kind, where in png_chunks(content))


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk as it is in a file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def metadata(content: bytes, swapped: bool) -> list[tuple[bytes, bytes]]:
    """The chunks to carry over, made true for the upright photo: colour space, resolution, texts, EXIF, XMP."""
    kept = []
    for kind, data in chunks(content):
        keyword = data.partition(b"\0")[0] if kind in TEXTS else b""
        if kind in NOT_KEPT or keyword in HEXADECIMAL:
            continue
        if kind == b"eXIf":
            exif = make_upright(data.removeprefix(EXIF_HEAD), swapped)  # which some writers leave there
            if exif is None:
                continue
            data = exif
        elif keyword == XMP:
            try:
                data = with_upright_xmp(kind, data)
            except (ValueError, LookupError, zlib.error):  # broken, so that it cannot be made true
                continue
        elif kind == b"pHYs" and swapped and len(data) == 9:
            data = data[4:8] + data[:4] + data[8:]
        kept.append((kind, data))
    return kept


def left_out(content: bytes) -> list[str]:
    """Notes on what of a PNG is not carried over since it may show the photo as it was."""
    keywords = {data.partition(b"\0")[0] for kind, data in chunks(content) if kind in TEXTS}
    named = ", ".join(sorted(keyword.decode("latin-1") for keyword in keywords & HEXADECIMAL))
    return [f"texts of the photo's file that may show the hole are left out: {named}"] if named else []


SRGB_GAMMA, SRGB_COLOURS = 45455, (1, 13, 0, 1)
"""The gamma and the code points that mean sRGB, as which colours are taken where nothing is said."""


def colours_beside_icc(kept: list[tuple[bytes, bytes]]) -> str | None:
    """The chunk that gives the colours a meaning which no other format carries, for a note; None if there is none."""
    chunks_kept = dict(kept)
    if b"cICP" in chunks_kept:
        return None if tuple(chunks_kept[b"cICP"]) == SRGB_COLOURS else "cICP"
    if b"iCCP" in chunks_kept or b"sRGB" in chunks_kept:
        return None
    gamma = chunks_kept.get(b"gAMA", b"")
    if len(gamma) == 4 and struct.unpack(">I", gamma)[0] != SRGB_GAMMA:
        return "gAMA"
    return "cHRM" if chunks_kept.get(b"cHRM", SRGB_PRIMARIES) != SRGB_PRIMARIES else None


SRGB_PRIMARIES = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
"""White, red, green and blue of sRGB, as a cHRM chunk says them."""


def with_upright_xmp(kind: bytes, data: bytes) -> bytes:
    """The data of XMP's text chunk, made upright. ValueError, LookupError or zlib.error if it is broken."""
    head, text, packed = text_in(kind, data)
    edited = make_xmp_upright(text)
    if edited == text:
        return data
    return head + (zlib.compress(edited) if packed else edited)


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
        made.append((b"iTXt", XMP + b"\0\0\0\0\0" + xmp))
    return made


def with_metadata(encoded: bytes, kept: list[tuple[bytes, bytes]]) -> bytes:
    """The PNG `encoded` with these chunks in place of its own ancillary ones."""
    essential = [(kind, data) for kind, data in chunks(encoded) if kind in NOT_KEPT]
    return SIGNATURE + b"".join(chunk(*one) for one in (essential[0], *kept, *essential[1:]))
