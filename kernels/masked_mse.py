"""The completion loss: squared differences inside the hole, read once, reduced in a fixed order in fp32.

Bytes moved per pixel, for a bf16 result, a uint8 target and a one-byte mask: forward 6 + 3 + 1 = 10 read; backward the
same again and 6 written = 16. Plain PyTorch, in fp32 between the steps: forward 157, backward 115.
"""

from typing import Any, Literal

import torch
from torch import Tensor

from kernels.checks import check_floating, check_image, check_mask, check_same
from kernels.launch import unsupported_dtype, use_triton
from kernels.unit_range import to_unit_range

Reduction = Literal["hole_mean", "all_mean", "sum"]
REDUCTIONS = ("hole_mean", "all_mean", "sum")


def masked_mse(
    completed_N3HW: Tensor, target_N3HW: Tensor, mask_N1HW: Tensor, reduction: Reduction = "hole_mean"
) -> Tensor:
    """The squared error inside the mask, a scalar in fp32 (paper, equation 2), differentiable in `completed_N3HW`.

    `completed_N3HW` is floating; `target_N3HW` floating in [0, 1] or uint8 (then divided by 255); `mask_N1HW` bool, or
    uint8 or floating of 0 and 1. `hole_mean` divides the sum by the elements in the hole (3 a pixel; an all-zero mask
    gives 0 and a zero gradient), `all_mean` by all elements, `sum` by nothing. What lies outside the mask has no
    influence, NaN included.

    ValueError names what is wrong about an argument.
    """
    check_image("completed", completed_N3HW)
    check_floating("completed", completed_N3HW)
    check_image("target", target_N3HW)
    check_same("target", target_N3HW, "completed", completed_N3HW)
    check_mask(mask_N1HW, "completed", completed_N3HW)
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction is {reduction!r}; it must be one of {', '.join(REDUCTIONS)}")
    unsupported = unsupported_dtype(completed_N3HW.dtype, target_N3HW.dtype, mask_N1HW.dtype)
    if use_triton("masked_mse", completed_N3HW.device, unsupported):
        return masked_mse_op(completed_N3HW, target_N3HW, mask_N1HW, reduction)[0]
    return masked_mse_reference(completed_N3HW, target_N3HW.detach(), mask_N1HW, reduction)


def masked_mse_reference(completed_N3HW: Tensor, target_N3HW: Tensor, mask_N1HW: Tensor, reduction: str) -> Tensor:
    """`masked_mse` in plain PyTorch."""
    hole_N1HW = mask_N1HW != 0
    completed, target = to_unit_range(completed_N3HW), to_unit_range(target_N3HW)
    total = torch.where(hole_N1HW, completed - target, 0).square().sum()
    if reduction == "sum":
        return total
    if reduction == "all_mean":
        return total / completed_N3HW.numel()
    return total / (3 * hole_N1HW.sum()).clamp(min=1)


@torch.library.custom_op("glcic::masked_mse", mutates_args=())
def masked_mse_op(
    completed_N3HW: Tensor, target_N3HW: Tensor, mask_N1HW: Tensor, reduction: str
) -> tuple[Tensor, Tensor]:
    """`masked_mse` in Triton: the loss, and the slope that its backward pass multiplies the difference with."""
    from kernels.gpu.masked_mse import forward

    return forward(completed_N3HW, target_N3HW, mask_N1HW, reduction)


@torch.library.custom_op("glcic::masked_mse_backward", mutates_args=())
def masked_mse_backward_op(
    loss_grad: Tensor, slope: Tensor, completed_N3HW: Tensor, target_N3HW: Tensor, mask_N1HW: Tensor
) -> Tensor:
    """The gradient of `completed_N3HW` in Triton."""
    from kernels.gpu.masked_mse import backward

    return backward(loss_grad, slope, completed_N3HW, target_N3HW, mask_N1HW)


@masked_mse_op.register_fake
def _(completed_N3HW: Tensor, target_N3HW: Tensor, mask_N1HW: Tensor, reduction: str) -> tuple[Tensor, Tensor]:
    loss = completed_N3HW.new_empty((), dtype=torch.float32)
    return loss, torch.empty_like(loss)


@masked_mse_backward_op.register_fake
def _(loss_grad: Tensor, slope: Tensor, completed_N3HW: Tensor, target_N3HW: Tensor, mask_N1HW: Tensor) -> Tensor:
    return torch.empty_like(completed_N3HW)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(output[1], *inputs[:3])
    ctx.set_materialize_grads(False)  # a launch for zeros that nobody reads, where the slope has no gradient


def _backward(ctx: Any, loss_grad: Tensor, slope_grad: None) -> tuple[Tensor, None, None, None]:
    return masked_mse_backward_op(loss_grad, *ctx.saved_tensors), None, None, None


masked_mse_op.register_autograd(_backward, setup_context=_setup_context)
