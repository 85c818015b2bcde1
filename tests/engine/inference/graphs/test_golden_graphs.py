"""Exported graphs are what they were when EXPORT_VERSION and CALIBRATION_VERSION were last raised.

Users' caches know graphs by these numbers, so that whoever changes a graph raises its number, and then writes it down:
`python -m tests.engine.inference.graphs.test_golden_graphs`.
"""

import json
import re
from itertools import count
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from engine.inference.calibration import Sample, calibrate, network_inputs
from engine.inference.graphs.export import EXPORT_VERSION, Graph, cached_onnx, export_onnx, onnx_key
from engine.inference.graphs.int8 import CALIBRATION_VERSION, insert_rounding, int8_key
from engine.inference.graphs.tensorrt_build import BUILD_VERSION, configure, start
from engine.networks import CompletionNetwork
from engine.spec import CompletionSpec

GOLDEN = Path(__file__).with_name("golden") / "graphs.json"

CASES: dict[str, tuple[CompletionSpec, str, Graph]] = {
    "padded fp32": (CompletionSpec(base_width=2, output="residual", fill="smooth"), "fp32", "padded"),
    "interior fp32": (
        CompletionSpec(base_width=2, norm_order="act_norm", output="clip", fill="learned", input_shift=(0.4, 0.5, 0.6)),
        "fp32",
        "interior",
    ),
    "interior fp16": (CompletionSpec(base_width=2, output="residual"), "fp16", "interior"),
    "padded bf16": (CompletionSpec(base_width=2), "bf16", "padded"),
}
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
WRITE_DOWN = "python -m tests.engine.inference.graphs.test_golden_graphs"
BUMP = f"is another than it was: bump {{}}, and then write it down: {WRITE_DOWN}"


def plain_network(spec: CompletionSpec) -> CompletionNetwork:
    """A network whose weights are the same on every machine, and no batch norm of which is an identity."""
    network = CompletionNetwork(spec).eval().requires_grad_(False)
    for values in network.state_dict().values():
        if values.is_floating_point():
            steps = (torch.arange(values.numel()) * 7 % 13).reshape(values.shape)
            values.copy_(0.5 + steps / 26 if values.ndim == 1 else (steps - 6) / (4 * max(values[0].numel(), 13)))
    return network


def described(content: bytes) -> list[str]:
    """The nodes of an ONNX file with their inputs and attributes, under names that only follow their order."""
    graph = onnx.load_from_string(content).graph
    numbers, names = count(), {value.name: value.name for value in (*graph.input, *graph.output)}
    constants = {tensor.name: of_tensor(tensor) for tensor in graph.initializer}
    lines = []
    for node in graph.node:
        inputs = [constants.get(name) or names.get(name, "-") for name in node.input]
        for name in node.output:
            names.setdefault(name, f"x{next(numbers)}")
        attributes = ", ".join(sorted(map(of_attribute, node.attribute)))
        lines.append(f"{names[node.output[0]]} = {node.op_type}({', '.join(inputs)}; {attributes})")
    return lines


def of_tensor(tensor: onnx.TensorProto) -> str:
    """A constant's type, shape, and sum and sum of squares, or its values if they are few."""
    values = numpy_helper.to_array(tensor).astype(np.float64)
    kind = f"{onnx.TensorProto.DataType.Name(tensor.data_type)}{list(tensor.dims)}"
    if values.size <= 8:
        return f"{kind} {[float(f'{value:.5g}') for value in values.ravel()]}"
    return f"{kind} sum {values.sum():.5g} squares {np.square(values).sum():.5g}"


def of_attribute(attribute: onnx.AttributeProto) -> str:
    """Name and value."""
    value = onnx.helper.get_attribute_value(attribute)
    return f"{attribute.name}={of_tensor(value) if isinstance(value, onnx.TensorProto) else value}"


def plain_samples() -> list[Sample]:
    """A photo with a hole, of 64x64."""
    photo_HW3 = (np.arange(64 * 64 * 3) * 31 % 251).reshape(64, 64, 3).astype(np.uint8)
    hole_HW = np.zeros((64, 64), bool)
    hole_HW[20:44, 16:40] = True
    return [Sample(photo_HW3, hole_HW)]


