"""The inner loop of a search for similar patches: try one source patch for each target, keep the nearer one.

Patches are rows of descriptors with integer values in fp32, which adds integers without rounding up to 2**24: every
implementation, order of summation and number of threads gives the same bits.

Bytes moved per target with K numbers in a descriptor: 8 K + 32 (two rows; candidate, best and distance; the results),
or 32 where the candidate is none or already the best. Plain PyTorch writes and reads rows, differences and squares
besides, 32 K more.
"""

import torch
from torch import Tensor

from kernels.checks import check_device
from kernels.launch import use_triton

FARTHEST = 2.0**24
"""The distance that larger ones count as. Squares that add up to more are rounded, in each order differently, but in
every one they come to at least this."""


def nearer_patches(
    sources_MK: Tensor, targets_NK: Tensor, candidates_N: Tensor, best_N: Tensor, distance_N: Tensor, favour: float
) -> tuple[Tensor, Tensor]:
    """The better of `best_N` and `candidates_N` for each target, with its distance: (best_N, distance_N), new tensors.

    `sources_MK` and `targets_NK` are fp32 with integer values; candidates and best are int64 rows of the sources, a
    negative candidate is none. `distance_N` is fp32, the squared distance of the best. A candidate wins where its own
    is less than `favour` times that, rounded to fp32: more than 1 favours candidates. One that is farther than FARTHEST
    counts as that far.

    ValueError if shapes, dtypes or devices are others.
    """
    check(sources_MK, targets_NK, candidates_N, best_N, distance_N)
    if use_triton("nearer_patches", sources_MK.device):
        return nearer_patches_op(sources_MK, targets_NK, candidates_N, best_N, distance_N, favour)
    return nearer_patches_reference(sources_MK, targets_NK, candidates_N, best_N, distance_N, favour)


def nearer_patches_reference(
    sources_MK: Tensor, targets_NK: Tensor, candidates_N: Tensor, best_N: Tensor, distance_N: Tensor, favour: float
) -> tuple[Tensor, Tensor]:
    """`nearer_patches` in plain PyTorch; only targets whose candidate is another than their best are compared."""
    found_N = torch.full_like(distance_N, torch.inf)
    tried_T = torch.nonzero((candidates_N >= 0) & (candidates_N != best_N))[:, 0]
    rows_TK, targets_TK = sources_MK.index_select(0, candidates_N[tried_T]), targets_NK.index_select(0, tried_T)
    found_N.index_copy_(0, tried_T, rows_TK.sub_(targets_TK).square_().sum(1).clamp_(max=FARTHEST))
    won_N = found_N < favour * distance_N
    return torch.where(won_N, candidates_N, best_N), torch.where(won_N, found_N, distance_N)


@torch.library.custom_op("glcic::nearer_patches", mutates_args=())
def nearer_patches_op(
    sources_MK: Tensor, targets_NK: Tensor, candidates_N: Tensor, best_N: Tensor, distance_N: Tensor, favour: float
) -> tuple[Tensor, Tensor]:
    """`nearer_patches` in Triton."""
    from kernels.gpu.nearer_patches import launch

    return launch(sources_MK, targets_NK, candidates_N, best_N, distance_N, favour)


@nearer_patches_op.register_fake
def _fake(
    sources_MK: Tensor, targets_NK: Tensor, candidates_N: Tensor, best_N: Tensor, distance_N: Tensor, favour: float
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(best_N), torch.empty_like(distance_N)


def check(sources_MK: Tensor, targets_NK: Tensor, candidates_N: Tensor, best_N: Tensor, distance_N: Tensor) -> None:
    """ValueError if the arguments of `nearer_patches` do not belong together."""
    for name, descriptors in (("sources", sources_MK), ("targets", targets_NK)):
        if descriptors.ndim != 2 or descriptors.shape[1] == 0 or descriptors.dtype != torch.float32:
            raise ValueError(
                f"{name} is {descriptors.dtype} of shape {tuple(descriptors.shape)}; it must be float32, "
                "one row of at least one number for each patch"
            )
    count, width = targets_NK.shape
    if sources_MK.shape[1] != width:
        raise ValueError(f"sources have descriptors of {sources_MK.shape[1]} numbers, targets of {width}")
    check_device("targets", targets_NK, "sources", sources_MK)
    for name, values, dtype in (
        ("candidates", candidates_N, torch.int64),
        ("best", best_N, torch.int64),
        ("distance", distance_N, torch.float32),
    ):
        if values.shape != (count,) or values.dtype != dtype:
            raise ValueError(
                f"{name} is {values.dtype} of shape {tuple(values.shape)}; it must be {dtype} of shape ({count},)"
            )
        check_device(name, values, "sources", sources_MK)
