"""The completion loss: squared differences inside the hole, read once, reduced in a fixed order in fp32.

Bytes moved per pixel, for a bf16 result, a uint8 target and a one-byte mask: forward 6 + 3 + 1 = 10 read; backward the
same again and 6 written = 16. Plain PyTorch, in fp32 between the steps: forward 157, backward 115.
"""

from typing import Any

import torch
from torch import Tensor

from kernels.arrays import check_same
from kernels.checks import check_floating, check_image, check_mask
from kernels.launch import unsupported_dtype, use_triton
from kernels.unit_range import to_unit_range


def masked_mse(completed_N3HW: Tensor, target_N3HW: Tensor, mask_N1HW: Tensor, divisor: Tensor | float) -> Tensor:
    """The squared error inside the mask over `divisor`, a scalar in fp32 (paper, equation 2), differentiable in
    `completed_N3HW`.

    `completed_N3HW` is floating; `target_N3HW` floating in [0, 1] or uint8 (then divided by 255); `mask_N1HW` bool, or
    uint8 or floating of 0 and 1. `divisor` is a scalar: the values in the holes of the batch, over all processes, for
    their mean. What lies outside the mask has no influence, NaN included.

    ValueError names what is wrong about an argument.
    """
    check_image("completed", completed_N3HW)
    check_floating("completed", completed_N3HW)
    check_image("target", target_N3HW)
    check_same("target", target_N3HW, "completed", completed_N3HW)
    check_mask(mask_N1HW, "completed", completed_N3HW)
    unsupported = unsupported_dtype(completed_N3HW.dtype, target_N3HW.dtype, mask_N1HW.dtype)
    if use_triton("masked_mse", completed_N3HW.device, unsupported):
        return masked_sum_op(completed_N3HW, target_N3HW, mask_N1HW) / divisor
    return masked_sum_reference(completed_N3HW, target_N3HW.detach(), mask_N1HW) / divisor


def masked_sum_reference(completed_N3HW: Tensor, target_N3HW: Tensor, mask_N1HW: Tensor) -> Tensor:
    """The sum of squared errors inside the mask in plain PyTorch."""
    completed, target = to_unit_range(completed_N3HW), to_unit_range(target_N3HW)
    return torch.where(mask_N1HW != 0, completed - target, 0).square().sum()


@torch.library.custom_op("glcic::masked_sum", mutates_args=())
def masked_sum_op(completed_N3HW: Tensor, target_N3HW: Tensor, mask_N1HW: Tensor) -> Tensor:
    """The sum of squared errors inside the mask in Triton."""
    from kernels.gpu.masked_mse import forward

    return forward(completed_N3HW, target_N3HW, mask_N1HW)


@torch.library.custom_op("glcic::masked_sum_backward", mutates_args=())
def masked_sum_backward_op(sum_grad: Tensor, completed_N3HW: Tensor, target_N3HW: Tensor, mask_N1HW: Tensor) -> Tensor:
    """The gradient of `completed_N3HW` in Triton."""
    from kernels.gpu.masked_mse import backward

    return backward(sum_grad, completed_N3HW, target_N3HW, mask_N1HW)


@masked_sum_op.register_fake
def _(completed_N3HW: Tensor, target_N3HW: Tensor, mask_N1HW: Tensor) -> Tensor:
    return completed_N3HW.new_empty((), dtype=torch.float32)


@masked_sum_backward_op.register_fake
def _(sum_grad: Tensor, completed_N3HW: Tensor, target_N3HW: Tensor, mask_N1HW: Tensor) -> Tensor:
    return torch.empty_like(completed_N3HW)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, sum_grad: Tensor) -> tuple[Tensor, None, None]:
    return masked_sum_backward_op(sum_grad, *ctx.saved_tensors), None, None


masked_sum_op.register_autograd(_backward, setup_context=_setup_context)