def calibration() -> list[str]:
    """What the network sees of that photo, the ranges that it gives, and the rounding."""
    network = plain_network(CASES["padded fp32"][0])
    (holed_14HW,) = network_inputs(network, plain_samples())
    lines = [f"input means {[float(f'{value:.5g}') for value in holed_14HW.mean((0, 2, 3)).tolist()]}"]
    ranges = calibrate(network, plain_samples())
    lines += [f"range {low:.5g} to {high:.5g}" for low, high in ranges]
    even = [(-1.0, 3.0)] * len(ranges)
    return lines + described(insert_rounding(cached_onnx(network, "fp32", "padded"), even).SerializeToString())


def made_now() -> dict[str, object]:
    """What GOLDEN should hold."""
    graphs = {name: described(export_onnx(plain_network(spec), *how)) for name, (spec, *how) in CASES.items()}
    versions = {"export": EXPORT_VERSION, "calibration": CALIBRATION_VERSION}
    return {**versions, "graphs": graphs, "int8": calibration()}


def are_alike(made: list[str], golden: list[str]) -> bool:
    """Whether the words are equal and the numbers as good as equal: the last digits are the CPU's."""
    texts = ["\n".join(lines) for lines in (made, golden)]
    if NUMBER.sub("", texts[0]) != NUMBER.sub("", texts[1]):
        return False
    return np.allclose(*([float(number) for number in NUMBER.findall(text)] for text in texts), rtol=1e-3, atol=1e-3)


@pytest.fixture(scope="module")
def golden() -> dict:
    found = json.loads(GOLDEN.read_text())
    assert (found["export"], found["calibration"]) == (EXPORT_VERSION, CALIBRATION_VERSION), (
        "a version has been raised: write the graphs down by python -m tests.engine.inference.graphs.test_golden_graphs"
    )
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_graph_is_what_its_version_says(golden, name):
    spec, precision, graph = CASES[name]
    made = described(cached_onnx(plain_network(spec), precision, graph))
    assert are_alike(made, golden["graphs"][name]), f"the {name} graph " + BUMP.format("EXPORT_VERSION")


def test_calibration_is_what_its_version_says(golden):
    assert are_alike(calibration(), golden["int8"]), "int8 " + BUMP.format("CALIBRATION_VERSION")


@pytest.mark.slow
def test_a_changed_export_is_noticed(golden, monkeypatch):
    for module in ("engine.networks", "engine.inference.windows.folded"):
        monkeypatch.setattr(f"{module}.BATCH_NORM_EPS", 0.1)
    spec, precision, graph = CASES["padded fp32"]
    changed = described(export_onnx(plain_network(spec), precision, graph))
    assert not are_alike(changed, golden["graphs"]["padded fp32"])


def test_keys_have_versions_and_no_hash_of_source_code():
    network = plain_network(CASES["padded bf16"][0])
    key = onnx_key(network, "fp32", "padded")
    assert set(key) == {"kind", "weights", "precision", "graph", "halo", "export"}
    assert key["export"] == EXPORT_VERSION
    key = int8_key(network, "padded", [(0.0, 1.0)])
    assert set(key) == {"kind", "weights", "precision", "graph", "halo", "export", "calibration", "ranges"}


def test_tensorrts_builder_is_configured_as_its_version_says():
    trt = pytest.importorskip("tensorrt_rtx")
    builder = start(trt, "Builder")
    config = configure(trt, builder, (2, 4, 64, 96), (8, 9), 1 << 20)
    made = (
        config.builder_optimization_level,
        sorted(name for name, flag in trt.BuilderFlag.__members__.items() if config.get_flag(flag)),
        config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE),
        config.num_optimization_profiles,
        config.num_compute_capabilities,
        str(config.get_compute_capability(0)),
    )
    assert (BUILD_VERSION, *made) == (1, 3, [], 1 << 20, 1, 1, "ComputeCapability.SM89"), "bump BUILD_VERSION"


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(made_now(), indent=1) + "\n")
