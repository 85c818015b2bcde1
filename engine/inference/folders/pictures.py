"""Pictures that are written beside a result, to look at: the mask, and input | holed | completed."""

from pathlib import Path

import cv2
import numpy as np

from data.files import write_atomically
from engine.inference.holes.mask import Mask
from engine.inference.photos.formats.codec import saved
from engine.inference.photos.writing import container_of
from engine.inference.pixels import Pixels, in_8_bits


def png_of(mask_HW: Mask, bilevel: bool = False) -> bytes:
    """A mask as a PNG, white where it is True: of 8 bits, to be painted on, or of one."""
    options = (cv2.IMWRITE_PNG_BILEVEL, int(bilevel))
    return cv2.imencode(".png", mask_HW.view(np.uint8) * np.uint8(255), options)[1].tobytes()


def write_side_by_side(
    path: Path, photo_HW3: Pixels, hole_HW: Mask, completed_HW3: Pixels, mean_pixel: tuple[float, float, float]
) -> None:
    """The picture input | holed | completed, in 8 bits, whole or not at all. ValueError as `container_of`."""
    holed_HW3 = photo_HW3.copy()
    holed_HW3[hole_HW] = np.rint(np.array(mean_pixel) * np.iinfo(photo_HW3.dtype).max)
    row = in_8_bits(np.concatenate((photo_HW3, holed_HW3, completed_HW3), axis=1))
    write_atomically(path, saved(row, container_of(path)))
