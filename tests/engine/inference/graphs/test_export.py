"""Exported graphs: any size, the stated type, the network's result; and what TensorRT-RTX's builder makes of them."""

import numpy as np
import onnx
import pytest
import torch

from engine.inference.graphs.export import GRAPHS, cached_onnx, check_graph, export_onnx, smallest_side
from engine.inference.graphs.runners import open_in_onnxruntime, open_in_openvino
from engine.inference.graphs.tensorrt_build import build_engine, check_gpu, check_size, parse
from engine.inference.graphs.window_graph import BFLOAT16_OPSET, OPSET
from engine.inference.windows.layer_plan import Margins
from engine.networks import CompletionNetwork
from tests.engine.inference.conftest import random_network

WIDTH = 6

CASES = [
    ("norm_act", "residual", "fp32", "padded"),
    ("norm_act", "residual", "fp32", "interior"),
    ("act_norm", "residual", "fp16", "padded"),
    ("norm_act", "clip", "fp16", "interior"),
    ("act_norm", "sigmoid", "fp32", "interior"),
    ("norm_act", "clip", "bf16", "padded"),
]
WEIGHT_TYPES = {"fp32": "FLOAT", "fp16": "FLOAT16", "bf16": "BFLOAT16"}
TENSORRT_TYPES = {"fp32": "FLOAT", "fp16": "HALF", "bf16": "BF16"}
DIFFERENCES = {"fp32": 1e-5, "fp16": 5e-3, "bf16": 3e-2}

COMMON_OPERATORS = {
    *("Add", "Cast", "Clip", "Conv", "ConvTranspose", "DepthToSpace", "Div", "Exp", "Log", "Mul", "Neg", "Pad"),
    *("Reciprocal", "Relu", "Sigmoid", "Slice", "Sub"),
}
"""Those that every runtime of docs/runtimes.md has."""


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def exported(request) -> tuple[bytes, CompletionNetwork, str, str]:
    order, output, precision, graph = request.param
    network = random_network(WIDTH, order, output)
    return cached_onnx(network, precision, graph), network, precision, graph


def weights_and_tensors(model: onnx.ModelProto) -> set[int]:
    """The types of the weights."""
    return {tensor.data_type for tensor in model.graph.initializer if len(tensor.dims) == 4}


def test_one_file_of_the_stated_opset_and_type_with_fp32_at_its_ends(exported):
    content, _, precision, _ = exported
    model = onnx.load_from_string(content)
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [
        BFLOAT16_OPSET if precision == "bf16" else OPSET
    ]
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert weights_and_tensors(model) == {onnx.TensorProto.DataType.Value(WEIGHT_TYPES[precision])}
    ends = [value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)]
    assert ends == [onnx.TensorProto.FLOAT] * 2
    assert {node.op_type for node in model.graph.node} <= COMMON_OPERATORS


def test_the_file_is_valid_for_any_size_and_says_what_it_is(exported):
    content, network, precision, graph = exported
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    halo = network.spec.halo
    cut = f" - {2 * halo}" if graph == "interior" else ""
    sides = [
        [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    ]
    assert sides == [["n", 4, "4*h", "4*w"], ["n", 3, f"4*h{cut}", f"4*w{cut}"]]
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert len(about.pop("weights")) == 64
    assert about == {"precision": precision, "graph": graph, "halo": str(halo)}


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 0, 0), (3, 8, 100), (1, 132, 64)])
def test_shapes_never_seen_at_export(exported, batch, height, width):
    content, network, precision, graph = exported
    least = smallest_side(network, graph)
    holed_N4HW = torch.rand(batch, 4, least + height, least + width, generator=torch.Generator().manual_seed(3))
    run = open_in_openvino(content) if precision == "bf16" else open_in_onnxruntime(content)
    generated_N3HW = run(holed_N4HW.numpy())
    halo = network.spec.halo if graph == "interior" else 0
    expected_N3HW = Margins(halo, halo, halo, halo).cut(network(holed_N4HW)).numpy()
    assert generated_N3HW.dtype == np.float32
    np.testing.assert_allclose(generated_N3HW, expected_N3HW, atol=DIFFERENCES[precision])


def test_the_check_at_export_refuses_another_networks_graph(exported):
    content, network, precision, graph = exported
    other = random_network(WIDTH + 2, network.spec.norm_order, network.spec.output)
    with pytest.raises(ValueError, match="differs from PyTorch by"):
        check_graph(content, other, precision, graph)


def test_no_export_in_other_precisions():
    with pytest.raises(ValueError, match="cannot be exported in 'int4'; choose one of: fp32, fp16, bf16"):
        export_onnx(random_network(WIDTH), "int4")


def test_tensorrt_rtx_parses_the_types_and_builds_without_a_gpu(exported):
    trt = pytest.importorskip("tensorrt_rtx")
    content, network, precision, graph = exported
    _, definition = parse(trt, content)
    convolutions = [
        definition.get_layer(index).get_output(0).dtype
        for index in range(definition.num_layers)
        if definition.get_layer(index).type in (trt.LayerType.CONVOLUTION, trt.LayerType.DECONVOLUTION)
    ]
    assert len(convolutions) == 17
    assert set(convolutions) == {getattr(trt.DataType, TENSORRT_TYPES[precision])}
    side = smallest_side(network, graph) + 60
    engine, timing_cache = build_engine(trt, content, (1, 4, side, side))
    assert timing_cache == b""
    values = sum(parameter.numel() for parameter in network.parameters())
    assert len(engine) > values * (4 if precision == "fp32" else 2)


def test_tensorrt_rtx_says_why_it_refuses():
    trt = pytest.importorskip("tensorrt_rtx")
    with pytest.raises(ValueError, match=r"tensorrt_rtx .* refuses the exported graph"):
        parse(trt, b"no graph")
    with pytest.raises(ValueError, match=r"does not support H100 \(compute capability 9.0; it has SM75"):
        check_gpu(trt, (9, 0), "H100")
    check_gpu(trt, (8, 9), "L4")
    with pytest.raises(ValueError, match="TensorRT's limit is 2147483647: take smaller windows"):
        check_size((1, 4, 8192, 8192), 64)


def test_both_graphs_are_covered():
    assert {case[3] for case in CASES} == set(GRAPHS)
