# mypy: allow-untyped-defs
# (what is under @triton.jit is compiled, not called)

"""`masked_mse` in Triton: one program per tile of elements; a second kernel of one program adds up the tiles' sums.

Each tile's sum goes to a place of its own and the places are added in a fixed order: no atomics, so the bits are the
same every run.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.gpu.tiles import (
    as_bytes,
    element_ptrs,
    element_tiling,
    has_dense_rows,
    is_interleaved,
    on_device_of,
    pixel_ptrs,
    split_elements,
    tile_origin,
    tile_positions,
)
from kernels.unit_range import unit_scale

# 16 elements a thread: one 16-byte load of uint8. From the compiled code (sm_90, interleaved), not timed on a GPU yet:
# 32 a thread take 62 instructions a pixel instead of 71, but 54 registers instead of 32.
TILE = 4096
WARPS = 8
SUM_BLOCK = 8192
SUM_WARPS = 32


@triton.jit
def _masked_difference(
    completed_ptr,
    completed_strides,
    target_ptr,
    target_strides,
    mask_ptr,
    mask_strides,
    tile,  # image, first row, first element
    row,
    column,
    inside,
    INTERLEAVED: tl.constexpr,
    TARGET_FLAT: tl.constexpr,
    TARGET_SCALE: tl.constexpr,
):
    """completed - target in fp32, 0 outside the hole, for the elements of a tile."""
    image, y0, e0 = tile
    n, x0, x, channel = split_elements(image, e0, column, INTERLEAVED)
    mask_ptrs = pixel_ptrs(mask_ptr, mask_strides, n, y0, row, x0, x)
    hole = tl.load(mask_ptrs, mask=inside, other=0) != 0
    ptrs = element_ptrs(completed_ptr, completed_strides, n, y0, row, x0, x, channel, e0, column, INTERLEAVED)
    completed = tl.load(ptrs, mask=inside, other=0).to(tl.float32)
    ptrs = element_ptrs(target_ptr, target_strides, n, y0, row, x0, x, channel, e0, column, TARGET_FLAT)
    target = tl.load(ptrs, mask=inside, other=0).to(tl.float32) * TARGET_SCALE
    return tl.where(hole, completed - target, 0.0)


@triton.jit
def _masked_mse_forward_kernel(
    completed_ptr,  # (N, 3, H, W) floating
    completed_strides,
    target_ptr,  # (N, 3, H, W) floating or uint8
    target_strides,
    mask_ptr,  # (N, 1, H, W), not 0 = hole
    mask_strides,
    sums_ptr,  # (programs,) fp32: squared differences in each tile's hole
    height,
    width,
    INTERLEAVED: tl.constexpr,
    TARGET_FLAT: tl.constexpr,
    TARGET_SCALE: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    tile = tile_origin(height, width, ROWS, COLUMNS)
    row, column = tile_positions(ROWS, COLUMNS)
    inside = (row < height - tile[1]) & (column < width - tile[2])
    difference = _masked_difference(
        completed_ptr, completed_strides, target_ptr, target_strides, mask_ptr, mask_strides,
        tile, row, column, inside, INTERLEAVED, TARGET_FLAT, TARGET_SCALE,
    )  # fmt: skip
    tl.store(sums_ptr + tl.program_id(0), tl.sum(difference * difference))


@triton.jit
def _masked_mse_reduce_kernel(
    sums_ptr,  # (tiles,) fp32
    sum_ptr,  # () fp32
    tiles,
    BLOCK: tl.constexpr,
):
    index = tl.arange(0, BLOCK)
    sums = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, tiles, BLOCK):
        inside = index < tiles - start
        sums += tl.load(sums_ptr + start + index, mask=inside, other=0.0)
    tl.store(sum_ptr, tl.sum(sums))


@triton.jit
def _masked_mse_backward_kernel(
    completed_ptr,  # (N, 3, H, W) floating
    completed_strides,
    target_ptr,  # (N, 3, H, W) floating or uint8
    target_strides,
    mask_ptr,  # (N, 1, H, W), not 0 = hole
    mask_strides,
    sum_grad_ptr,  # () fp32
    grad_ptr,  # (N, 3, H, W), interleaved where `completed` is
    grad_strides,
    height,
    width,
    INTERLEAVED: tl.constexpr,
    TARGET_FLAT: tl.constexpr,
    TARGET_SCALE: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    tile = tile_origin(height, width, ROWS, COLUMNS)
    row, column = tile_positions(ROWS, COLUMNS)
    inside = (row < height - tile[1]) & (column < width - tile[2])
    difference = _masked_difference(
        completed_ptr, completed_strides, target_ptr, target_strides, mask_ptr, mask_strides,
        tile, row, column, inside, INTERLEAVED, TARGET_FLAT, TARGET_SCALE,
    )  # fmt: skip
    image, y0, e0 = tile
    n, x0, x, channel = split_elements(image, e0, column, INTERLEAVED)
    grad = difference * (2.0 * tl.load(sum_grad_ptr))
    ptrs = element_ptrs(grad_ptr, grad_strides, n, y0, row, x0, x, channel, e0, column, INTERLEAVED)
    tl.store(ptrs, grad.to(grad_ptr.dtype.element_ty), mask=inside)


def _layout(completed_N3HW: Tensor, target_N3HW: Tensor, *others: Tensor) -> tuple[int, int, int, dict[str, Any]]:
    """Programs, height, width and the constants that both kernels are compiled for."""
    interleaved = is_interleaved(completed_N3HW)
    tiles = element_tiling(completed_N3HW, TILE, has_dense_rows(completed_N3HW, target_N3HW, *others))
    constants = {
        "INTERLEAVED": interleaved,
        "TARGET_FLAT": interleaved and is_interleaved(target_N3HW),
        "TARGET_SCALE": unit_scale(target_N3HW),
        "ROWS": tiles.rows,
        "COLUMNS": tiles.columns,
        "num_warps": WARPS,
        "enable_fp_fusion": False,
    }
    return tiles.programs, tiles.height, tiles.width, constants


def forward(completed_N3HW: Tensor, target_N3HW: Tensor, mask_N1HW: Tensor) -> Tensor:
    """The sum of squared errors inside the mask."""
    mask_N1HW = as_bytes(mask_N1HW)
    programs, height, width, constants = _layout(completed_N3HW, target_N3HW, mask_N1HW)
    sums = completed_N3HW.new_empty(programs, dtype=torch.float32)
    total = sums.new_empty(())
    with on_device_of(completed_N3HW):
        _masked_mse_forward_kernel[(programs,)](
            completed_N3HW, completed_N3HW.stride(), target_N3HW, target_N3HW.stride(), mask_N1HW, mask_N1HW.stride(),
            sums, height, width, **constants,
        )  # fmt: skip
        _masked_mse_reduce_kernel[(1,)](
            sums, total, programs, BLOCK=SUM_BLOCK, num_warps=SUM_WARPS, enable_fp_fusion=False
        )
    return total


def backward(sum_grad: Tensor, completed_N3HW: Tensor, target_N3HW: Tensor, mask_N1HW: Tensor) -> Tensor:
    """The gradient of `completed_N3HW`, in its dtype and layout."""
    mask_N1HW = as_bytes(mask_N1HW)
    grad_N3HW = torch.empty_like(completed_N3HW)
    programs, height, width, constants = _layout(completed_N3HW, target_N3HW, mask_N1HW, grad_N3HW)
    with on_device_of(completed_N3HW):
        _masked_mse_backward_kernel[(programs,)](
            completed_N3HW, completed_N3HW.stride(), target_N3HW, target_N3HW.stride(), mask_N1HW, mask_N1HW.stride(),
            sum_grad, grad_N3HW, grad_N3HW.stride(), height, width, **constants,
        )  # fmt: skip
    return grad_N3HW
