"""What a file is, by its content and not by its name: for errors that say so, and what can be done about it."""

import struct
from typing import Any

from engine.inference.formats.exif import BROKEN, SIZES, directory
from engine.inference.formats.jpeg import frame_of

RAW_HEADS = {
    b"FUJIFILMCCD-RAW": "Fujifilm",
    b"FOVb": "Sigma",
    b"\0MRM": "Minolta",
    b"IIRO": "Olympus",
    b"IIRS": "Olympus",
    b"MMOR": "Olympus",
    b"IIU\0": "Panasonic",
}
"""How raw files begin that are no TIFFs, and whose they are."""

BRANDS = {
    b"crx ": "a camera's raw file (CR3)",
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "an HEIC picture"),
    **dict.fromkeys((b"avif", b"avis"), "an AVIF picture"),
    **dict.fromkeys((b"isom", b"iso2", b"mp41", b"mp42", b"qt  ", b"M4V "), "a video"),
}
"""ISO media files, by their major brand."""

HEADS = {
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cJXL \r\n\x87\n": "a JPEG XL picture",
    b"\0\0\0\x0cjP  \r\n\x87\n": "a JPEG 2000 picture",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture",
    b"8BPS": "a Photoshop document",
    b"gimp xcf": "a GIMP picture",
    b"v/1\x01": "an OpenEXR picture",
    b"#?RADIANCE": "a Radiance HDR picture",
    b"SIMPLE  =": "a FITS file",
    b"GIF8": "a GIF",
    b"BM": "a BMP picture",
    b"%PDF": "a PDF document",
    b"<svg": "an SVG drawing",
    b"qoif": "a QOI picture",
    b"DDS ": "a DDS texture",
    b"II\xbc": "a JPEG XR picture",
    b"P6": "a PNM picture",
    b"P5": "a PNM picture",
}
"""How files of other formats begin."""

RAW_REMEDY = "develop it with a raw converter (such as darktable, RawTherapee or the camera maker's) to a TIFF or JPEG"
REMEDY = "save it as a JPEG, PNG, TIFF or WebP"

NEW_SUBFILE_TYPE, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, SUB_IFDS, SAMPLE_FORMAT = 254, 258, 259, 262, 277, 330, 339
DNG_VERSION, REDUCED = 50706, 1
COLOUR_FILTER_ARRAY, LINEAR_RAW = 32803, 34892
MAKERS_COMPRESSIONS = {6, 7, 32767, 32770, 34713, 65535}
"""Those of raw pictures, old JPEG among them, which first directories of Canon's, Nikon's, Sony's and others have."""
UNSIGNED = 1


def refusal(content: bytes) -> str | None:
    """What a file is that could be taken for another picture than its photo, and what to do; None for all others.

    A camera's raw file begins with a small picture, as if that were all.
    """
    raw = raw_kind(content)
    return raw and f"it is {raw}, whose photo is not developed yet; {RAW_REMEDY}"


def description(content: bytes) -> str | None:
    """What a file is that cannot be read, and what to do; None if that cannot be told."""
    kind = kind_of(content)
    if kind in ("an HEIC picture", "an AVIF picture", "a JPEG XL picture"):
        return f"it is {kind}, and is damaged or cut short"
    return kind and f"it is {kind}, which is not read; {REMEDY}"


def reason(error: Exception, content: bytes) -> str:
    """Why a file cannot be decoded: what this engine says, else what the file is, else what its decoder says."""
    if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
        return str(error)
    return description(content) or str(error) or type(error).__name__


def kind_of(content: bytes) -> str | None:
    """What a file is, with an article, if it is none that is read."""
    if not content:
        return "an empty file"
    for head, kind in HEADS.items():
        if content.startswith(head):
            return kind
    if content[4:8] == b"ftyp":
        return BRANDS.get(content[8:12])
    if content.startswith(b"PK") and b"mimetype" in content[:64]:
        return "a Krita document" if b"krita" in content[:128] else "an OpenRaster picture"
    if content.startswith(b"\xff\xd8"):
        return jpeg_kind(content)
    return tiff_kind(content)


