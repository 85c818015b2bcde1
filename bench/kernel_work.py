"""What the kernels are measured at: each operation by the kernel and by plain PyTorch.

Those of training on a batch; those of patch synthesis on a hole of 120x120 in some 360x360 pixels of a photo.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from kernels.fill_holes import fill_holes, fill_holes_reference
from kernels.masked_mse import masked_mse, masked_sum_reference
from kernels.nearer_patches import nearer_patches, nearer_patches_reference
from kernels.paste_crop import paste_crop, paste_crop_reference
from kernels.vote_patches import REACH, vote_patches, vote_patches_reference

SIDE, PATCH = 256, 128


class Inputs(NamedTuple):
    """One call's worth of a training batch."""

    photo: Tensor
    mask: Tensor
    centres: Tensor
    generated: Tensor
    mean_pixel: Tensor


class Work(NamedTuple):
    """The same work done by the kernel and by plain PyTorch, and the bytes per pixel that it must move."""

    fused: Callable[[Inputs], Any]
    plain: Callable[[Inputs], Any]
    around: Callable[[Callable[[Inputs], Any]], Callable[[Inputs], Any]]
    """What either is called in: without gradients, or with its backward pass."""
    bytes_per_pixel: float


def fill_by(fill: Callable[..., Tensor]) -> Callable[[Inputs], Tensor]:
    return lambda inputs: fill(inputs.photo, inputs.mask, inputs.mean_pixel, torch.bfloat16)


def loss(inputs: Inputs) -> Tensor:
    return masked_mse(inputs.generated, inputs.photo, inputs.mask, inputs.mask.numel())


def loss_plain(inputs: Inputs) -> Tensor:
    return masked_sum_reference(inputs.generated, inputs.photo, inputs.mask) / inputs.mask.numel()


def paste_by(paste: Callable[..., tuple[Tensor, Tensor]]) -> Callable[[Inputs], tuple[Tensor, Tensor]]:
    return lambda inputs: paste(inputs.generated, inputs.photo, inputs.mask, inputs.centres, PATCH)


def without_grad(function: Callable[[Inputs], Any]) -> Callable[[Inputs], Any]:
    return torch.no_grad()(function)


def with_backward(function: Callable[[Inputs], Any]) -> Callable[[Inputs], Any]:
    """Forward and backward; the results stand in for their own gradients, so that none has to be made."""

    def both(inputs: Inputs) -> Any:
        results = function(inputs)
        results = results if isinstance(results, tuple) else (results,)
        return results, torch.autograd.grad(results, inputs.generated, [result.detach() for result in results])

    return both


WORK = {
    "fill_holes": Work(fill_by(fill_holes), fill_by(fill_holes_reference), without_grad, 12),
    "masked_mse": Work(loss, loss_plain, without_grad, 10),
    "masked_mse and backward": Work(loss, loss_plain, with_backward, 10 + 16),
    "paste_crop": Work(paste_by(paste_crop), paste_by(paste_crop_reference), without_grad, 17.5),
    "paste_crop and backward": Work(paste_by(paste_crop), paste_by(paste_crop_reference), with_backward, 17.5 + 14.5),
}


def make_inputs(batch: int, memory_format: torch.memory_format, device: str = "cuda") -> Inputs:
    photo = torch.randint(0, 256, (batch, 3, SIDE, SIDE), dtype=torch.uint8, device=device)
    photo = photo.contiguous(memory_format=memory_format)
    corners, sides = torch.randint(0, 128, (batch, 1, 2)), torch.randint(96, 129, (batch, 1, 2))
    mask = torch.zeros(batch, 1, SIDE, SIDE, dtype=torch.bool)
    for one_HW, (y, x), (height, width) in zip(mask[:, 0], corners[:, 0].tolist(), sides[:, 0].tolist(), strict=True):
        one_HW[y : y + height, x : x + width] = True
    return Inputs(
        photo=photo,
        mask=mask.to(device),
        centres=(corners + sides // 2)[:, 0].to(device),
        generated=torch.rand_like(photo, dtype=torch.bfloat16).requires_grad_(),
        mean_pixel=torch.rand(3, device=device),
    )


AROUND, TARGETS, NUMBERS = 360, 126, 34
"""Columns and rows of the pixels around the hole; patches a side that reach into it; numbers in a descriptor."""


class PatchWork(NamedTuple):
    """The same step of patch synthesis by the kernel and by plain PyTorch, and the bytes that it must move."""

    fused: Callable[..., Any]
    plain: Callable[..., Any]
    arguments: Callable[[str], tuple[Any, ...]]
    """For a device."""
    moved: float


def some_patches(shape: tuple[int, ...]) -> Tensor:
    """Pixels, at random, around which lies a patch."""
    row, column = torch.randint(REACH, AROUND - REACH, (2, *shape))
    return row * AROUND + column


def search(device: str) -> tuple[Any, ...]:
    """Every target tries another source than it has."""
    sources_MK, targets_NK = (
        torch.randint(-200, 201, (count, NUMBERS), dtype=torch.float32) for count in (AROUND**2, TARGETS**2)
    )
    candidates_N, best_N = some_patches((2, TARGETS**2))
    distance_N = (sources_MK[best_N] - targets_NK).square().sum(1)
    tensors = (sources_MK, targets_NK, candidates_N, best_N, distance_N)
    return *(tensor.to(device) for tensor in tensors), 1.15


def vote(device: str) -> tuple[Any, ...]:
    image_PC = torch.randint(0, 256, (AROUND**2, 3), dtype=torch.float32)
    sides = (TARGETS + 2 * REACH, TARGETS + 2 * REACH)
    weights_HW = torch.randint(1, 1024, sides, dtype=torch.float32)
    return image_PC.to(device), AROUND, some_patches(sides).to(device), weights_HW.to(device)


PATCH_WORK = {
    "nearer_patches": PatchWork(nearer_patches, nearer_patches_reference, search, (8 * NUMBERS + 32) * TARGETS**2),
    "vote_patches": PatchWork(vote_patches, vote_patches_reference, vote, 612 * TARGETS**2),
}
