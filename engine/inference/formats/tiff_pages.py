"""The pages of a TIFF beside its photo: reduced copies of it, a mask of its transparency, or other photos."""

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.containers import Directory, Tiff, tiff_directories
from data.decoders import UnreadablePhoto, decoding
from data.pillow import open_image

NEW_SUBFILE_TYPE, SUBFILE_TYPE, PHOTOMETRIC = 254, 255, 262
REDUCED, MASK = 1, 4
OLD_REDUCED = 2
BLACK_IS_ZERO = 1
MOST = 64
"""Pages that are looked at; a file with more is one of many photos."""


class Page(NamedTuple):
    """One directory of the file."""

    offset: int
    kind: int
    """NewSubfileType: bits for a reduced copy and a mask."""
    photometric: int | None
    """Where in the file the way to see the samples is said, if it is."""


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
    photometric = tiff.value_at(entries[PHOTOMETRIC]) if PHOTOMETRIC in entries else None
    return Page(directory.offset, kind[0] if kind else 0, photometric)


class Beside(NamedTuple):
    """The parts of a TIFF beside its photo."""

    mask_HW: NDArray[np.bool_] | None
    """Where the photo is opaque."""
    notes: list[str]


def beside_photo(content: bytes, has_alpha: bool, size: tuple[int, int]) -> Beside:
    """The parts of a TIFF beside the photo of its first page, which has this (height, width).

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
        return Beside(mask_HW, notes)
    if masks:
        notes.append("a mask of transparency in the photo's file is left out")
    return Beside(None, notes)


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
