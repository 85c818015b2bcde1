# mypy: allow-untyped-defs
# (what is under @triton.jit is compiled, not called)

"""`fill_holes` in Triton: one program per tile of pixels, four output channels per pixel."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.gpu.tiles import (
    as_bytes,
    has_dense_rows,
    is_interleaved,
    on_device_of,
    pixel_ptrs,
    tile_origin,
    tile_positions,
    tiling,
)
from kernels.unit_range import unit_scale

# 16 pixels a thread: one 16-byte load of uint8 from each plane. From the compiled code, not timed on a GPU yet.
TILE = 2048
WARPS = 4
GROUP = tl.constexpr(16)
"""Pixels of interleaved uint8 RGB that a thread takes at once: 48 bytes, three loads of 16."""


@triton.jit
def _split4(words_G4, G: tl.constexpr):
    """The four columns."""
    even, odd = tl.split(tl.reshape(words_G4, (G, 2, 2)))
    w0, w2 = tl.split(even)
    w1, w3 = tl.split(odd)
    return w0, w1, w2, w3


@triton.jit
def _join4(a, b, c, d):
    """Four tensors (G, ...) as (G, ..., 2, 2) whose last two axes count them in order."""
    return tl.join(tl.join(a, c), tl.join(b, d))


@triton.jit
def _four_pixels(w0, w1, w2, G: tl.constexpr):
    """Twelve bytes RGBRGBRGBRGB in three words -> four words of one pixel each (R lowest, top byte unspecified)."""
    return tl.reshape(_join4(w0, (w0 >> 24) | (w1 << 8), (w1 >> 16) | (w2 << 16), w2 >> 8), (G, 4))


@triton.jit
def _load_interleaved(photo_ptr, photo_y, rows_left, columns_left, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """(tile, 4) of R, G, B, 0 from uint8 RGB that lies pixel by pixel, read as 32-bit words."""
    G: tl.constexpr = ROWS * COLUMNS // GROUP
    group = tl.arange(0, G)
    row, column = group // (COLUMNS // GROUP), group % (COLUMNS // GROUP)
    inside = ((row < rows_left) & (column * GROUP < columns_left))[:, None]
    words_ptr = photo_ptr.to(tl.pointer_type(tl.uint32))
    words_ptr += (row * (photo_y // 4) + column * 12)[:, None] + tl.arange(0, 4)[None, :]
    a0, a1, a2, a3 = _split4(tl.load(words_ptr, mask=inside), G)
    b0, b1, b2, b3 = _split4(tl.load(words_ptr + 4, mask=inside), G)
    c0, c1, c2, c3 = _split4(tl.load(words_ptr + 8, mask=inside), G)
    quads = _join4(
        _four_pixels(a0, a1, a2, G),
        _four_pixels(a3, b0, b1, G),
        _four_pixels(b2, b3, c0, G),
        _four_pixels(c1, c2, c3, G),
    )
    pixels = tl.reshape(tl.permute(quads, (0, 2, 3, 1)), (ROWS * COLUMNS,)) & 0xFFFFFF
    return (pixels[:, None] >> (8 * tl.arange(0, 4)[None, :])) & 0xFF


@triton.jit
def _fill_holes_kernel(
    photo_ptr,  # (N, 3, H, W) uint8 or floating RGB
    photo_strides,
    mask_ptr,  # (N, 1, H, W), not 0 = hole
    mask_strides,
    mean_ptr,  # (3,) fp32
    holed_ptr,  # (N, H, W, 4), dense
    height,
    width,
    INTERLEAVED: tl.constexpr,
    SCALE: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    n, y0, x0 = tile_origin(height, width, ROWS, COLUMNS)
    row, column = tile_positions(ROWS, COLUMNS)
    inside = (row < height - y0) & (column < width - x0)
    hole = tl.load(pixel_ptrs(mask_ptr, mask_strides, n, y0, row, x0, column), mask=inside, other=0) != 0

    channel = tl.arange(0, 4)[None, :]
    if INTERLEAVED:
        photo_ptr += n * photo_strides[0] + y0 * photo_strides[2] + x0 * 3
        rgb = _load_interleaved(photo_ptr, photo_strides[2], height - y0, width - x0, ROWS, COLUMNS)
    else:
        pixels_ptr = pixel_ptrs(photo_ptr, photo_strides, n, y0, row, x0, column)[:, None]
        offset = channel.to(tl.int64) * photo_strides[1]
        rgb = tl.load(pixels_ptr + offset, mask=inside[:, None] & (channel < 3), other=0)
    fill = tl.load(mean_ptr + channel, mask=channel < 3, other=1.0)
    holed = tl.where(hole[:, None], fill, rgb.to(tl.float32) * SCALE)

    # Stored as one flat run: over (pixel, 4) the compiler sees no more than four contiguous elements.
    index = tl.arange(0, 4 * ROWS * COLUMNS)
    row, element = index // (4 * COLUMNS), index % (4 * COLUMNS)
    inside = (row < height - y0) & (element < 4 * (width - x0))
    holed_ptr += ((n * height + y0) * width + x0) * 4
    holed = tl.reshape(holed, (4 * ROWS * COLUMNS,)).to(holed_ptr.dtype.element_ty)
    tl.store(holed_ptr + row * width * 4 + element, holed, mask=inside)


def launch(photo_N3HW: Tensor, mask_N1HW: Tensor, mean_pixel: Tensor, holed_N4HW: Tensor) -> None:
    """Write `holed_N4HW` (channels-last)."""
    batch, _, height, width = photo_N3HW.shape
    mask_N1HW = as_bytes(mask_N1HW)
    tiles = tiling(batch, height, width, TILE, has_dense_rows(photo_N3HW, mask_N1HW))
    with on_device_of(photo_N3HW):
        _fill_holes_kernel[(tiles.programs,)](
            photo_N3HW,
            photo_N3HW.stride(),
            mask_N1HW,
            mask_N1HW.stride(),
            mean_pixel.contiguous(),
            holed_N4HW,
            tiles.height,
            tiles.width,
            INTERLEAVED=_is_aligned_interleaved(photo_N3HW, tiles.width),
            SCALE=unit_scale(photo_N3HW),
            ROWS=tiles.rows,
            COLUMNS=tiles.columns,
            num_warps=WARPS,
            enable_fp_fusion=False,
        )


def _is_aligned_interleaved(photo_N3HW: Tensor, width: int) -> bool:
    """True if uint8 RGB lies pixel by pixel and can be read in groups of 16 pixels, 16 bytes at a time."""
    aligned = (photo_N3HW.stride(0), photo_N3HW.stride(2), width, photo_N3HW.data_ptr())
    return (
        photo_N3HW.dtype == torch.uint8 and is_interleaved(photo_N3HW) and all(number % 16 == 0 for number in aligned)
    )
