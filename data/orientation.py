"""EXIF orientation: cameras store pixels as the sensor lay, and say how to turn them to be seen upright."""

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Sample = TypeVar("Sample", bound=np.generic)


class Turn(NamedTuple):
    """How stored pixels become upright: exchange rows and columns first, then mirror."""

    transpose: bool
    flip_y: bool
    flip_x: bool


TURNS = {
    1: Turn(False, False, False),
    2: Turn(False, False, True),
    3: Turn(False, True, True),
    4: Turn(False, True, False),
    5: Turn(True, False, False),
    6: Turn(True, False, True),
    7: Turn(True, True, True),
    8: Turn(True, True, False),
}


def stored_corner(x: int, y: int, side: int, width: int, height: int, orientation: int) -> tuple[int, int]:
    """Top left corner (x, y), in stored pixels, of a square of an upright photo of `width` x `height`."""
    turn = TURNS[orientation]
    x = width - x - side if turn.flip_x else x
    y = height - y - side if turn.flip_y else y
    return (y, x) if turn.transpose else (x, y)


def upright(stored: NDArray[Sample], orientation: int) -> NDArray[Sample]:
    """A view of stored pixels, (height, width) or (height, width, channels), as they are to be seen."""
    turn = TURNS[orientation]
    if turn.transpose:
        stored = stored.swapaxes(0, 1)
    return stored[:: -1 if turn.flip_y else 1, :: -1 if turn.flip_x else 1]


def turned_back(seen: NDArray[Sample], orientation: int) -> NDArray[Sample]:
    """The inverse of `upright`: a view of pixels as they are to be seen, as they are to be stored."""
    turn = TURNS[orientation]
    seen = seen[:: -1 if turn.flip_y else 1, :: -1 if turn.flip_x else 1]
    return seen.swapaxes(0, 1) if turn.transpose else seen
