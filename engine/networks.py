"""The paper's completion network, and the small one that can propose a fill to it, in PyTorch.

`engine.spec` has their layers. Shapes: N = photos in a batch, H and W = height and width in pixels.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from engine.spec import (
    BATCH_NORM_EPS,
    COMPLETION_LAYERS,
    FILL_LAYERS,
    FILL_WIDTH,
    RESIDUAL_MARGIN,
    CompletionSpec,
    Layer,
)


class ConvBlock(nn.Module):
    """Convolution, batch norm and ReLU, in the order that the spec asks for."""

    def __init__(self, in_channels: int, out_channels: int, layer: Layer, norm_order: str) -> None:
        super().__init__()
        shape = (in_channels, out_channels, layer.kernel, layer.stride, layer.padding)
        self.conv = nn.ConvTranspose2d(*shape) if layer.up else nn.Conv2d(*shape, layer.dilation)
        self.norm = nn.BatchNorm2d(out_channels, eps=BATCH_NORM_EPS)
        self.norm_first = norm_order == "norm_act"

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return torch.relu(self.norm(x)) if self.norm_first else self.norm(torch.relu(x))


def conv_blocks(layers: tuple[Layer, ...], base_width: int, norm_order: str) -> tuple[nn.Sequential, int]:
    """The blocks of `layers` on an input of 4 channels, and the channels that they end in."""
    blocks, in_channels = [], 4
    for layer in layers:
        out_channels = int(layer.width * base_width)
        blocks.append(ConvBlock(in_channels, out_channels, layer, norm_order))
        in_channels = out_channels
    return nn.Sequential(*blocks), in_channels


class FillNetwork(nn.Module):
    """Proposes what a hole is filled with: at first the mean pixel. It learns from the completion network's losses.

    `forward` takes `holed_N4HW` and returns it with the proposal, RGB in [0, 1], in the hole.
    """

    def __init__(self, spec: CompletionSpec) -> None:
        super().__init__()
        self.blocks, channels = conv_blocks(FILL_LAYERS, FILL_WIDTH, spec.norm_order)
        self.to_rgb = nn.Conv2d(channels, 3, kernel_size=3, padding=1)
        nn.init.zeros_(self.to_rgb.weight)
        self.to_rgb.bias = nn.Parameter(torch.logit(torch.tensor(spec.mean_pixel), eps=RESIDUAL_MARGIN))

    def forward(self, holed_N4HW: Tensor) -> Tensor:
        return self.put_in_hole(torch.sigmoid(self.to_rgb(self.blocks(holed_N4HW))), holed_N4HW)

    def put_in_hole(self, proposal_N3HW: Tensor, holed_N4HW: Tensor) -> Tensor:
        """`holed` with the proposal where its mask is not 0."""
        mask_N1HW = holed_N4HW[:, 3:]
        return torch.cat((torch.where(mask_N1HW != 0, proposal_N3HW, holed_N4HW[:, :3]), mask_N1HW), dim=1)


class CompletionNetwork(nn.Module):
    """The generator C of the paper (section 3.2, Table 1): fully convolutional, dilated in the middle.

    `forward` takes `holed_N4HW` (RGB in [0, 1] with the hole filled, then the mask, 1 = to be completed; H and W
    multiples of 4) and returns `generated_N3HW`, RGB in [0, 1], for the whole image: compositing is the caller's.
    """

    input_shift: Tensor
    input_scale: Tensor

    def __init__(self, spec: CompletionSpec) -> None:
        super().__init__()
        self.spec = spec
        self.file: Path | None = None  # that it was loaded from
        self.blocks, channels = conv_blocks(COMPLETION_LAYERS, spec.base_width, spec.norm_order)
        self.to_rgb = nn.Conv2d(channels, 3, kernel_size=3, padding=1)
        if spec.output == "residual":
            # With zeros the untrained network returns the fill unchanged. From random weights, training first unlearns
            # their changes, and can end with all activations in the hole at zero, where no gradient is left (seen
            # with base width 16 and Adam at 1e-3).
            nn.init.zeros_(self.to_rgb.weight)
            nn.init.zeros_(self.to_rgb.bias)  # type: ignore[arg-type]
        shift = torch.tensor((*spec.input_shift, 0.0)).view(1, 4, 1, 1)
        scale = torch.tensor((*[spec.input_scale] * 3, 1.0)).view(1, 4, 1, 1)
        self.register_buffer("input_shift", shift, persistent=False)
        self.register_buffer("input_scale", scale, persistent=False)
        self.shifts_input = spec.input_scale != 1.0 or any(spec.input_shift)
        self.fill = FillNetwork(spec) if spec.fill == "learned" else None

    def forward(self, holed_N4HW: Tensor) -> Tensor:
        filled_N4HW = self.fill(holed_N4HW) if self.fill else holed_N4HW
        output_N3HW = self.to_rgb(self.blocks(self.normalise_input(filled_N4HW)))
        return self.to_unit_range(output_N3HW, filled_N4HW[:, :3])

    def normalise_input(self, holed_N4HW: Tensor) -> Tensor:
        """To the value range that the weights were trained on. Not folded into layer 1: its zero padding sees it."""
        return (holed_N4HW - self.input_shift) * self.input_scale if self.shifts_input else holed_N4HW

    def to_unit_range(self, output_N3HW: Tensor, filled_N3HW: Tensor) -> Tensor:
        """The last convolution's output as RGB in [0, 1]; `filled` is the input's RGB, of the same size."""
        if self.spec.output == "clip":
            return output_N3HW.clamp(-1, 1) * 0.5 + 0.5
        return torch.sigmoid(self.add_to_fill(output_N3HW, filled_N3HW))

    def add_to_fill(self, output_N3HW: Tensor, filled_N3HW: Tensor) -> Tensor:
        """The values that the sigmoid is taken of; an output of 0 gives a residual network's fill, but not quite 0 or
        1."""
        if self.spec.output == "residual":
            # torch.logit is an operator that ncnn's and Core ML's converters do not know.
            clamped_N3HW = filled_N3HW.clamp(RESIDUAL_MARGIN, 1 - RESIDUAL_MARGIN)
            return output_N3HW + torch.log(clamped_N3HW / (1 - clamped_N3HW))
        return output_N3HW
