"""The completion network on one window, computing at each layer only what the wanted part of the output depends on.

The padded network computes its whole input's size at every layer, although only the middle of a window is kept. Here
each convolution is unpadded: away from the photo's borders a window shrinks from layer to layer by just what the later
layers need, and where it ends at the photo's border the zeros that the padded network would see are added explicitly.
For a hole of 64 / 128 / 256 / 512 px that is 2.4 / 2.1 / 1.8 / 1.5 times fewer multiply-adds than the padded window.

A second use of the explicit zeros: oneDNN computes an output beside its own padding in another order of summation than
one further in, so that a padded window and the full frame differ in the last bit. Unpadded convolutions (and the
transposed ones as 2x2 convolutions with a pixel shuffle) have one order, whatever the window's place, size and batch:
measured bit-identical on AVX-512 with oneDNN 3.12 in fp32 and bf16, channels-last, for base widths of 16 and more and
regions of at least MIN_REGION on each side. In bf16 on a CPU with AMX tiles they are the same to rounding only. With
fewer channels (the `demo` preset has 8), oneDNN's choice of kernel depends on the size now and then, and the last bit
with it.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.inference.windows.folded import Convolution, as_pixel_shuffle, fold_network
from engine.inference.windows.layer_plan import LAYERS, NO_MARGINS, AxisPlan, AxisStep, Margins, plan_axis
from engine.networks import CompletionNetwork, FillNetwork
from engine.spec import FILL_LAYERS, OUTPUT_LAYER, Layer
from engine.weights import NetworkWeights

Zeros = tuple[int, int, int, int]
"""The zeros to be added left, right, above and below."""


class WindowBlock(nn.Module):
    """A folded layer without padding: its convolution, before a pixel shuffle if it is a transposed one, and of an
    `act_norm` network the scale and the shift after the ReLU."""

    scale_shift_2C11: Tensor | None

    def __init__(self, convolution: Convolution) -> None:
        super().__init__()
        layer, weight, bias_C, scale_shift_2C = convolution
        if layer.up:
            weight, bias_C = as_pixel_shuffle(weight, bias_C)
        self.weight, self.bias = (nn.Parameter(torch.from_numpy(values), False) for values in (weight, bias_C))
        scale_shift = None if scale_shift_2C is None else torch.from_numpy(scale_shift_2C)[..., None, None]
        self.register_buffer("scale_shift_2C11", scale_shift)


class WindowNetwork(nn.Module):
    """A completion network with its batch norms folded, run without padding.

    `forward(holed_N4HW, margins)` returns `margins.cut(network(holed_N4HW))`, to rounding, for H and W that are
    multiples of 4. With margins of `spec.halo` on every side no zeros are added anywhere. The layers compute in the
    type of their weights, and all else in that of `holed_N4HW`: in bf16, to add to the fill would round it to 8 bits.
    """

    def __init__(self, network: CompletionNetwork) -> None:
        super().__init__()
        folded = fold_network(network.spec, NetworkWeights.of(network).tensors)
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.network.blocks = nn.Sequential(*map(WindowBlock, folded.completion[:-1]))
        if self.network.fill:
            self.network.fill.blocks = nn.Sequential(*map(WindowBlock, folded.fill[:-1]))

    def forward(self, holed_N4HW: Tensor, margins: Margins = NO_MARGINS) -> Tensor:
        height, width = holed_N4HW.shape[2:]
        rows, columns = plan_axis(height, *margins[:2]), plan_axis(width, *margins[2:])
        needed = Margins(*rows.cut, *columns.cut)
        filled_N4HW = needed.cut(holed_N4HW)
        if self.network.fill:
            proposal_N3HW = self.propose_fill(self.network.fill, holed_N4HW, needed)
            filled_N4HW = self.network.fill.put_in_hole(proposal_N3HW, filled_N4HW)
        x = run_layers(self.network, self.network.normalise_input(filled_N4HW), LAYERS, rows, columns)
        filled_N3HW = margins.beyond(needed).cut(filled_N4HW[:, :3])
        if self.network.spec.output == "clip":
            return self.network.to_unit_range(x, filled_N3HW)
        return sigmoid(self.network.add_to_fill(x, filled_N3HW))

    def propose_fill(self, fill: FillNetwork, holed_N4HW: Tensor, margins: Margins) -> Tensor:
        """The learned fill's proposal for holes, less `margins`."""
        height, width = holed_N4HW.shape[2:]
        layers = (*FILL_LAYERS, OUTPUT_LAYER)
        rows, columns = plan_axis(height, *margins[:2], layers), plan_axis(width, *margins[2:], layers)
        return sigmoid(run_layers(fill, Margins(*rows.cut, *columns.cut).cut(holed_N4HW), layers, rows, columns))


