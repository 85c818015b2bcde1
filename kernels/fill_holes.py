"""From photographs to the completion network's input, in one pass.

Normalise to [0, 1], fill the hole with the mean pixel, append the mask as the fourth channel, cast, and lay out
channels-last.

Bytes moved per pixel, from uint8 RGB and a one-byte mask to bf16: 3 + 1 read, 8 written = 12.
Plain PyTorch, fp32 until the last step: 127 (photo to fp32 15, times 1/255 24, mask != 0 2, where 25, mask to
fp32 5, cat 32, cast and lay out 24). The plain figures here and beside are counted by `python -m bench.kernel_report`.
"""

from typing import Any

import torch
from torch import Tensor

from kernels.checks import check_floating_dtype, check_image, check_mask, check_mean_pixel
from kernels.launch import unsupported_dtype, use_triton
from kernels.unit_range import to_unit_range


def fill_holes(photo_N3HW: Tensor, mask_N1HW: Tensor, mean_pixel: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """The completion network's input `holed_N4HW` in `dtype`, channels-last (METHOD: mean pixel in the hole + mask).

    `photo_N3HW` is uint8 or floating RGB in [0, 1], of any strides; `mask_N1HW` bool, or uint8 or floating of 0 and 1
    (1 = to be completed); `mean_pixel` float32 of shape (3,) on the photo's device. Differentiable in a floating photo.

    ValueError names what is wrong about an argument.
    """
    check_image("photo", photo_N3HW)
    check_mask(mask_N1HW, "photo", photo_N3HW)
    check_mean_pixel(mean_pixel, photo_N3HW)
    check_floating_dtype(dtype)
    if use_triton("fill_holes", photo_N3HW.device, unsupported_dtype(photo_N3HW.dtype, mask_N1HW.dtype, dtype)):
        return fill_holes_op(photo_N3HW, mask_N1HW, mean_pixel, dtype)
    return fill_holes_reference(photo_N3HW, mask_N1HW, mean_pixel, dtype)


def fill_holes_reference(photo_N3HW: Tensor, mask_N1HW: Tensor, mean_pixel: Tensor, dtype: torch.dtype) -> Tensor:
    """`fill_holes` in plain PyTorch."""
    image_N3HW = to_unit_range(photo_N3HW)
    hole_N1HW = mask_N1HW != 0
    filled_N3HW = torch.where(hole_N1HW, mean_pixel.to(image_N3HW.dtype)[:, None, None], image_N3HW)
    holed_N4HW = torch.cat((filled_N3HW, hole_N1HW.to(filled_N3HW.dtype)), dim=1)
    return holed_N4HW.to(dtype, memory_format=torch.channels_last)


@torch.library.custom_op("glcic::fill_holes", mutates_args=())
def fill_holes_op(photo_N3HW: Tensor, mask_N1HW: Tensor, mean_pixel: Tensor, dtype: torch.dtype) -> Tensor:
    """`fill_holes` in Triton."""
    from kernels.gpu.fill_holes import launch

    holed_N4HW = _empty_holed(photo_N3HW, dtype)
    launch(photo_N3HW, mask_N1HW, mean_pixel, holed_N4HW)
    return holed_N4HW


def _empty_holed(photo_N3HW: Tensor, dtype: torch.dtype) -> Tensor:
    batch, _, height, width = photo_N3HW.shape
    return photo_N3HW.new_empty((batch, height, width, 4), dtype=dtype).permute(0, 3, 1, 2)


@fill_holes_op.register_fake
def _(photo_N3HW: Tensor, mask_N1HW: Tensor, mean_pixel: Tensor, dtype: torch.dtype) -> Tensor:
    return _empty_holed(photo_N3HW, dtype)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.photo_dtype = inputs[0].dtype
    ctx.save_for_backward(output)


def _backward(ctx: Any, holed_grad: Tensor) -> tuple[Tensor | None, None, None, None]:
    (holed_N4HW,) = ctx.saved_tensors
    photo_grad = torch.where(holed_N4HW[:, 3:] != 0, 0, holed_grad[:, :3]).to(ctx.photo_dtype)
    return photo_grad, None, None, None


fill_holes_op.register_autograd(_backward, setup_context=_setup_context)
