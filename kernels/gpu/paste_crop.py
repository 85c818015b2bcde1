# mypy: allow-untyped-defs
# (what is under @triton.jit is compiled, not called)

"""`paste_crop` in Triton: one program per tile of elements, which it writes to the image and, inside, to the patch.

The backward pass gathers where the forward pass scattered, so no two programs write to the same place.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.gpu.tiles import (
    as_bytes,
    element_ptrs,
    element_tiling,
    is_interleaved,
    on_device_of,
    pixel_ptrs,
    split_elements,
    tile_origin,
    tile_positions,
)
from kernels.unit_range import unit_scale

# 16 elements a thread: one 16-byte load of uint8. From the compiled code, not timed on a GPU yet.
TILE = 2048
WARPS = 4


@triton.jit
def _patch_corner(centres_ptr, n, size, height, width):
    """Top left corner (y, x) of photo n's patch: `patch_corners` for one photo."""
    y = tl.load(centres_ptr + 2 * n).to(tl.int32) - size // 2
    x = tl.load(centres_ptr + 2 * n + 1).to(tl.int32) - size // 2
    return tl.minimum(tl.maximum(y, 0), height - size), tl.minimum(tl.maximum(x, 0), width - size)


@triton.jit
def _paste_crop_forward_kernel(
    generated_ptr,  # (N, 3, H, W) floating
    generated_strides,
    image_ptr,  # (N, 3, H, W) floating or uint8
    image_strides,
    mask_ptr,  # (N, 1, H, W), not 0 = hole
    mask_strides,
    centres_ptr,  # (N, 2), y and x
    completed_ptr,  # (N, 3, H, W), interleaved where `generated` is
    completed_strides,
    patches_ptr,  # (N, size, size, 3), dense
    size,
    height,
    width,
    INTERLEAVED: tl.constexpr,
    IMAGE_FLAT: tl.constexpr,
    IMAGE_SCALE: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    channels: tl.constexpr = 3 if INTERLEAVED else 1
    image, y0, e0 = tile_origin(height, width * channels, ROWS, COLUMNS)
    row, column = tile_positions(ROWS, COLUMNS)
    inside = (row < height - y0) & (column < width * channels - e0)
    n, x0, x, channel = split_elements(image, e0, column, INTERLEAVED)

    hole = tl.load(pixel_ptrs(mask_ptr, mask_strides, n, y0, row, x0, x), mask=inside, other=0) != 0
    ptrs = element_ptrs(generated_ptr, generated_strides, n, y0, row, x0, x, channel, e0, column, INTERLEAVED)
    generated = tl.load(ptrs, mask=inside, other=0)
    ptrs = element_ptrs(image_ptr, image_strides, n, y0, row, x0, x, channel, e0, column, IMAGE_FLAT)
    known = tl.load(ptrs, mask=inside, other=0).to(tl.float32) * IMAGE_SCALE
    completed = tl.where(hole, generated, known.to(generated.dtype))
    ptrs = element_ptrs(completed_ptr, completed_strides, n, y0, row, x0, x, channel, e0, column, INTERLEAVED)
    tl.store(ptrs, completed, mask=inside)

    # Most tiles miss the patch, and what follows is half of the arithmetic: hence the branch.
    corner_y, corner_x = _patch_corner(centres_ptr, n, size, height, width)
    first_y, first_x = (y0 - corner_y).to(tl.int32), (x0 - corner_x).to(tl.int32)
    if (first_y < size) & (first_y > -ROWS) & (first_x < size) & (first_x > -COLUMNS):
        y, x = first_y + row, first_x + x
        inside &= (y >= 0) & (y < size) & (x >= 0) & (x < size)
        tl.store(patches_ptr + n * size * size * 3 + (y * size + x) * 3 + channel, completed, mask=inside)


@triton.jit
def _paste_crop_backward_kernel(
    completed_grad_ptr,  # (N, 3, H, W) floating
    completed_grad_strides,
    patches_grad_ptr,  # (N, 3, size, size) floating
    patches_grad_strides,
    mask_ptr,  # (N, 1, H, W), not 0 = hole
    mask_strides,
    centres_ptr,  # (N, 2), y and x
    grad_ptr,  # (N, 3, H, W), like `generated`
    grad_strides,
    size,
    height,
    width,
    INTERLEAVED: tl.constexpr,
    COMPLETED_FLAT: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    channels: tl.constexpr = 3 if INTERLEAVED else 1
    image, y0, e0 = tile_origin(height, width * channels, ROWS, COLUMNS)
    row, column = tile_positions(ROWS, COLUMNS)
    inside = (row < height - y0) & (column < width * channels - e0)
    n, x0, x, channel = split_elements(image, e0, column, INTERLEAVED)

    hole = tl.load(pixel_ptrs(mask_ptr, mask_strides, n, y0, row, x0, x), mask=inside, other=0) != 0
    ptrs = element_ptrs(
        completed_grad_ptr, completed_grad_strides, n, y0, row, x0, x, channel, e0, column, COMPLETED_FLAT
    )
    grad = tl.load(ptrs, mask=inside, other=0).to(tl.float32)
    corner_y, corner_x = _patch_corner(centres_ptr, n, size, height, width)
    y, x_ = (y0 - corner_y).to(tl.int32) + row, (x0 - corner_x).to(tl.int32) + x
    in_patch = inside & (y >= 0) & (y < size) & (x_ >= 0) & (x_ < size)
    ptrs = pixel_ptrs(patches_grad_ptr, patches_grad_strides, n, 0, y, 0, x_)
    ptrs += channel * patches_grad_strides[1]
    grad += tl.load(ptrs, mask=in_patch, other=0).to(tl.float32)
    ptrs = element_ptrs(grad_ptr, grad_strides, n, y0, row, x0, x, channel, e0, column, INTERLEAVED)
    tl.store(ptrs, tl.where(hole, grad, 0.0).to(grad_ptr.dtype.element_ty), mask=inside)


def forward(
    generated_N3HW: Tensor, image_N3HW: Tensor, mask_N1HW: Tensor, centres_N2: Tensor, patch_size: int
) -> tuple[Tensor, Tensor]:
    """The composite, laid out like `generated_N3HW`, and the patches, channels-last."""
    batch, _, height, width = generated_N3HW.shape
    mask_N1HW = as_bytes(mask_N1HW)
    completed_N3HW = torch.empty_like(generated_N3HW)
    patches_NPP3 = generated_N3HW.new_empty((batch, patch_size, patch_size, 3))
    interleaved = is_interleaved(generated_N3HW)
    tiles = element_tiling(generated_N3HW, TILE, dense_rows=False)
    with on_device_of(generated_N3HW):
        _paste_crop_forward_kernel[(tiles.programs,)](
            generated_N3HW, generated_N3HW.stride(), image_N3HW, image_N3HW.stride(), mask_N1HW, mask_N1HW.stride(),
            centres_N2.contiguous(), completed_N3HW, completed_N3HW.stride(), patches_NPP3, patch_size, height, width,
            INTERLEAVED=interleaved,
            IMAGE_FLAT=interleaved and is_interleaved(image_N3HW),
            IMAGE_SCALE=unit_scale(image_N3HW),
            ROWS=tiles.rows, COLUMNS=tiles.columns, num_warps=WARPS, enable_fp_fusion=False,
        )  # fmt: skip
    return completed_N3HW, patches_NPP3.permute(0, 3, 1, 2)


def backward(completed_grad_N3HW: Tensor, patches_grad_N3PP: Tensor, mask_N1HW: Tensor, centres_N2: Tensor) -> Tensor:
    """The gradient of `generated_N3HW`, laid out like that of the composite."""
    _, _, height, width = completed_grad_N3HW.shape
    mask_N1HW = as_bytes(mask_N1HW)
    grad_N3HW = torch.empty_like(completed_grad_N3HW)
    interleaved = is_interleaved(grad_N3HW)
    tiles = element_tiling(grad_N3HW, TILE, dense_rows=False)
    with on_device_of(grad_N3HW):
        _paste_crop_backward_kernel[(tiles.programs,)](
            completed_grad_N3HW, completed_grad_N3HW.stride(), patches_grad_N3PP, patches_grad_N3PP.stride(),
            mask_N1HW, mask_N1HW.stride(), centres_N2.contiguous(), grad_N3HW, grad_N3HW.stride(),
            patches_grad_N3PP.shape[2], height, width,
            INTERLEAVED=interleaved,
            COMPLETED_FLAT=interleaved and is_interleaved(completed_grad_N3HW),
            ROWS=tiles.rows, COLUMNS=tiles.columns, num_warps=WARPS, enable_fp_fusion=False,
        )  # fmt: skip
    return grad_N3HW