def run_layers(
    network: CompletionNetwork | FillNetwork, x: Tensor, layers: tuple[Layer, ...], rows: AxisPlan, columns: AxisPlan
) -> Tensor:
    """The blocks and the output convolution of `network`, unpadded, in the type of their weights; returns that of x."""
    dtype = x.dtype
    zeros = [
        (*column.zeros, *row.zeros) if any((*row.zeros, *column.zeros)) else None
        for row, column in zip(rows.steps, columns.steps, strict=True)
    ]
    x = with_zeros(x.to(network.to_rgb.weight.dtype), zeros[0])
    for n, block in enumerate(network.blocks):
        assert isinstance(block, WindowBlock)
        x = unpadded(block, layers[n], x, rows.steps[n], columns.steps[n])
        if block.scale_shift_2C11 is None:
            x = relu_with_zeros(x, zeros[n + 1])
        else:
            scale_C11, shift_C11 = block.scale_shift_2C11
            x = with_zeros(torch.relu(x) * scale_C11 + shift_C11, zeros[n + 1])
    return unpadded(network.to_rgb, layers[-1], x, rows.steps[-1], columns.steps[-1]).to(dtype)


def with_zeros(x: Tensor, zeros: Zeros | None) -> Tensor:
    """`x` with that many zeros around it."""
    return x if zeros is None else F.pad(x, zeros)


def relu_with_zeros(x: Tensor, zeros: Zeros | None) -> Tensor:
    """The ReLU of `x`, whose memory may be used for it, with that many zeros around it.

    It is written to where it is to lie among the zeros: one after the other, activation and padding take twice as long.
    For 512x512 pixels at the photo's border that is 10 % of the network's time in fp32, and 20 % in bf16 (base width
    16, one core of a Xeon with AMX).
    """
    if zeros is None:
        return torch.relu_(x)
    left, right, top, bottom = zeros
    batch, channels, height, width = x.shape
    size = (batch, top + height + bottom, left + width + right, channels)
    padded_NCHW = x.new_empty(size).permute(0, 3, 1, 2)  # channels-last, as what convolutions return
    for edge in (
        padded_NCHW[:, :, :top],
        padded_NCHW[:, :, top + height :],
        padded_NCHW[..., :left],
        padded_NCHW[..., left + width :],
    ):
        edge.zero_()
    torch.clamp_min(x, 0, out=padded_NCHW[:, :, top : top + height, left : left + width])
    return padded_NCHW


def sigmoid(x: Tensor) -> Tensor:
    """The same bits wherever in the tensor a value stands.

    torch.sigmoid rounds the odd values at the end of a chunk differently from the vectorised ones; exp and the division
    do not.
    """
    return torch.reciprocal(torch.exp(-x) + 1)


def unpadded(conv: WindowBlock | nn.Conv2d, layer: Layer, x: Tensor, row: AxisStep, column: AxisStep) -> Tensor:
    """`conv`, without its own padding, on `x`, which has the steps' zeros around it already."""
    if not layer.up:
        return F.conv2d(x, conv.weight, conv.bias, layer.stride, 0, layer.dilation)
    return Margins(*row.dropped, *column.dropped).cut(pixel_shuffle(F.conv2d(x, conv.weight, conv.bias)))


def pixel_shuffle(x_NCHW: Tensor) -> Tensor:
    """`F.pixel_shuffle` by 2; on a GPU, where PyTorch's would come out planar, in channels-last."""
    if not x_NCHW.is_cuda:
        return F.pixel_shuffle(x_NCHW, 2)
    batch, channels, height, width = x_NCHW.shape
    x_NHWC22 = x_NCHW.permute(0, 2, 3, 1).reshape(batch, height, width, channels // 4, 2, 2)
    x_NHWC = x_NHWC22.permute(0, 1, 4, 2, 5, 3).reshape(batch, 2 * height, 2 * width, channels // 4)
    return x_NHWC.permute(0, 3, 1, 2)
