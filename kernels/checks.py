"""The checks of the kernels' arguments, whose errors name what is wrong. None of it waits for the device."""

import torch
from torch import Tensor

from kernels.arrays import check_device

MASK_DTYPES = (torch.bool, torch.uint8)


def check_image(name: str, image: Tensor) -> None:
    """RGB: N3HW, at least one pixel, uint8 or floating."""
    if image.ndim != 4 or image.shape[1] != 3 or 0 in image.shape:
        raise ValueError(f"{name} has shape {tuple(image.shape)}; it must be N3HW with N, H and W of at least 1")
    if image.dtype != torch.uint8 and not image.is_floating_point():
        raise ValueError(f"{name} has dtype {image.dtype}; it must be uint8 or floating")


def check_floating(name: str, image: Tensor) -> None:
    if not image.is_floating_point():
        raise ValueError(f"{name} has dtype {image.dtype}; it must be floating, RGB in [0, 1]")


def check_floating_dtype(dtype: torch.dtype) -> None:
    if not dtype.is_floating_point:
        raise ValueError(f"dtype is {dtype}; it must be floating: torch.float32, torch.bfloat16 or torch.float16")


def check_mask(mask: Tensor, image_name: str, image: Tensor) -> None:
    """N1HW for the image's N, H and W; bool, or uint8 or floating of 0 and 1.

    The values are looked at where that costs nothing to speak of: on the CPU, outside torch.compile. On a CUDA device
    it would stall the stream; there, anything but 0 is hole.
    """
    expected = (image.shape[0], 1, *image.shape[2:])
    if mask.shape != expected:
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}; for {image_name} of shape {tuple(image.shape)} it must be {expected}"
        )
    if mask.dtype not in MASK_DTYPES and not mask.is_floating_point():
        raise ValueError(f"mask has dtype {mask.dtype}; it must be bool, or uint8 or floating of 0 and 1")
    check_device("mask", mask, image_name, image)
    if mask.dtype == torch.bool or mask.device.type != "cpu" or torch.compiler.is_compiling():
        return
    wrong = mask[(mask != 0) & (mask != 1)]
    if wrong.numel():
        raise ValueError(f"mask has the value {wrong[0].item():g}; it must be 0 or 1 (1 = to be completed)")


def check_mean_pixel(mean_pixel: Tensor, photo: Tensor) -> None:
    if mean_pixel.shape != (3,) or mean_pixel.dtype != torch.float32:
        raise ValueError(
            f"mean_pixel is {mean_pixel.dtype} of shape {tuple(mean_pixel.shape)}; it must be float32 of shape (3,), "
            "RGB in [0, 1]"
        )
    check_device("mean_pixel", mean_pixel, "photo", photo)


def check_integers(name: str, tensor: Tensor, shape: tuple[int, ...], image_name: str, image: Tensor) -> None:
    """int32 or int64 of `shape` (-1: any), beside the image."""
    fits = tensor.ndim == len(shape) and all(want in (-1, got) for want, got in zip(shape, tensor.shape, strict=True))
    if not fits or tensor.dtype not in (torch.int32, torch.int64):
        raise ValueError(
            f"{name} is {tensor.dtype} of shape {tuple(tensor.shape)}; it must be int64 or int32 of shape "
            f"{tuple('any' if want == -1 else want for want in shape)}"
        )
    check_device(name, tensor, image_name, image)


def check_patch_size(patch_size: int, height: int, width: int) -> None:
    if not 1 <= patch_size <= min(height, width):
        raise ValueError(
            f"patch_size is {patch_size}; for images of {height}x{width} it must be 1 to {min(height, width)}"
        )
