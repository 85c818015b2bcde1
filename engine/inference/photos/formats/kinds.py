"""The kind of a file, by its content and not by its name, for errors that name it and the remedy."""

from data.containers import STARTS_OF_FRAME, Tiff, jpeg_segments, tiff_directories
from data.decoders import UnreadablePhoto

RAW_HEADS = {
    b"FUJIFILMCCD-RAW": "Fujifilm",
    b"FOVb": "Sigma",
    b"\0MRM": "Minolta",
    b"IIRO": "Olympus",
    b"IIRS": "Olympus",
    b"MMOR": "Olympus",
    b"IIU\0": "Panasonic",
}
"""The first bytes of raw files that are no TIFFs, and their makers."""

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
"""The first bytes of files of other formats."""

RAW_REMEDY = "develop it with a raw converter (such as darktable, RawTherapee or the camera maker's) to a TIFF or JPEG"
REMEDY = "save it as a JPEG, PNG, TIFF or WebP"

NEW_SUBFILE_TYPE, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, SUB_IFDS, SAMPLE_FORMAT = 254, 258, 259, 262, 277, 330, 339
DNG_VERSION, REDUCED = 50706, 1
COLOUR_FILTER_ARRAY, LINEAR_RAW = 32803, 34892
MAKERS_COMPRESSIONS = {6, 7, 32767, 32770, 34713, 65535}
"""Those of raw pictures, old JPEG among them, which first directories of Canon's, Nikon's, Sony's and others have."""
UNSIGNED = 1


def refusal(content: bytes) -> str | None:
    """The reason to refuse a file that decoders take for a smaller picture than its photo, with the remedy; else None.

    A camera's raw file begins with a small picture, as if that were all.
    """
    raw = raw_kind(content)
    return raw and f"it is {raw}, whose photo is not developed yet; {RAW_REMEDY}"


def description(content: bytes) -> str | None:
    """The kind of a file that cannot be read, with the remedy; None if it is unknown."""
    kind = kind_of(content)
    if kind in ("an HEIC picture", "an AVIF picture", "a JPEG XL picture"):
        return f"it is {kind}, and is damaged or cut short"
    return kind and f"it is {kind}, which is not read; {REMEDY}"


def reason(error: ValueError, content: bytes) -> str:
    """Why a file cannot be decoded: what this engine says, else what the file is, else what its decoder says."""
    said_by_decoder = isinstance(error, UnreadablePhoto) and error.__cause__ is not None
    return (said_by_decoder and description(content)) or str(error)


def kind_of(content: bytes) -> str | None:
    """The kind of a file that is not read, with an article; None if it is unknown."""
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
    marker, bits = frame_of(content) or (0xC0, 8)
    if marker in (0xC0, 0xC1, 0xC2) and bits == 8:
        return None
    if marker in (0xC3, 0xC7, 0xCB, 0xCF):
        return f"a lossless JPEG (process {marker - 0xC0})"
    if marker >= 0xC9:
        return f"a JPEG with arithmetic coding (process {marker - 0xC0})"
    return f"a JPEG of {bits} bits per sample (process {marker - 0xC0})"


def frame_of(content: bytes) -> tuple[int, int] | None:
    """The marker of a JPEG's frame, which tells the process, and the bits of a sample; None if it has none."""
    frames = ((marker, content[where]) for marker, where, _ in jpeg_segments(content) if marker in STARTS_OF_FRAME)
    return next(((marker, payload[0]) for marker, payload in frames if payload), None)


def raw_kind(content: bytes) -> str | None:
    """The kind of a camera's raw file; None for other files."""
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
    """The whole numbers of the first directory of a TIFF, and of those that it holds; [] if it is none."""
    tiff = Tiff.of(content)
    main = next(tiff_directories(content, most=1), None)
    if tiff is None or main is None:
        return []
    held = (tiff.directory(content, offset) for offset in tiff.numbers(content, main.entries.get(SUB_IFDS))[:16])
    pages = [main, *(page for page in held if page is not None and page.is_whole)]
    return [{tag: tiff.numbers(content, entry) for tag, entry in page.entries.items()} for page in pages]
