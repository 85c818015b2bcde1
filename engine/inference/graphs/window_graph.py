"""The completion network on windows as an ONNX file, without PyTorch: zeros where a window ends at the photo's border.

Which of its four sides do decides on all that differs between windows, so that there are 16 graphs of a network, each
for any size and batch. With borders all round it is the padded network; without, it is for windows in the midst of a
photo. Each layer computes what the wanted part depends on, as in `engine.inference.windows.network`.

Transposed convolutions are 2x2 convolutions before a pixel shuffle: in ONNX Runtime 0 to 4 % faster for the network
(windows of 256 to 512 pixels, base width 16). Between the two stands the ReLU, where it is fused.

There is no Log: ONNX Runtime (1.20 and 1.31) rounds the last values of a tensor, and of each thread's part of it,
differently from the others. Its other operators give a value the same bits wherever it stands.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.inference.graphs.onnx_file import Graph, value_info
from engine.inference.windows.folded import Convolution, FoldedNetwork
from engine.inference.windows.layer_plan import LAYERS, AxisPlan, AxisStep, Margins, plan_axis
from engine.spec import FILL_LAYERS, OUTPUT_LAYER, RESIDUAL_MARGIN, STRIDE, CompletionSpec, Layer

INPUT, OUTPUT = "holed", "generated"
"""The names of a graph's input and output."""

OPSET = 18

BOOL = 9
"""ONNX's number for that type."""

CHANNELS, ROWS, COLUMNS = 1, 2, 3

TO_THE_END = np.iinfo(np.int64).max


class Borders(NamedTuple):
    """The sides of a window that end at the photo's border; the others have the whole halo."""

    top: bool
    bottom: bool
    left: bool
    right: bool

    def margins(self, halo: int) -> Margins:
        """Those that the graph cuts off."""
        return Margins(*(0 if border else halo for border in self))


class WindowPlan(NamedTuple):
    """The layers of one network along the two axes of a window."""

    rows: AxisPlan
    columns: AxisPlan

    @property
    def cut(self) -> Margins:
        """Pixels of the window that the first layer does not read."""
        return Margins(*self.rows.cut, *self.columns.cut)


def plan_for_any_size(borders: Margins, margins: Margins, layers: tuple[Layer, ...]) -> WindowPlan:
    """The plan of `layers` for the outputs within `margins` of windows with borders of that width around a region."""
    height, width = borders.top + STRIDE + borders.bottom, borders.left + STRIDE + borders.right
    return WindowPlan(plan_axis(height, *margins[:2], layers), plan_axis(width, *margins[2:], layers))


def window_graph(network: FoldedNetwork, borders: Borders) -> bytes:
    """The content of an ONNX file for windows with these borders.

    Input `holed`: fp32, N x 4 x H x W, as `CompletionNetwork` takes it; N any, H and W any multiples of 4 above the sum
    of the halos. Output `generated`: fp32, N x 3 x H x W, less the halo on the sides that are no border.
    """
    graph = Graph()
    margins = borders.margins(network.spec.halo)
    plan = plan_for_any_size(margins, margins, LAYERS)
    filled = cut(graph, INPUT, plan.cut)
    if network.fill:
        filled = add_fill(
            graph, network.fill, plan_for_any_size(margins, plan.cut, (*FILL_LAYERS, OUTPUT_LAYER)), filled
        )
    x = add_convolutions(graph, network.completion, plan, normalise_input(graph, network.spec, filled))
    add_output(graph, network.spec, x, filled, margins.beyond(plan.cut))
    height, width = ("H" if borders.top and borders.bottom else "h", "W" if borders.left and borders.right else "w")
    ends = value_info(INPUT, ("N", 4, "H", "W")), value_info(OUTPUT, ("N", 3, height, width))
    return graph.file(*ends, OPSET)


def add_fill(graph: Graph, convolutions: tuple[Convolution, ...], plan: WindowPlan, filled: str) -> str:
    """The name of `filled` with the learned fill's proposal where its mask is not 0."""
    proposal = graph.add("Sigmoid", add_convolutions(graph, convolutions, plan, cut(graph, INPUT, plan.cut)))
    rgb, mask = slice_axes(graph, filled, {CHANNELS: (0, 3)}), slice_axes(graph, filled, {CHANNELS: (3, 4)})
    rgb = graph.add("Where", graph.add("Cast", mask, to=BOOL), proposal, rgb)
    return graph.add("Concat", rgb, mask, axis=CHANNELS)


