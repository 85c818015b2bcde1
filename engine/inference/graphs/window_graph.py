"""The completion network on windows as an ONNX file, without PyTorch: zeros where a window ends at the photo's border.

Which of its four sides do decides on all that differs between windows, so that there are 16 graphs of a network, each
for any size and batch. With borders all round it is the padded network; without, it is for windows in the midst of a
photo. Each layer computes what the wanted part depends on, as in `engine.inference.windows.network`.

Transposed convolutions are 2x2 convolutions before a pixel shuffle: in ONNX Runtime 0 to 4 % faster for the network
(windows of 256 to 512 pixels, base width 16), with less than a third of the memory. Between the two stands the ReLU,
where it is fused.

There is no Log: ONNX Runtime (1.20 and 1.31) rounds the last values of a tensor, and of each thread's part of it,
differently from the others. Its other operators give a value the same bits wherever it stands.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.inference.graphs.onnx_file import BFLOAT16, FLOAT, FLOAT16, Graph, value_info
from engine.inference.windows.folded import Convolution, FoldedNetwork, as_pixel_shuffle
from engine.inference.windows.layer_plan import LAYERS, Borders, Margins, WindowPlan, plan_for_any_size
from engine.spec import FILL_LAYERS, OUTPUT_LAYER, RESIDUAL_MARGIN, CompletionSpec

INPUT, OUTPUT = "holed", "generated"
"""The names of a graph's input and output."""

OPSET = 18
"""Of the file: ONNX Runtime since 1.14 and OpenVINO since 2023 read it; of TensorRT, 1.7 for RTX was tried."""

BFLOAT16_OPSET = 22
"""The first whose convolutions may be in bf16. ONNX Runtime has none of them on the CPU."""

CHANNELS, ROWS, COLUMNS = 1, 2, 3

TO_THE_END = np.iinfo(np.int64).max


def to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The bits of the nearest bfloat16, of two the even one, for finite values."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


class Precision(NamedTuple):
    """A type that convolutions compute in."""

    type: int
    round: Callable[[NDArray[np.float32]], NDArray[Any]]


PRECISIONS = {
    "fp32": Precision(FLOAT, lambda values: values),
    "fp16": Precision(FLOAT16, lambda values: values.astype(np.float16)),
    "bf16": Precision(BFLOAT16, to_bfloat16),
}


class NetworkGraph(Graph):
    """A graph whose convolutions compute in `precision`, and all else in fp32: in bf16 an output has but 8 bits.

    They are padded at the borders. With `transposed`, which needs them all round, transposed convolutions stay what
    they are.
    """

    def __init__(self, borders: Borders, precision: str, transposed: bool) -> None:
        super().__init__()
        self.borders = borders
        self.precision = PRECISIONS[precision]
        self.transposed = transposed

    def weight(self, values: NDArray[np.float32]) -> str:
        """The name of a new constant in the type of the convolutions."""
        return self.constant(self.precision.round(np.ascontiguousarray(values)))

    def number(self, value: float) -> str:
        """The name of a new constant, a number in fp32."""
        return self.constant(np.array(value, np.float32))

    def cast(self, x: str, type_: int) -> str:
        """The name of `x`, from or for convolutions, in that type."""
        return x if self.precision.type == FLOAT else self.add("Cast", x, to=type_)


def window_graph(
    network: FoldedNetwork,
    borders: Borders,
    precision: str = "fp32",
    transposed: bool = False,
    about: Mapping[str, str] | None = None,
) -> bytes:
    """The content of an ONNX file for windows with these borders; `about` is its metadata.

    Input `holed`: fp32, N x 4 x H x W, as `CompletionNetwork` takes it; N any, H and W any multiples of 4 above the sum
    of the halos. Output `generated`: fp32, N x 3 x H x W, less the halo on the sides that are no border. `precision`
    (of PRECISIONS) and `transposed` are those of `NetworkGraph`.
    """
    graph = NetworkGraph(borders, precision, transposed)
    margins = borders.margins(network.spec.halo)
    plan = plan_for_any_size(margins, margins, LAYERS)
    filled = cut(graph, INPUT, plan.cut)
    if network.fill:
        fill_plan = plan_for_any_size(margins, plan.cut, (*FILL_LAYERS, OUTPUT_LAYER))
        filled = add_fill(graph, network.fill, fill_plan, filled)
    x = add_convolutions(graph, network.completion, plan, normalise_input(graph, network.spec, filled))
    add_output(graph, network.spec, x, filled, margins.beyond(plan.cut))
    missing = {"4*h": margins.top + margins.bottom, "4*w": margins.left + margins.right}
    sides = [f"{side} - {pixels}" if pixels else side for side, pixels in missing.items()]
    ends = value_info(INPUT, ("n", 4, *missing)), value_info(OUTPUT, ("n", 3, *sides))
    return graph.file(*ends, BFLOAT16_OPSET if precision == "bf16" else OPSET, about or {})


