"""Photographs as RGB in [0, 1], with the same bits from every implementation."""

import torch
from torch import Tensor


def unit_scale(image: Tensor) -> float:
    """The factor that brings its values into [0, 1]: 1/255 for uint8 (255 gives exactly 1), 1 for floating.

    A product everywhere, since a division would round some values differently.
    """
    return 1 / 255 if image.dtype == torch.uint8 else 1.0


def to_unit_range(image: Tensor) -> Tensor:
    """uint8 or floating RGB as RGB in [0, 1], at least fp32."""
    if image.dtype == torch.uint8:
        return image.float() * unit_scale(image)
    return image if image.dtype == torch.float64 else image.float()