def normalise_input(graph: Graph, spec: CompletionSpec, filled: str) -> str:
    """The name of `filled` in the value range that the weights were trained on."""
    if spec.input_scale == 1.0 and not any(spec.input_shift):
        return filled
    shift_411 = np.array((*spec.input_shift, 0), np.float32)[:, None, None]
    scale_411 = np.array((*[spec.input_scale] * 3, 1), np.float32)[:, None, None]
    return graph.add("Mul", graph.add("Sub", filled, graph.constant(shift_411)), graph.constant(scale_411))


def add_output(graph: Graph, spec: CompletionSpec, x: str, filled: str, margins: Margins) -> None:
    """Add the step from the last convolution's output to RGB in [0, 1]; `filled` less `margins` is of its size."""

    def number(value: float) -> str:
        return graph.constant(np.array(value, np.float32))

    if spec.output == "clip":
        half = number(0.5)
        clipped = graph.add("Clip", x, number(-1), number(1))
        graph.add("Add", graph.add("Mul", clipped, half), half, output=OUTPUT)
    elif spec.output == "sigmoid":
        graph.add("Sigmoid", x, output=OUTPUT)
    else:  # sigmoid(x + log(f / (1 - f))) as f / (f + (1 - f) * exp(-x))
        rgb = slice_axes(graph, filled, {CHANNELS: (0, 3), **within(margins)})
        rgb = graph.add("Clip", rgb, number(RESIDUAL_MARGIN), number(1 - RESIDUAL_MARGIN))
        exp = graph.add("Exp", graph.add("Neg", x))
        rest = graph.add("Mul", graph.add("Sub", number(1), rgb), exp)
        graph.add("Div", rgb, graph.add("Add", rgb, rest), output=OUTPUT)


def add_convolutions(graph: Graph, convolutions: tuple[Convolution, ...], plan: WindowPlan, x: str) -> str:
    """The name of the last convolution's output, after all layers on `x`."""
    *blocks, last = zip(convolutions, plan.rows.steps, plan.columns.steps, strict=True)
    for convolution, row, column in blocks:
        x = graph.add("Relu", add_convolution(graph, convolution, row, column, x))
        if convolution.layer.up:
            x = graph.add("DepthToSpace", x, blocksize=2, mode="CRD")
            x = cut(graph, x, Margins(*row.dropped, *column.dropped))
        if convolution.scale_shift_2C is not None:
            scale_C11, shift_C11 = convolution.scale_shift_2C[..., None, None]
            x = graph.add("Add", graph.add("Mul", x, graph.constant(scale_C11)), graph.constant(shift_C11))
    return add_convolution(graph, *last, x)


def add_convolution(graph: Graph, convolution: Convolution, row: AxisStep, column: AxisStep, x: str) -> str:
    """The name of a convolution's output, of a transposed one before its pixel shuffle."""
    layer, weight, bias_C, _ = convolution
    if layer.up:
        weight, bias_C = as_pixel_shuffle(weight), np.repeat(bias_C, 4)
    step = 1 if layer.up else layer.stride
    return graph.add(
        "Conv",
        x,
        graph.constant(weight),
        graph.constant(bias_C),
        strides=(step, step),
        dilations=(layer.dilation, layer.dilation),
        pads=(row.zeros[0], column.zeros[0], row.zeros[1], column.zeros[1]),
    )


def cut(graph: Graph, x: str, margins: Margins) -> str:
    """The name of `x` without the margins."""
    if not any(margins):
        return x
    return slice_axes(graph, x, within(margins))


def within(margins: Margins) -> dict[int, tuple[int, int]]:
    """The part between the margins, for `slice_axes`."""
    top, bottom, left, right = margins
    return {ROWS: (top, -bottom or TO_THE_END), COLUMNS: (left, -right or TO_THE_END)}


def slice_axes(graph: Graph, x: str, parts: dict[int, tuple[int, int]]) -> str:
    """The name of the part of `x` from the first to the second number, excluded, along each axis."""
    starts, stops = (np.array(numbers) for numbers in zip(*parts.values(), strict=True))
    return graph.add("Slice", x, *map(graph.constant, (starts, stops, np.array(list(parts)))))


def as_pixel_shuffle(weight_IO44: NDArray[np.float32]) -> NDArray[np.float32]:
    """The weight of the 2x2 convolution before a pixel shuffle that a 4x4 transposed one of stride 2 is.

    The inputs m and m + 1 determine the outputs 2m + 1 (taps 2 and 0) and 2m + 2 (taps 3 and 1).
    """
    inputs, outputs = weight_IO44.shape[:2]
    taps = np.array(((2, 0), (3, 1)))
    # inputs, outputs, parity and tap of the row, parity and tap of the column
    weight_IO2222 = weight_IO44[:, :, taps][..., taps]
    return weight_IO2222.transpose(1, 2, 4, 0, 3, 5).reshape(4 * outputs, inputs, 2, 2)
