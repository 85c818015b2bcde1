# mypy: allow-untyped-defs
# (what is under @triton.jit is compiled, not called)

"""The cutting of a batch of images into tiles, one per program, for every kernel here.

A tile is ROWS x COLUMNS positions of one image, flattened to a vector of ROWS * COLUMNS. A position is a pixel, or
(where the kernel works value by value) an element of a row: in an interleaved image (RGBRGB...) a row is one run of
3 * width elements; any other image counts as three of one channel each.

Offsets are 64 bits wide up to the tile's first position and 32 bits inside the tile, so that no tensor is too large
and no lane does 64-bit arithmetic. Strides are tuples (n, c, y, x), as torch gives them.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

TALL_TILE_ROWS = 8


class Tiling(NamedTuple):
    """The arguments of a kernel's launch: the images' extent as it sees it, the tile, and the number of programs."""

    height: int
    width: int
    rows: int
    columns: int
    programs: int


def tiling(images: int, height: int, width: int, size: int, dense_rows: bool) -> Tiling:
    """Tiles of `size` positions: a run of them where rows follow each other without a gap, else a rectangle."""
    rows = TALL_TILE_ROWS
    if dense_rows and height * width < 2**31 - size:  # a tile's end is counted in int32, too
        height, width, rows = 1, height * width, 1
    columns = size // rows
    return Tiling(height, width, rows, columns, images * triton.cdiv(height, rows) * triton.cdiv(width, columns))


def element_tiling(order: Tensor, size: int, dense_rows: bool) -> Tiling:
    """Tiles of `size` elements of `order_N3HW`, in the order in which it lies in memory."""
    batch, _, height, width = order.shape
    if is_interleaved(order):
        return tiling(batch, height, 3 * width, size, dense_rows)
    return tiling(3 * batch, height, width, size, dense_rows)


def is_interleaved(image_N3HW: Tensor) -> bool:
    """True if each row is one run RGBRGB..."""
    return image_N3HW.stride(1) == 1 and image_N3HW.stride(3) == 3


def has_dense_rows(*images_NCHW: Tensor) -> bool:
    """True if in each of these the first pixel of a row follows the last one of the row before."""
    return all(image.stride(2) == image.shape[3] * image.stride(3) for image in images_NCHW)


def on_device_of(tensor: Tensor) -> torch.cuda.device_of:
    """Triton launches on the current device: make it the tensor's (on the CPU, in the interpreter, do nothing)."""
    return torch.cuda.device_of(tensor)


def as_bytes(mask: Tensor) -> Tensor:
    """bool has no pointer type of its own on the device: the same memory as uint8."""
    return mask.view(torch.uint8) if mask.dtype == torch.bool else mask


@triton.jit
def tile_origin(height, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Image, first row and first position in it (int64 scalars) of this program's tile."""
    blocks_x = tl.cdiv(width, COLUMNS)
    blocks_y = tl.cdiv(height, ROWS)
    image = tl.program_id(0) // (blocks_x * blocks_y)
    block = tl.program_id(0) % (blocks_x * blocks_y)
    y0, x0 = (block // blocks_x).to(tl.int64) * ROWS, (block % blocks_x).to(tl.int64) * COLUMNS
    return image.to(tl.int64), y0, x0


@triton.jit
def tile_positions(ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Row and column inside the tile of each of its positions."""
    index = tl.arange(0, ROWS * COLUMNS)
    return index // COLUMNS, index % COLUMNS


@triton.jit
def split_elements(image, x0, column, INTERLEAVED: tl.constexpr):
    """From images and columns of elements to photos, pixels and channels: n, first x, x from there on, channel."""
    if INTERLEAVED:
        element = (x0 % 3).to(tl.int32) + column
        return image, x0 // 3, element // 3, element % 3
    else:
        return image // 3, x0, column, image % 3


@triton.jit
def pixel_ptrs(ptr, strides, n, y0, row, x0, x):
    """Pointers to pixels of one channel: of a mask (N, 1, H, W), or of an image from its first channel on."""
    return ptr + (n * strides[0] + y0 * strides[2] + x0 * strides[3]) + (row * strides[2] + x * strides[3])


@triton.jit
def element_ptrs(ptr, strides, n, y0, row, x0, x, channel, e0, element, FLAT: tl.constexpr):
    """Pointers into an image (N, 3, H, W); FLAT if it and the tiles are interleaved, so that elements are one run."""
    if FLAT:
        return ptr + (n * strides[0] + y0 * strides[2] + e0) + (row * strides[2] + element)
    else:
        return pixel_ptrs(ptr, strides, n, y0, row, x0, x) + channel.to(tl.int64) * strides[1]
