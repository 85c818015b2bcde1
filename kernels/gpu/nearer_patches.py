# mypy: allow-untyped-defs
# (what is under @triton.jit is compiled, not called)

"""`nearer_patches` in Triton: one program per block of targets, whose rows and those of their candidates it reads once.

A target without a candidate, or whose candidate is its best, reads no row.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.gpu.tiles import on_device_of
from kernels.nearer_patches import FARTHEST

# 8 targets a warp, whose rows are on their way at once. From the compiled code (sm_90, rows of 34), not timed on a GPU
# yet: 16 a warp take 141 registers a thread instead of 88.
BLOCK = 32
WARPS = 4


@triton.jit
def _nearer_patches_kernel(
    sources_ptr,  # (M, K) fp32, rows SOURCE_STRIDE apart
    targets_ptr,  # (N, K) fp32, rows TARGET_STRIDE apart
    candidates_ptr,  # (N,) int64: a row of the sources; negative is none
    best_ptr,  # (N,) int64
    distance_ptr,  # (N,) fp32
    new_best_ptr,  # (N,) int64
    new_distance_ptr,  # (N,) fp32
    targets,
    favour,
    K: tl.constexpr,
    SOURCE_STRIDE: tl.constexpr,
    TARGET_STRIDE: tl.constexpr,
    FARTHEST: tl.constexpr,
    BLOCK: tl.constexpr,
    WIDTH: tl.constexpr,  # the power of two from K on
):
    first = tl.program_id(0).to(tl.int64) * BLOCK
    target = first + tl.arange(0, BLOCK)
    inside = target < targets
    candidate = tl.load(candidates_ptr + target, mask=inside, other=-1)
    best = tl.load(best_ptr + target, mask=inside, other=-1)
    distance = tl.load(distance_ptr + target, mask=inside, other=0.0)
    tried = (candidate >= 0) & (candidate != best)

    k = tl.arange(0, WIDTH)[None, :]
    read = tried[:, None] & (k < K)
    source_row = tl.load(sources_ptr + candidate[:, None] * SOURCE_STRIDE + k, mask=read, other=0.0)
    target_row = tl.load(targets_ptr + target[:, None] * TARGET_STRIDE + k, mask=read, other=0.0)
    difference = source_row - target_row
    found = tl.minimum(tl.sum(difference * difference, axis=1), FARTHEST)

    won = tried & (found < favour * distance)
    tl.store(new_best_ptr + target, tl.where(won, candidate, best), mask=inside)
    tl.store(new_distance_ptr + target, tl.where(won, found, distance), mask=inside)


def launch(
    sources_MK: Tensor, targets_NK: Tensor, candidates_N: Tensor, best_N: Tensor, distance_N: Tensor, favour: float
) -> tuple[Tensor, Tensor]:
    """New best and distance."""
    count, width = targets_NK.shape
    sources_MK, targets_NK = (
        rows if rows.stride(1) == 1 or width == 1 else rows.contiguous() for rows in (sources_MK, targets_NK)
    )
    new_best_N = torch.empty_like(best_N, memory_format=torch.contiguous_format)
    new_distance_N = torch.empty_like(distance_N, memory_format=torch.contiguous_format)
    with on_device_of(sources_MK):
        _nearer_patches_kernel[(triton.cdiv(count, BLOCK),)](
            sources_MK, targets_NK, candidates_N.contiguous(), best_N.contiguous(), distance_N.contiguous(),
            new_best_N, new_distance_N, count, favour,
            K=width, SOURCE_STRIDE=sources_MK.stride(0), TARGET_STRIDE=targets_NK.stride(0),
            FARTHEST=FARTHEST, BLOCK=BLOCK, WIDTH=triton.next_power_of_2(width),
            num_warps=WARPS, enable_fp_fusion=False,
        )  # fmt: skip
    return new_best_N, new_distance_N
