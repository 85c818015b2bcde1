"""JPEG: the coefficients of a file, changed in the blocks whose pixels change and nowhere else.

A JPEG holds, for each component (luma, and two of chroma that may be subsampled), the quantised cosine coefficients of
blocks of 8x8 samples. Encoding a photo again rounds all of them anew; here those of a block without a changed pixel
stay what they are in the file. jpeglib, which is libjpeg, does the entropy coding.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from threading import Lock
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.inference.holes.mask import Mask
from engine.packages import import_optional

BLOCK = 8

LIBJPEG = "9f"
"""The newest version that jpeglib brings. It refuses coefficients that a damaged file makes too large to be written,
where libjpeg-turbo 2.1 writes others (found by 1,800 damaged files)."""

YCBCR = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)
"""Luma and chroma from RGB, as JFIF says."""

_frequency, _sample = np.mgrid[:BLOCK, :BLOCK]
COSINES = (np.cos(np.pi / BLOCK * _frequency * (_sample + 0.5)) / np.where(_frequency, 2, 8**0.5)).astype(np.float32)
"""The cosine transform of 8 samples, as a matrix."""

Samples = NDArray[Any]

_one_at_a_time = Lock()  # jpeglib keeps what it reads in global variables


def with_changes(content: bytes, before_HW3: Samples, after_HW3: Samples) -> bytes:
    """The JPEG file `content` with the pixels `after_HW3` in the blocks where they differ from `before_HW3`.

    Both are uint8 RGB, turned as the file stores them; of a grey photo, three times the same. `content` should have no
    metadata: jpeglib holds 50 segments. A progressive file becomes a sequential one. ValueError if jpeglib is not
    installed, libjpeg cannot write again what it reads, or the colours or their sampling are of an unusual kind.
    """
    jpeglib = import_optional("jpeglib")
    with _one_at_a_time, TemporaryDirectory() as folder:
        path = Path(folder, "photo.jpg")
        path.write_bytes(content)
        try:
            with jpeglib.version(LIBJPEG), temporary_files_in(folder, jpeglib.dct_jpeg):
                stored = jpeglib.read_dct(path)
                change_blocks(stored, before_HW3, after_HW3)
                stored.qt = 0  # anything but tables: those of the file are kept, and the components' numbers with them
                stored.write_dct(str(path), flags=["+OPTIMIZE_CODING"])
        except OSError as error:
            raise ValueError(f"libjpeg cannot read and write its blocks: {error}") from error
        return path.read_bytes()


@contextmanager
def temporary_files_in(folder: str, module: Any) -> Iterator[None]:
    """The module's temporary files lie in `folder`: jpeglib leaves its copies of the photos that it refuses in /tmp."""
    own, module.tempfile = module.tempfile, SimpleNamespace(NamedTemporaryFile=partial(NamedTemporaryFile, dir=folder))
    try:
        yield
    finally:
        module.tempfile = own


def change_blocks(stored: Any, before_HW3: Samples, after_HW3: Samples) -> None:
    """Put the coefficients of `after_HW3` into jpeglib's arrays, in the blocks that have a changed pixel."""
    space = stored.jpeg_color_space.name
    names = {"JCS_GRAYSCALE": ["Y"], "JCS_YCbCr": ["Y", "Cb", "Cr"]}.get(space)
    if names is None:
        raise ValueError(f"it stores its colours as {space}, and --lossless-outside changes those of YCbCr and grey")
    factors_K2 = np.array(stored.samp_factor if len(names) > 1 else [[1, 1]])  # grey has blocks, whatever it states
    if (factors_K2.max(0) % factors_K2).any():
        raise ValueError(f"it samples its colours {factors_K2.tolist()}, and --lossless-outside needs whole ratios")
    changed_HW = differing(before_HW3, after_HW3)
    largest = factors_K2.max(0)
    height = BLOCK * int(largest[0])
    for top in range(0, len(changed_HW), height):  # strip by strip, since holes may be few and far between
        strip = slice(top, top + height)
        if changed_HW[strip].any():
            for number, name in enumerate(names):
                ratio = largest // factors_K2[number]
                blocks_HW88 = getattr(stored, name)[top // (BLOCK * ratio[0]) :]
                samples_HW = after_HW3[strip] @ YCBCR[number] - (128 if name == "Y" else 0)
                put_samples(blocks_HW88, samples_HW, changed_HW[strip], ratio, stored.get_component_qt(number))


def put_samples(
    blocks_HW88: Samples, samples_HW: Samples, changed_HW: Mask, ratio: NDArray[np.int_], table_88: Samples
) -> None:
    """Put a component's coefficients into the blocks that have a changed pixel; `ratio` pixels make up a sample."""
    sides = ratio * BLOCK
    touched_HW = means(to_multiples(changed_HW, sides), sides) > 0
    new_HW88 = quantised(means(to_multiples(samples_HW, sides), ratio), table_88)
    blocks_HW88[: touched_HW.shape[0], : touched_HW.shape[1]][touched_HW] = new_HW88[touched_HW]


def differing(one_HW3: Samples, other_HW3: Samples) -> Mask:
    """The pixels in which two photos of one size differ. Fast where whole rows are the same."""
    differing_HW = np.zeros(one_HW3.shape[:2], np.bool_)
    for row_W, one_W3, other_W3 in zip(differing_HW, one_HW3, other_HW3, strict=True):
        if not np.array_equal(one_W3, other_W3):
            row_W[:] = (one_W3 != other_W3).any(1)
    return differing_HW


def to_multiples(values_HW: Samples, sides: NDArray[np.int_]) -> Samples:
    """Grown to multiples of `sides` by repeating the last row and column, as encoders do at a photo's end."""
    return np.pad(
        values_HW, [(0, -size % side) for size, side in zip(values_HW.shape, sides.tolist(), strict=True)], "edge"
    )


def means(values_HW: Samples, sides: NDArray[np.int_]) -> Samples:
    """The mean of each cell of `sides` values."""
    height, width = values_HW.shape // sides
    return values_HW.reshape(height, sides[0], width, sides[1]).mean((1, 3), dtype=np.float32)


def quantised(samples_HW: Samples, table_88: Samples) -> NDArray[np.int16]:
    """The quantised coefficients of each block of 8x8 samples, around 0."""
    height, width = samples_HW.shape[0] // BLOCK, samples_HW.shape[1] // BLOCK
    blocks_HW88 = samples_HW.reshape(height, BLOCK, width, BLOCK).swapaxes(1, 2)
    return np.rint(COSINES @ blocks_HW88 @ COSINES.T / table_88).astype(np.int16)