def jpeg_kind(content: bytes) -> str | None:
    """Of a JPEG, if it is of a rare kind."""
    frame = frame_of(content)
    if frame is None or (frame.marker in (0xC0, 0xC1, 0xC2) and frame.bits == 8):
        return None
    if frame.marker in (0xC3, 0xC7, 0xCB, 0xCF):
        return f"a lossless JPEG (process {frame.marker - 0xC0})"
    if frame.marker >= 0xC9:
        return f"a JPEG with arithmetic coding (process {frame.marker - 0xC0})"
    return f"a JPEG of {frame.bits} bits per sample (process {frame.marker - 0xC0})"


def raw_kind(content: bytes) -> str | None:
    """What a camera's raw file is; None for other files."""
    for head, maker in RAW_HEADS.items():
        if content.startswith(head):
            return f"a camera's raw file ({maker})"
    if content[4:12] == b"ftypcrx ":
        return BRANDS[b"crx "]
    pages = tiff_pages(content)
    if not pages:
        return None
    if content[8:10] == b"CR" and content[:2] in (b"II", b"MM"):
        return "a camera's raw file (CR2)"
    if DNG_VERSION in pages[0]:
        return "a camera's raw file (DNG)"
    for page in pages:
        if first(page, PHOTOMETRIC) in (COLOUR_FILTER_ARRAY, LINEAR_RAW):
            return "a camera's raw file"
    reduced = (first(pages[0], NEW_SUBFILE_TYPE) or 0) & REDUCED
    if reduced and any(first(page, COMPRESSION) in MAKERS_COMPRESSIONS for page in pages):
        return "a camera's raw file"
    return None


def tiff_kind(content: bytes) -> str | None:
    """Of a TIFF, how its samples are stored that are not read."""
    pages = tiff_pages(content)
    if not pages:
        return None
    page = pages[0]
    bits, format_, samples = first(page, BITS) or 1, first(page, SAMPLE_FORMAT) or UNSIGNED, first(page, SAMPLES) or 1
    numbers = {2: "signed whole", 3: "floating-point", 5: "complex", 6: "complex"}.get(format_, "whole")
    if format_ != UNSIGNED or bits > 16:
        return f"a TIFF of {numbers} numbers of {bits} bits (8 or 16 bits without a sign are read)"
    return f"a TIFF of {samples} channel(s) of {bits} bits, compressed by method {first(page, COMPRESSION) or 1}"


def first(page: dict[int, tuple[int, ...]], tag: int) -> int | None:
    """A tag's first number."""
    return page[tag][0] if page.get(tag) else None


def tiff_pages(content: bytes) -> list[dict[int, tuple[int, ...]]]:
    """The whole numbers of the first directory of a TIFF and of those that it holds (no BigTIFF); [] if it is none."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[:4])
    if order is None:
        return []
    try:
        main = numbers_of(content, order, struct.unpack_from(order + "I", content, 4)[0])
    except BROKEN:
        return []
    pages = [main]
    for offset in main.get(SUB_IFDS, ())[:16]:
        try:
            pages.append(numbers_of(content, order, offset))
        except BROKEN:
            continue
    return pages


def numbers_of(content: bytes, order: str, offset: int) -> dict[int, tuple[int, ...]]:
    """The values of a directory's tags, of those that are bytes or whole numbers, each at most 64 of them."""
    values: dict[int, tuple[int, ...]] = {}
    entries, _ = directory(content, order, offset)
    for tag, entry in entries.items():
        kind, count = struct.unpack_from(order + "HI", content, entry + 2)
        letter: Any = {1: "B", 3: "H", 4: "I", 13: "I"}.get(kind)
        if letter is None or not 0 < count <= 64:
            continue
        size = (SIZES[kind] if kind < len(SIZES) else 4) * count
        place = entry + 8 if size <= 4 else struct.unpack_from(order + "I", content, entry + 8)[0]
        try:
            values[tag] = struct.unpack_from(f"{order}{count}{letter}", content, place)
        except struct.error:
            continue
    return values
