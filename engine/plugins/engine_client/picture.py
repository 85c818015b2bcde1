"""What comes back, and how it becomes a layer."""

from __future__ import annotations

import re
from typing import NamedTuple


class Picture(NamedTuple):
    """What was completed: a PNG with alpha, of a box of the layer."""

    box: tuple[int, int, int, int]
    """x, y, width, height."""
    png: bytes
    """Transparent where nothing changed, unless it `replaces`."""
    replaces: bool
    """True if transparency was completed, too: then the PNG has all pixels of the box as they are now."""
    notes: list[str]


def is_whole(picture: Picture, alpha: bytes) -> bool:
    """True if the new layer has to be a whole one: half transparent pixels look as they are over nothing alone.

    `alpha` is the picture's, in 8 bits.
    """
    return picture.replaces or bool(alpha.translate(None, b"\0\xff"))


def whole(before: bytes, width: int, size: int, picture: Picture, pixels: bytes, alpha: bytes) -> bytes:
    """All of a layer's pixels: those of `before`, in rows of `width`, and in the picture's box those that changed.

    `size` is the bytes of a pixel; `pixels` and `alpha`, in 8 bits, are the picture's.
    """
    result = bytearray(before)
    x, y, of_box, rows = picture.box
    for row in range(rows):
        there = b"\xff" * of_box if picture.replaces else alpha[row * of_box : (row + 1) * of_box]
        for run in re.finditer(rb"[^\0]+", there):
            begin, end = ((row * of_box + column) * size for column in run.span())
            to = ((y + row) * width + x + run.start()) * size
            result[to : to + end - begin] = pixels[begin:end]
    return bytes(result)


def whole_note(name: str) -> str:
    """What is to be told of a new layer that is a whole one, above the layer of this name."""
    return f"The new layer is a whole one, as transparency was completed: hide '{name}' below."
