"""The pages of a TIFF beside its photo: reduced copies of it, a mask of its transparency, or other photos."""

import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.pillow import open_image

NEW_SUBFILE_TYPE, SUBFILE_TYPE, PHOTOMETRIC, EXTRA_SAMPLES = 254, 255, 262, 338
UNSPECIFIED, UNASSOCIATED_ALPHA = 0, 2
REDUCED, MASK = 1, 4
OLD_REDUCED = 2
BLACK_IS_ZERO = 1
SHORT = 3
DECIDED = 0.9
"""The share of a selection's pixels that are wholly in it or outside: the others are its soft edge."""

MOST = 64
"""Pages that are looked at; a file with more is one of many photos."""


class Page(NamedTuple):
    """One directory of the file."""

    offset: int
    kind: int
    """NewSubfileType: bits for a reduced copy and a mask."""
    photometric: int | None
    """Where in the file the way to see the samples is said, if it is."""
    extra: int | None = None
    """Where in the file the meaning of the one channel is said that is no colour, if there is one."""


class Layout(NamedTuple):
    """How a TIFF's numbers are laid out: classic, or BigTIFF."""

    order: str
    offset: str
    """struct's character of an offset."""
    entries: str
    """The same of how many entries a directory has."""
    entry: int
    """Bytes of one."""
    first: int
    """Where the first directory's offset is."""


def layout_of(content: bytes) -> Layout | None:
    """That of a TIFF; None if it is none."""
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    if order is None or len(content) < 16:
        return None
    version = struct.unpack_from(order + "H", content, 2)[0]
    return {42: Layout(order, "I", "H", 12, 4), 43: Layout(order, "Q", "Q", 20, 8)}.get(version)


def pages(content: bytes) -> list[Page]:
    """The pages of a TIFF, at most `MOST`, as far as the chain of them leads; [] if it is none."""
    layout = layout_of(content)
    found: list[Page] = []
    if layout is None:
        return found
    place = layout.first
    try:
        while len(found) < MOST:
            offset = struct.unpack_from(layout.order + layout.offset, content, place)[0]
            if offset == 0 or any(page.offset == offset for page in found):
                break
            page, place = page_at(content, layout, offset)
            found.append(page)
    except struct.error:
        pass
    return found


def page_at(content: bytes, layout: Layout, offset: int) -> tuple[Page, int]:
    """The page whose directory begins there, and where the offset of the next one is."""
    count = struct.unpack_from(layout.order + layout.entries, content, offset)[0]
    start = offset + struct.calcsize(layout.order + layout.entries)
    if start + count * layout.entry > len(content):
        raise struct.error("the directory is cut short")
    kind, photometric, extra = 0, None, None
    for place in range(start, start + count * layout.entry, layout.entry):
        tag, type_ = struct.unpack_from(layout.order + "HH", content, place)
        value = place + layout.entry - struct.calcsize(layout.order + layout.offset)
        if tag == PHOTOMETRIC:
            photometric = value
        elif tag == EXTRA_SAMPLES and (
            type_,
            *struct.unpack_from(layout.order + layout.offset, content, place + 4),
        ) == (3, 1):
            extra = value
        elif tag in (NEW_SUBFILE_TYPE, SUBFILE_TYPE):
            number = struct.unpack_from(layout.order + ("H" if type_ == SHORT else "I"), content, value)[0]
            kind = number if tag == NEW_SUBFILE_TYPE else REDUCED * (number == OLD_REDUCED)
    return Page(offset, kind, photometric, extra), start + count * layout.entry


class Beside(NamedTuple):
    """What a TIFF holds beside its photo."""

    mask_HW: NDArray[np.bool_] | None
    """Where the photo is opaque."""
    notes: list[str]


def beside_photo(content: bytes, has_alpha: bool, size: tuple[int, int]) -> Beside:
    """What a TIFF holds beside the photo of its first page, which has this (height, width).

    ValueError if there is another photo.
    """
    others = pages(content)[1:]
    reduced = [page for page in others if page.kind & REDUCED]
    masks = [page for page in others if page.kind & MASK and not page.kind & REDUCED]
    photos = len(others) - len(reduced) - len(masks) + 1
    if photos > 1:
        raise ValueError(f"it holds {photos} pictures; a photo is one")
    notes = []
    if reduced:
        notes.append(f"{len(reduced)} reduced copies of the photo in its file, which show the hole, are left out")
    mask_HW = mask_of(content, masks[0]) if masks and not has_alpha else None
    if mask_HW is not None and mask_HW.shape == size:
        notes.append("the mask of transparency in the photo's file becomes an alpha channel")
        return Beside(mask_HW, notes)
    if masks:
        notes.append("a mask of transparency in the photo's file is left out")
    return Beside(None, notes)


def mask_of(content: bytes, page: Page) -> NDArray[np.bool_] | None:
    """The mask on a page, True where it is opaque; None if it cannot be read.

    Pillow knows no masks: it is given the same file, which begins at this page and calls its samples grey.
    """
    layout = layout_of(content)
    assert layout is not None
    edited = bytearray(content)
    struct.pack_into(layout.order + layout.offset, edited, layout.first, page.offset)
    if page.photometric is not None:
        struct.pack_into(layout.order + "H", edited, page.photometric, BLACK_IS_ZERO)
    errors: Any = (OSError, SyntaxError, ValueError, LookupError, TypeError, struct.error)
    try:
        with open_image(bytes(edited)) as image:
            samples = np.asarray(image.convert("L"))
    except errors:
        return None
    return samples > 0


def with_selection_as_alpha(content: bytes) -> bytes | None:
    """A TIFF of which the one channel that is no colour, such as a saved selection, is called alpha, which Pillow reads
    where it leaves out others; None for all other files."""
    first = pages(content)[:1]
    layout = layout_of(content)
    if layout is None or not first or first[0].extra is None:
        return None
    if struct.unpack_from(layout.order + "H", content, first[0].extra)[0] != UNSPECIFIED:
        return None
    edited = bytearray(content)
    struct.pack_into(layout.order + "H", edited, first[0].extra, UNASSOCIATED_ALPHA)
    return bytes(edited)


def is_selection(samples_HW: NDArray[Any]) -> bool:
    """Whether a channel says yes or no for nearly each pixel; what a camera sees in infrared does not."""
    none, all_ = samples_HW == 0, samples_HW == np.iinfo(samples_HW.dtype).max
    return bool((none | all_).mean() >= DECIDED and none.any())
