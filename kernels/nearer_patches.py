"""The inner loop of a search for similar patches: try one source patch for each target, keep the nearer one.

Patches are rows of descriptors with integer values in fp32. Distances stay below 2**24, where fp32 adds integers
without rounding: every implementation, order of summation and number of threads gives the same bits.

Bytes moved per target with K numbers in a descriptor, where the candidate is not yet the best: 8 K + 36; plain PyTorch
writes and reads the candidates' rows, the differences and their squares besides, 20 K more.
"""

import torch
from torch import Tensor

from kernels.launch import use_triton


def nearer_patches(
    sources_MK: Tensor, targets_NK: Tensor, candidates_N: Tensor, best_N: Tensor, distance_N: Tensor, favour: float
) -> tuple[Tensor, Tensor]:
    """The better of `best_N` and `candidates_N` for each target, with its distance: (best_N, distance_N), new tensors.

    `sources_MK` and `targets_NK` are fp32 with integer values; candidates and best are int64 rows of the sources, a
    negative candidate is none. `distance_N` is fp32, the squared distance of the best. A candidate wins where its own
    is less than `favour` times that: more than 1 favours candidates.

    ValueError if shapes or dtypes are others.
    """
    check(sources_MK, targets_NK, candidates_N, best_N, distance_N)
    if use_triton("nearer_patches", sources_MK.device):
        return nearer_patches_op(sources_MK, targets_NK, candidates_N, best_N, distance_N, favour)
    return nearer_patches_reference(sources_MK, targets_NK, candidates_N, best_N, distance_N, favour)


def nearer_patches_reference(
    sources_MK: Tensor, targets_NK: Tensor, candidates_N: Tensor, best_N: Tensor, distance_N: Tensor, favour: float
) -> tuple[Tensor, Tensor]:
    """`nearer_patches` in plain PyTorch, for the targets whose candidate is another than their best."""
    tried_T = torch.nonzero((candidates_N >= 0) & (candidates_N != best_N))[:, 0]
    best_N, distance_N = best_N.clone(), distance_N.clone()
    rows_T = candidates_N[tried_T]
    difference_TK = sources_MK.index_select(0, rows_T).sub_(targets_NK.index_select(0, tried_T))
    found_T = difference_TK.square_().sum(1)
    won_T = found_T < favour * distance_N[tried_T]
    winners = tried_T[won_T]
    best_N[winners] = rows_T[won_T]
    distance_N[winners] = found_T[won_T]
    return best_N, distance_N


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
    count, width = targets_NK.shape
    if sources_MK.ndim != 2 or sources_MK.shape[1] != width:
        raise ValueError(f"sources are of shape {tuple(sources_MK.shape)}; targets have descriptors of {width} numbers")
    for name, values, dtype in (
        ("candidates", candidates_N, torch.int64), ("best", best_N, torch.int64), ("distance", distance_N, torch.float32),
    ):  # fmt: skip
        if values.shape != (count,) or values.dtype != dtype:
            raise ValueError(
                f"{name} is {values.dtype} of shape {tuple(values.shape)}; it must be {dtype} of shape ({count},)"
            )
    if sources_MK.dtype != torch.float32 or targets_NK.dtype != torch.float32:
        raise ValueError(f"descriptors are {sources_MK.dtype} and {targets_NK.dtype}; they must be float32")
