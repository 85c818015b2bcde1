"""The pages of a TIFF beside its photo: reduced copies of it, a mask of its transparency, or other photos."""

import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.containers import Directory, Tiff, tiff_directories
from data.decoders import UnreadablePhoto, decoding
from data.pillow import open_image

NEW_SUBFILE_TYPE, SUBFILE_TYPE, PHOTOMETRIC, EXTRA_SAMPLES = 254, 255, 262, 338
UNSPECIFIED, UNASSOCIATED_ALPHA = 0, 2
REDUCED, MASK = 1, 4
OLD_REDUCED = 2
BLACK_IS_ZERO = 1
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


def pages(content: bytes) -> list[Page]:
    """The pages of a TIFF, at most `MOST`, as far as the chain of them leads; [] if it is none."""
    return [page_of(content, directory) for directory in tiff_directories(content, MOST)]


def page_of(content: bytes, directory: Directory) -> Page:
    """The page that a directory describes."""
    tiff, entries = Tiff.of(content), directory.entries
    assert tiff is not None
    kind = tiff.numbers(content, entries.get(NEW_SUBFILE_TYPE))
    if not kind and tiff.numbers(content, entries.get(SUBFILE_TYPE)) == (OLD_REDUCED,):
        kind = (REDUCED,)
    places = {tag: tiff.value_at(entries[tag]) for tag in (PHOTOMETRIC, EXTRA_SAMPLES) if tag in entries}
    if len(tiff.numbers(content, entries.get(EXTRA_SAMPLES))) != 1:
        places.pop(EXTRA_SAMPLES, None)
    return Page(directory.offset, kind[0] if kind else 0, places.get(PHOTOMETRIC), places.get(EXTRA_SAMPLES))


def beside_photo(content: bytes, has_alpha: bool, size: tuple[int, int]) -> tuple[NDArray[np.bool_] | None, list[str]]:
    """The mask of where the photo of a TIFF's first page is opaque, if another page has one of its (height, width), and
    notes on the other pages.

    UnreadablePhoto if there is another photo.
    """
    others = pages(content)[1:]
    reduced = [page for page in others if page.kind & REDUCED]
    masks = [page for page in others if page.kind & MASK and not page.kind & REDUCED]
    photos = len(others) - len(reduced) - len(masks) + 1
    if photos > 1:
        raise UnreadablePhoto(f"it holds {photos} pictures; a photo is one")
    notes = []
    if reduced:
        notes.append(f"{len(reduced)} reduced copies of the photo in its file, which show the hole, are left out")
    mask_HW = mask_of(content, masks[0]) if masks and not has_alpha else None
    if mask_HW is not None and mask_HW.shape == size:
        notes.append("the mask of transparency in the photo's file becomes an alpha channel")
        return mask_HW, notes
    if masks:
        notes.append("a mask of transparency in the photo's file is left out")
    return None, notes


def mask_of(content: bytes, page: Page) -> NDArray[np.bool_] | None:
    """The mask on a page, True where it is opaque; None if it cannot be read.

    Pillow knows no masks: it is given the same file, which begins at this page and calls its samples grey.
    """
    tiff = Tiff.of(content)
    assert tiff is not None
    edited = bytearray(content)
    struct.pack_into(tiff.order + tiff.offset, edited, tiff.first, page.offset)
    if page.photometric is not None:
        struct.pack_into(tiff.order + "H", edited, page.photometric, BLACK_IS_ZERO)
    try:
        with open_image(bytes(edited)) as image, decoding():
            samples = np.asarray(image.convert("L"))
    except UnreadablePhoto:
        return None
    return samples > 0


def with_selection_as_alpha(content: bytes) -> bytes | None:
    """A TIFF of which the one channel that is no colour, such as a saved selection, is called alpha, which Pillow reads
    where it leaves out others; None for all other files."""
    tiff, first = Tiff.of(content), pages(content)[:1]
    if tiff is None or not first or first[0].extra is None:
        return None
    if struct.unpack_from(tiff.order + "H", content, first[0].extra)[0] != UNSPECIFIED:
        return None
    edited = bytearray(content)
    struct.pack_into(tiff.order + "H", edited, first[0].extra, UNASSOCIATED_ALPHA)
    return bytes(edited)


def is_selection(samples_HW: NDArray[Any]) -> bool:
    """True if a channel says yes or no for nearly each pixel; what a camera sees in infrared does not."""
    none, all_ = samples_HW == 0, samples_HW == np.iinfo(samples_HW.dtype).max
    return bool((none | all_).mean() >= DECIDED and none.any())
