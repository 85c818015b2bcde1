"""From an encoded photograph to the pixels of one crop, with OpenCV (libjpeg-turbo)."""

import struct
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from data.containers import Tiff
from data.headers import Header, Unusable, is_complete, parse_header
from data.orientation import stored_corner, upright
from data.sampler import Crop, reduction

Pixels = NDArray[np.uint8]

_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


_SHORT = 3

_EXTRA_SAMPLES = 338
"""TIFF's tag for what samples beyond the colours are: 1 is alpha that the colours were multiplied by, 2 other alpha."""


def check(data: bytes, size: tuple[int, int] | None = None) -> Header:
    """The header of an encoded photo that has its end. Unusable if it is no photo, was cut short, or has another
    `size` (width, height of the stored pixels) than the catalog says."""
    header = parse_header(data)
    if size is not None and size != (header.width, header.height):
        raise Unusable(f"{header.width}x{header.height} pixels, but {size[0]}x{size[1]} when it was indexed")
    if not is_complete(data, header):
        raise Unusable("cut short: its end is missing")
    return header


def decode(data: bytes, reduced: int = 1) -> Pixels:
    """The stored pixels, BGR uint8 of shape (height, width, 3), before the EXIF orientation, shrunk by `reduced`.

    Grey, palette, transparent and 16-bit images come as 8-bit colour. Unusable if OpenCV cannot decode it.
    """
    if reduced != 1 and not data.startswith(b"\xff\xd8"):  # only JPEG decodes faster for being reduced
        raise ValueError("only a JPEG can be decoded at a reduced size")
    if data.startswith((b"II*\0", b"MM\0*")):
        data = _with_alpha_ignored(data)
    try:
        photo_HW3 = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED[reduced] | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise Unusable(f"cannot be decoded: {error}") from None
    if photo_HW3 is None:
        raise Unusable("cannot be decoded")
    return cast(Pixels, photo_HW3)


def _with_alpha_ignored(tiff: bytes) -> bytes:
    """The same TIFF, but with its colours said to be multiplied by its alpha already.

    Else OpenCV's reader multiplies them, so that what is transparent gets dark, which it leaves alone in PNG and WebP.
    Nothing else in the file depends on it. What makes no sense is left to the reader to refuse.
    """
    layout = Tiff.of(tiff)
    directory = layout and layout.directory(tiff, layout.offset_at(tiff, layout.first))
    entry = directory.entries.get(_EXTRA_SAMPLES) if directory else None
    if layout is None or entry is None or layout.numbers(tiff, entry, most=1) != (2,):
        return tiff
    if struct.unpack_from(layout.order + "H", tiff, entry + 2) != (_SHORT,):
        return tiff
    at = layout.value_at(entry)
    return tiff[:at] + struct.pack(layout.order + "H", 1) + tiff[at + 2 :]


def decode_crop(data: bytes, crop: Crop, size: tuple[int, int], orientation: int, out_HW3: Pixels) -> None:
    """Write one crop of an encoded photo into `out_HW3`: RGB uint8, square, of the size that it gets.

    `size` is the photo's (width, height) as seen. Unusable if the photo is damaged or no longer of that size.
    """
    header = check(data, size if orientation < 5 else size[::-1])
    reduced = reduction(crop.side, len(out_HW3)) if header.format == "jpeg" else 1
    photo_HW3 = decode(data, reduced)
    x, y = (edge // reduced for edge in stored_corner(crop.x, crop.y, crop.side, *size, orientation))
    side = crop.side // reduced
    square_HW3 = photo_HW3[y : y + side, x : x + side]
    if square_HW3.shape[:2] != (side, side):
        raise Unusable("its pixels are fewer than its header says")
    # INTER_AREA averages what falls into a pixel, so that shrinking makes no false patterns; enlarging interpolates.
    method = cv2.INTER_AREA if side > len(out_HW3) else cv2.INTER_LINEAR
    resized_HW3 = cast(Pixels, cv2.resize(square_HW3, out_HW3.shape[:2], interpolation=method))
    if orientation != 1:
        resized_HW3 = np.ascontiguousarray(upright(resized_HW3, orientation))
    if crop.flip:
        resized_HW3 = cast(Pixels, cv2.flip(resized_HW3, 1))
    cv2.cvtColor(resized_HW3, cv2.COLOR_BGR2RGB, dst=out_HW3)  # 0.05 ms; reversing channels by numpy strides: 0.5 ms
