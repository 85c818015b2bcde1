"""Photos out again with no other difference than the hole's, in JPEG too (--lossless-outside).

Measured for a JPEG of 25 megapixels: 2.2 CPU seconds where encoding it again takes 0.3; of 100: a peak of 1.95 GB in
the whole process instead of 1.33.
"""

from pathlib import Path

import cv2
import numpy as np

from data.files import write_atomically
from data.orientation import turned_back
from engine.inference.photos.formats import jpeg
from engine.inference.photos.formats.jpeg_blocks import differing, with_changes
from engine.inference.photos.formats.registry import CODECS
from engine.inference.photos.photo import Photo
from engine.inference.photos.reading import parse_photo
from engine.inference.photos.writing import container_of, write_photo
from engine.inference.pixels import Pixels
from engine.packages import import_optional

REACH = 4 * 8 + 4
"""A changed pixel changes at most the block of chroma that it lies in, whose samples are up to 4 pixels wide, and the
pixels beside it where decoders interpolate between the samples."""


def check_lossless(photo: Photo, out: Path) -> None:
    """ValueError if `photo` cannot be written to `out` without a change outside the hole."""
    container = container_of(out)
    if container == "JPEG":
        if photo.container != "JPEG":
            raise ValueError(
                f"{out} would be a JPEG of a {photo.container}, which changes every pixel; without "
                "--lossless-outside that is allowed, and a .png changes none"
            )
        import_optional("jpeglib")
    elif loss := CODECS[container].loss(photo):
        raise ValueError(f"{out} would be a {loss}, which changes every pixel; write a .png")


def write_losslessly(path: Path, photo: Photo, pixels_HW3: Pixels) -> None:
    """`write_photo`, but in a JPEG all blocks without a changed pixel keep their coefficients.

    ValueError if `check_lossless` or the JPEG's compression does not allow that.
    """
    check_lossless(photo, path)
    if container_of(path) == "JPEG":
        write_atomically(path, changed_jpeg(photo, pixels_HW3))
    else:
        write_photo(path, photo, pixels_HW3)


def changed_jpeg(photo: Photo, pixels_HW3: Pixels) -> bytes:
    """The photo's own JPEG file with these pixels where they are others."""
    before_HW3, after_HW3 = (
        np.ascontiguousarray(turned_back(seen, photo.orientation)) for seen in (photo.pixels_HW3, pixels_HW3)
    )
    try:
        encoded = with_changes(jpeg.without_metadata(photo.file), before_HW3, after_HW3)
    except ValueError as error:
        raise ValueError(f"the photo's JPEG blocks cannot be kept: {error}") from error
    encoded = jpeg.with_metadata(encoded, photo.carried)
    check_outside(photo, pixels_HW3, encoded)
    return encoded


def check_outside(photo: Photo, pixels_HW3: Pixels, encoded: bytes) -> None:
    """ValueError if the file shows other pixels than the photo anywhere but at the changed ones."""
    shown_HW3 = parse_photo(encoded, "as written", max_pixels=pixels_HW3.size).pixels_HW3
    changed_HW = differing(photo.pixels_HW3, pixels_HW3)
    near_HW = cv2.dilate(changed_HW.view(np.uint8), np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)) > 0
    if shown_HW3.shape != pixels_HW3.shape or (differing(shown_HW3, photo.pixels_HW3) & ~near_HW).any():
        raise ValueError("the photo's JPEG blocks cannot be kept: read again, it is another outside the hole")
