"""A document's layers, as every program has them."""

import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 2**31
"""Of one unpacked file in a document."""


class Layer(NamedTuple):
    """One layer, or a saved selection."""

    name: str
    kind: str
    """Layer, layer mask or saved selection."""
    left: int
    top: int
    samples: Callable[[], NDArray[np.uint8]]
    """(height, width), or with RGBA; read when it is the one that is wanted."""
    around: int = 0
    """The value outside of it."""


class Layered(NamedTuple):
    """A document."""

    size: tuple[int, int]
    """(height, width)."""
    layers: list[Layer]


def within(layer: Layer, left: int, top: int, width: int, height: int) -> NDArray[np.uint8]:
    """A layer's samples in a box of the document, where it need not lie; around them, `around`."""
    samples = layer.samples()
    box: NDArray[np.uint8] = np.full((height, width, *samples.shape[2:]), layer.around, np.uint8)
    first_row, first_column = max(layer.top, top), max(layer.left, left)
    last_row = min(layer.top + samples.shape[0], top + height)
    last_column = min(layer.left + samples.shape[1], left + width)
    if first_row < last_row and first_column < last_column:
        box[first_row - top : last_row - top, first_column - left : last_column - left] = samples[
            first_row - layer.top : last_row - layer.top, first_column - layer.left : last_column - layer.left
        ]
    return box


def is_zip_of(content: bytes, kind: bytes) -> bool:
    """True if a file is a ZIP archive that begins with a file `mimetype` of this content, as OpenDocument has it."""
    return content.startswith(b"PK\x03\x04") and content[30:38] == b"mimetype" and kind in content[38:128]


def member(content: bytes, name: str) -> bytes:
    """A file in a ZIP archive. ValueError if it is not there, or damaged."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            if archive.getinfo(name).file_size > MOST_BYTES:
                raise ValueError(f"its {name} has more than {MOST_BYTES} bytes")
            return archive.read(name)
    except KeyError as error:
        raise ValueError(f"it lacks {name}, which its kind of document has") from error
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"its archive is damaged or cut short ({error})") from error