def add_fill(graph: NetworkGraph, convolutions: tuple[Convolution, ...], plan: WindowPlan, filled: str) -> str:
    """The name of `filled` with the learned fill's proposal where its mask is not 0."""
    proposal = graph.add("Sigmoid", add_convolutions(graph, convolutions, plan, cut(graph, INPUT, plan.cut)))
    rgb, mask = slice_axes(graph, filled, {CHANNELS: (0, 3)}), slice_axes(graph, filled, {CHANNELS: (3, TO_THE_END)})
    is_kept = graph.add("Equal", mask, graph.number(0))  # and no Cast to bool, on which OpenVINO 2026.4 fails
    rgb = graph.add("Where", is_kept, rgb, proposal)
    return graph.add("Concat", rgb, mask, axis=CHANNELS)


def normalise_input(graph: NetworkGraph, spec: CompletionSpec, filled: str) -> str:
    """The name of `filled` in the value range that the weights were trained on."""
    if spec.input_scale == 1.0 and not any(spec.input_shift):
        return filled
    shift_411 = np.array((*spec.input_shift, 0), np.float32)[:, None, None]
    scale_411 = np.array((*[spec.input_scale] * 3, 1), np.float32)[:, None, None]
    return graph.add("Mul", graph.add("Sub", filled, graph.constant(shift_411)), graph.constant(scale_411))


def add_output(graph: NetworkGraph, spec: CompletionSpec, x: str, filled: str, margins: Margins) -> None:
    """Add the step from the last convolution's output to RGB in [0, 1]; `filled` less `margins` is of its size."""
    if spec.output == "clip":
        half = graph.number(0.5)
        clipped = graph.add("Clip", x, graph.number(-1), graph.number(1))
        graph.add("Add", graph.add("Mul", clipped, half), half, output=OUTPUT)
    elif spec.output == "sigmoid":
        graph.add("Sigmoid", x, output=OUTPUT)
    else:  # sigmoid(x + log(f / (1 - f))) as f / (f + (1 - f) * exp(-x))
        rgb = slice_axes(graph, filled, {CHANNELS: (0, 3), **within(margins)})
        rgb = graph.add("Clip", rgb, graph.number(RESIDUAL_MARGIN), graph.number(1 - RESIDUAL_MARGIN))
        exp = graph.add("Exp", graph.add("Neg", x))
        rest = graph.add("Mul", graph.add("Sub", graph.number(1), rgb), exp)
        graph.add("Div", rgb, graph.add("Add", rgb, rest), output=OUTPUT)


def add_convolutions(graph: NetworkGraph, convolutions: tuple[Convolution, ...], plan: WindowPlan, x: str) -> str:
    """The name of the last convolution's output in fp32, after all layers on `x`, of fp32."""
    *blocks, last = convolutions
    x = graph.cast(x, graph.precision.type)
    for convolution, row, column in zip(blocks, plan.rows.steps, plan.columns.steps, strict=False):
        x = graph.add("Relu", add_convolution(graph, convolution, x))
        if convolution.layer.up and not graph.transposed:
            x = graph.add("DepthToSpace", x, blocksize=2, mode="CRD")
            x = cut(graph, x, Margins(*row.dropped, *column.dropped))
        if convolution.scale_shift_2C is not None:
            scale_C11, shift_C11 = convolution.scale_shift_2C[..., None, None]
            x = graph.add("Add", graph.add("Mul", x, graph.weight(scale_C11)), graph.weight(shift_C11))
    return graph.cast(add_convolution(graph, last, x), FLOAT)


def add_convolution(graph: NetworkGraph, convolution: Convolution, x: str) -> str:
    """The name of a convolution's output, of one that becomes a pixel shuffle before that."""
    layer, weight, bias_C, _ = convolution
    shuffled = layer.up and not graph.transposed
    if shuffled:
        weight, bias_C = as_pixel_shuffle(weight, bias_C)
    step = 1 if shuffled else layer.stride
    top, bottom, left, right = (layer.padding if border else 0 for border in graph.borders)
    return graph.add(
        "ConvTranspose" if layer.up and graph.transposed else "Conv",
        x,
        graph.weight(weight),
        graph.weight(bias_C),
        kernel_shape=weight.shape[2:],
        strides=(step, step),
        dilations=(layer.dilation, layer.dilation),
        pads=(top, left, bottom, right),
    )


def cut(graph: NetworkGraph, x: str, margins: Margins) -> str:
    """The name of `x` without the margins."""
    return slice_axes(graph, x, within(margins)) if any(margins) else x


def within(margins: Margins) -> dict[int, tuple[int, int]]:
    """The part between the margins, for `slice_axes`."""
    top, bottom, left, right = margins
    return {ROWS: (top, -bottom or TO_THE_END), COLUMNS: (left, -right or TO_THE_END)}


def slice_axes(graph: Graph, x: str, parts: dict[int, tuple[int, int]]) -> str:
    """The name of the part of `x` from the first to the second number, excluded, along each axis."""
    starts, stops = (np.array(numbers) for numbers in zip(*parts.values(), strict=True))
    return graph.add("Slice", x, *map(graph.constant, (starts, stops, np.array(list(parts)))))
