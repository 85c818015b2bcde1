"""Masks in files: reading them in the forms that people have them."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from data.orientation import upright
from data.pillow import open_image
from engine.inference.mask import Mask, OtherSize, check_size
from engine.inference.photo import DECODE_ERRORS, orientation_of, read_content

EDGE = 1 / 16
"""A mask's values are near 0, or near its largest one, within this share of the largest."""

MOST_BETWEEN = 3 / 4
"""The share of a mask's pixels that may be near neither. Of 200 photos 181 have more (the median: 0.93). A soft brush
or a blur leaves 0.1 to 0.2, and 0.7 if it is as wide as the picture."""

SMALL = 64
"""Masks with a side below this may be all edge, as the box of a dot painted on a page is."""


def read_mask(path: Path, threshold: float = 0.5, invert: bool = False, size: tuple[int, ...] | None = None) -> Mask:
    """The mask in an image file, upright (its EXIF orientation applied).

    Of a picture with an alpha channel that varies, the alpha if the colours that are seen do not vary, else the
    colours, those that are not seen as black; of a colour picture, the brightest channel. Values are relative to the
    largest value that the picture could hold, unless all are 0 and 1, and at least `threshold` means hole (`invert`:
    below it). ValueError if the file cannot be read, has values of which none reaches `threshold`, is a photo by the
    look of it (see `MOST_BETWEEN`), or has not the photo's `size` (height, width), which is mostly seen before it is
    decoded.
    """
    return parse_mask(read_content(path, "mask"), str(path), threshold, invert, size)


def parse_mask(
    content: bytes,
    name: str = "",
    threshold: float = 0.5,
    invert: bool = False,
    size: tuple[int, ...] | None = None,
) -> Mask:
    """The mask in a file's bytes; `name` is for errors. ValueError as `read_mask`, of another size OtherSize."""
    called = f"mask {name}" if name else "mask"
    try:
        with open_image(content) as image:
            stated = (image.height, image.width)
            if size is not None and sorted(stated) != sorted(size):
                check_size(stated, size)  # not even on its side, by its orientation: not worth decoding
            mask_HW = mask_in(image, threshold, invert)
    except OtherSize:
        raise
    except UnidentifiedImageError as error:
        raise ValueError(f"cannot read the {called}: it is no picture, or its beginning is damaged") from error
    except DECODE_ERRORS as error:
        raise ValueError(f"cannot read the {called}: {error or type(error).__name__}") from error
    if size is not None:
        check_size(mask_HW.shape, size)
    return mask_HW


def mask_in(image: Image.Image, threshold: float = 0.5, invert: bool = False) -> Mask:
    """The mask in an opened image; see `read_mask`."""
    image.load()  # Pillow turns a TIFF upright while it loads, and then forgets its orientation
    values_HW, scale = mask_values(image)
    values_HW = np.ascontiguousarray(upright(values_HW, orientation_of(image)))
    largest = values_HW.max()
    if 0 < largest < threshold:
        raise ValueError(
            f"its largest value is {largest * scale:g} of {scale}, and a hole begins at {threshold * scale:g} "
            "(--mask-threshold): make the hole white"
        )
    between_HW = cv2.inRange(values_HW, float(EDGE * largest), float((1 - EDGE) * largest))
    between = np.count_nonzero(between_HW) / between_HW.size
    if largest > 0 and between > MOST_BETWEEN and min(values_HW.shape) >= SMALL:
        raise ValueError(
            f"{between:.0%} of it is neither dark nor bright and in a mask at most {MOST_BETWEEN:.0%} may be; "
            "is it a photo? Paint the hole white on black"
        )
    return (values_HW < threshold) if invert else (values_HW >= threshold)


def mask_values(image: Image.Image) -> tuple[NDArray[np.float32], int]:
    """The picture's mask in [0, 1], and the picture's value that became 1."""
    if image.mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    if image.mode == "1":
        return np.asarray(image).astype(np.float32), 1
    values = np.asarray(image)
    if values.ndim == 3 and image.mode in ("LA", "RGBA", "La", "RGBa"):
        colours, alpha = values[..., :-1], values[..., -1]
        seen_HW = alpha > 0
        seen_P = colours[seen_HW]
        one_colour = not len(seen_P) or np.array_equal(seen_P.min(0), seen_P.max(0))
        values = alpha if one_colour and alpha.min() < alpha.max() else colours * seen_HW[..., None]
    if values.ndim == 3:
        values = values.max(2)
    largest = 65535 if image.mode.startswith("I") else 255
    if values.max() <= 1:  # what segmentation models write
        largest = 1
    return values.astype(np.float32) / np.float32(largest), largest
