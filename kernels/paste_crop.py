"""Paste the generated hole into the image and cut the local discriminator's patch around it, in one pass.

Bytes moved per pixel, for bf16, a uint8 image, a one-byte mask and patches of a quarter of the area: forward
6 + 3 + 1 read, 6 + 1.5 written = 17.5; backward 6 + 1.5 + 1 read, 6 written = 14.5. Plain PyTorch: forward 86,
backward 52.
"""

from typing import Any

import torch
from torch import Tensor

from kernels.arrays import check_same
from kernels.checks import (
    check_floating,
    check_image,
    check_integers,
    check_mask,
    check_patch_size,
)
from kernels.launch import unsupported_dtype, use_triton
from kernels.unit_range import to_unit_range


def paste_crop(
    generated_N3HW: Tensor, image_N3HW: Tensor, mask_N1HW: Tensor, centres_N2: Tensor, patch_size: int
) -> tuple[Tensor, Tensor]:
    """`completed_N3HW` (generated inside the mask, image outside) and its `patches_N3PP` around the centres.

    `generated_N3HW` is floating, and the results have its dtype; `image_N3HW` is floating in [0, 1] or uint8 (then
    divided by 255); `mask_N1HW` bool, or uint8 or floating of 0 and 1; `centres_N2` int64 or int32 (y, x). Where the
    patches lie: `patch_corners`. Differentiable in `generated_N3HW`, with the same bits every run.

    ValueError names what is wrong about an argument.
    """
    check_image("generated", generated_N3HW)
    check_floating("generated", generated_N3HW)
    check_image("image", image_N3HW)
    check_same("image", image_N3HW, "generated", generated_N3HW)
    check_mask(mask_N1HW, "generated", generated_N3HW)
    check_integers("centres", centres_N2, (generated_N3HW.shape[0], 2), "generated", generated_N3HW)
    check_patch_size(patch_size, *generated_N3HW.shape[2:])
    unsupported = unsupported_dtype(generated_N3HW.dtype, image_N3HW.dtype, mask_N1HW.dtype)
    if use_triton("paste_crop", generated_N3HW.device, unsupported):
        return paste_crop_op(generated_N3HW, image_N3HW, mask_N1HW, centres_N2, patch_size)
    return paste_crop_reference(generated_N3HW, image_N3HW.detach(), mask_N1HW, centres_N2, patch_size)


def cut_patches(image_N3HW: Tensor, centres_N2: Tensor, patch_size: int) -> Tensor:
    """`patches_N3PP` of the images around the centres, in the images' dtype; where they lie: `patch_corners`."""
    check_image("image", image_N3HW)
    check_integers("centres", centres_N2, (image_N3HW.shape[0], 2), "image", image_N3HW)
    batch, _, height, width = image_N3HW.shape
    check_patch_size(patch_size, height, width)
    corners_N2 = patch_corners(centres_N2, patch_size, height, width)
    steps_P = torch.arange(patch_size, device=image_N3HW.device)
    n_N11 = torch.arange(batch, device=image_N3HW.device)[:, None, None]
    y_NP1 = (corners_N2[:, :1] + steps_P)[:, :, None]
    x_N1P = (corners_N2[:, 1:] + steps_P)[:, None, :]
    return image_N3HW.permute(0, 2, 3, 1)[n_N11, y_NP1, x_N1P].permute(0, 3, 1, 2)


def patch_corners(centres_N2: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    """Top left corners (y, x) of the patches: centre - patch_size // 2, moved into the image on all four sides."""
    y_N, x_N = (centres_N2 - patch_size // 2).unbind(1)
    return torch.stack((y_N.clamp(0, height - patch_size), x_N.clamp(0, width - patch_size)), dim=1)


def paste_crop_reference(
    generated_N3HW: Tensor, image_N3HW: Tensor, mask_N1HW: Tensor, centres_N2: Tensor, patch_size: int
) -> tuple[Tensor, Tensor]:
    """`paste_crop` in plain PyTorch."""
    image = to_unit_range(image_N3HW).to(generated_N3HW.dtype)
    completed_N3HW = torch.where(mask_N1HW != 0, generated_N3HW, image)
    return completed_N3HW, cut_patches(completed_N3HW, centres_N2, patch_size)


@torch.library.custom_op("glcic::paste_crop", mutates_args=())
def paste_crop_op(
    generated_N3HW: Tensor, image_N3HW: Tensor, mask_N1HW: Tensor, centres_N2: Tensor, patch_size: int
) -> tuple[Tensor, Tensor]:
    """`paste_crop` in Triton."""
    from kernels.gpu.paste_crop import forward

    return forward(generated_N3HW, image_N3HW, mask_N1HW, centres_N2, patch_size)


@torch.library.custom_op("glcic::paste_crop_backward", mutates_args=())
def paste_crop_backward_op(
    completed_grad: Tensor, patches_grad: Tensor, mask_N1HW: Tensor, centres_N2: Tensor
) -> Tensor:
    """The gradient of `generated_N3HW` in Triton."""
    from kernels.gpu.paste_crop import backward

    return backward(completed_grad, patches_grad, mask_N1HW, centres_N2)


@paste_crop_op.register_fake
def _(
    generated_N3HW: Tensor, image_N3HW: Tensor, mask_N1HW: Tensor, centres_N2: Tensor, patch_size: int
) -> tuple[Tensor, Tensor]:
    patches_NPP3 = generated_N3HW.new_empty((generated_N3HW.shape[0], patch_size, patch_size, 3))
    return torch.empty_like(generated_N3HW), patches_NPP3.permute(0, 3, 1, 2)


@paste_crop_backward_op.register_fake
def _(completed_grad: Tensor, patches_grad: Tensor, mask_N1HW: Tensor, centres_N2: Tensor) -> Tensor:
    return torch.empty_like(completed_grad)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[2:4])


def _backward(ctx: Any, completed_grad: Tensor, patches_grad: Tensor) -> tuple[Tensor, None, None, None, None]:
    return paste_crop_backward_op(completed_grad, patches_grad, *ctx.saved_tensors), None, None, None, None


paste_crop_op.register_autograd(_backward, setup_context=_setup_context)
