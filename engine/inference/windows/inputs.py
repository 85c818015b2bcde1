"""The network's input for windows of a photo: cut out of it, and as the array that runtimes without PyTorch take."""

import numpy as np
from numpy.typing import NDArray

from engine.inference.holes.mask import Mask
from engine.inference.pixels import Pixels
from engine.inference.windows.plan import Window
from engine.spec import CompletionSpec

UNIT = np.float32(1 / 255)
"""The factor that brings 8 bits into [0, 1], a product as in `kernels.unit_range`: a division rounds differently."""


def cut_out(photo_HW3: Pixels, hole_HW: Mask, windows: list[Window]) -> tuple[Pixels, NDArray[np.bool_]]:
    """The pixels and the mask of windows of one size: `pixels_NHW3`, uint8 or fp32 in [0, 1], and `mask_NHW`.

    Where the photo's sides are no multiples of 4, it is mirrored.
    """
    height, width = windows[0].size
    pixels_NHW3 = np.empty((len(windows), height, width, 3), photo_HW3.dtype)
    mask_NHW = np.empty((len(windows), height, width), np.bool_)
    for n, window in enumerate(windows):
        top, left, bottom, right = window.outer
        pixels_HW3, mask_HW = photo_HW3[top:bottom, left:right], hole_HW[top:bottom, left:right]
        ends = ((0, height - mask_HW.shape[0]), (0, width - mask_HW.shape[1]))
        if np.any(ends):
            pixels_HW3 = np.pad(pixels_HW3, (*ends, (0, 0)), mode="symmetric")
            mask_HW = np.pad(mask_HW, ends, mode="symmetric")
        pixels_NHW3[n], mask_NHW[n] = pixels_HW3, mask_HW
    if photo_HW3.dtype == np.uint16:
        pixels_NHW3 = pixels_NHW3.astype(np.float32) / 65535
    return pixels_NHW3, mask_NHW


def holed_array(pixels_NHW3: Pixels, mask_NHW: NDArray[np.bool_], spec: CompletionSpec) -> NDArray[np.float32]:
    """`holed_N4HW`, fp32, of what `cut_out` returns: RGB in [0, 1] and the mask, 1 in holes.

    Holes get the mean pixel, unless they have been filled smoothly.
    """
    count, height, width = mask_NHW.shape
    holed_N4HW = np.empty((count, 4, height, width), np.float32)
    unit = UNIT if pixels_NHW3.dtype == np.uint8 else np.float32(1)
    np.multiply(pixels_NHW3.transpose(0, 3, 1, 2), unit, out=holed_N4HW[:, :3])
    holed_N4HW[:, 3] = mask_NHW
    if spec.fill != "smooth":
        mean_3 = np.array(spec.mean_pixel, np.float32)[:, None, None]
        np.copyto(holed_N4HW[:, :3], mean_3, where=mask_NHW[:, None])
    return holed_N4HW
