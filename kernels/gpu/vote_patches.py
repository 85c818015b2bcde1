# mypy: allow-untyped-defs
# (what is under @triton.jit is compiled, not called)

"""`vote_patches` in Triton: one program per tile of values (one channel of one pixel each), one lane per value.

Neighbouring lanes read the same patches and neighbouring pixels; what they share comes from the caches.
"""

import triton
import triton.language as tl
from torch import Tensor

from kernels.gpu.tiles import on_device_of, tile_origin, tile_positions, tiling
from kernels.vote_patches import REACH, STEP

# One value a thread: holes are small, and their pixels few. From the compiled code, not timed on a GPU yet.
TILE = 256
WARPS = 8


@triton.jit
def _vote_patches_kernel(
    image_ptr,  # (P, C) fp32 or fp64, dense
    stride,  # columns of the image
    patches_ptr,  # (H, W) int64
    patches_stride,
    weights_ptr,  # (H, W), in the image's dtype
    weights_stride,
    voted_ptr,  # (height, width, C) in the image's dtype, dense
    height,  # H - 2 * REACH
    width,  # W - 2 * REACH
    C: tl.constexpr,
    REACH: tl.constexpr,
    STEP: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    _, y0, e0 = tile_origin(height, width * C, ROWS, COLUMNS)
    row, column = tile_positions(ROWS, COLUMNS)
    y, element = y0 + row, e0 + column
    x, channel = element // C, element % C
    inside = (y < height) & (element < width * C)

    weighted = tl.zeros((ROWS * COLUMNS,), voted_ptr.dtype.element_ty)
    total = tl.zeros((ROWS * COLUMNS,), voted_ptr.dtype.element_ty)
    for place in tl.static_range(0, (2 * REACH + 1) * (2 * REACH + 1), STEP):
        down, right = place // (2 * REACH + 1), place % (2 * REACH + 1)
        weight = tl.load(weights_ptr + (y + down) * weights_stride + x + right, mask=inside, other=0)
        patch = tl.load(patches_ptr + (y + down) * patches_stride + x + right, mask=inside, other=0)
        # The patch that is `down - REACH` below this pixel has it that much above its middle.
        pixel = patch - (down - REACH) * stride - (right - REACH)
        colour = tl.load(image_ptr + pixel * C + channel, mask=weight > 0, other=0)
        weighted += weight * colour
        total += weight

    divisor = tl.maximum(total, 1)
    # `/` of fp32 is approximate; of fp64 it is IEEE's.
    voted = weighted / divisor if voted_ptr.dtype.element_ty == tl.float64 else tl.div_rn(weighted, divisor)
    tl.store(voted_ptr + y * width * C + element, voted, mask=inside)


def launch(image_PC: Tensor, stride: int, patches_HW: Tensor, weights_HW: Tensor) -> Tensor:
    """`voted_hwC`."""
    height, width = (side - 2 * REACH for side in patches_HW.shape)
    channels = image_PC.shape[1]
    patches_HW, weights_HW = (each if each.stride(1) == 1 else each.contiguous() for each in (patches_HW, weights_HW))
    voted_hwC = image_PC.new_empty(height, width, channels)
    tiles = tiling(1, height, width * channels, TILE, dense_rows=False)
    with on_device_of(image_PC):
        _vote_patches_kernel[(tiles.programs,)](
            image_PC.contiguous(), stride, patches_HW, patches_HW.stride(0), weights_HW, weights_HW.stride(0),
            voted_hwC, height, width,
            C=channels, REACH=REACH, STEP=STEP, ROWS=tiles.rows, COLUMNS=tiles.columns,
            num_warps=WARPS, enable_fp_fusion=False,
        )  # fmt: skip
    return voted_hwC
