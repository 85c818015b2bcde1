"""Batch norms folded: what every runtime runs in place of the trained network, equal to it up to rounding."""

import copy

import torch
from torch import Tensor, nn

from engine.networks import CompletionNetwork, ConvBlock


class ScaleShift(nn.Module):
    """A batch norm with fixed statistics: x * scale + shift, per channel."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        scale, shift = scale_and_shift(norm)
        self.register_buffer("scale", scale.view(1, -1, 1, 1))
        self.register_buffer("shift", shift.view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


def scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """The norm in eval mode as x * scale + shift."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.detach() * torch.rsqrt(norm.running_var + norm.eps)
    return scale, norm.bias.detach() - norm.running_mean * scale


def fold_batch_norm(network: CompletionNetwork) -> CompletionNetwork:
    """A copy of `network` in eval mode without batch norms: `norm` of its blocks is an identity or a ScaleShift.

    `norm_act` folds into the convolution before it. `act_norm` cannot be folded into the convolution after it, whose
    zero padding would not be shifted, and stays as a scale and shift after the ReLU. Equal to rounding.
    """
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    for block in folded.modules():
        if not isinstance(block, ConvBlock):
            continue
        if block.norm_first:
            assert block.conv.bias is not None
            scale, shift = scale_and_shift(block.norm)
            outputs_last = isinstance(block.conv, nn.ConvTranspose2d)
            block.conv.weight.mul_(scale.view((1, -1, 1, 1) if outputs_last else (-1, 1, 1, 1)))
            block.conv.bias.mul_(scale).add_(shift)
            block.norm = nn.Identity()  # type: ignore[assignment]
        else:
            block.norm = ScaleShift(block.norm)  # type: ignore[assignment]
    return folded
