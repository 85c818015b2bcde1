"""The exported graphs in int8: how they are made from the fp32 ones, and that none is used that lost too much.

A quantised convolution reads 8-bit activations, with one scale for all, and 8-bit weights, with a scale per output
channel (QuantizeLinear and DequantizeLinear of ONNX around it); biases and all between are fp32. The ranges that give
the scales, and what is lost with them on photographs, lie beside the weights (`engine.inference.calibration` measures
both); a calibration that loses more than LIMIT_DB is neither made nor used.

The first layer, where a hole's constant colour is rounded alike all over it, stays in fp32, and no other: with it in
int8, 0.11 dB are lost in the hole, and without it none. docs/measurements.md has the layers that were tried.
"""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from data.files import write_atomically
from engine.inference.graphs import engine_cache
from engine.inference.graphs.export import EXPORT_VERSION, Graph, cached_onnx, describe
from engine.inference.options import calibration_file
from engine.networks import CompletionNetwork

LIMIT_DB = 0.3
"""PSNR in the hole that int8 may lose against fp32, in the mean over the held-out photos."""

CALIBRATION_VERSION = 2
"""Of the rounding and of the ranges that photos are given, and part of the key in the cache: to be raised whenever
either becomes another for the same photos, as `tests/engine/inference/graphs/test_golden_graphs.py` says then."""

CONVOLUTIONS = {"Conv": 0, "ConvTranspose": 1}
"""Operators, and the axis of their weights that is the output channel."""

Range = tuple[float, float]
"""The least and the largest activation, with 0 between."""


class Loss(NamedTuple):
    """The cost of int8, measured on held-out photos, of the graph that loses more."""

    int8_loss_db: float
    """PSNR in the hole that fp32 reaches and int8 does not, mean."""
    int8_worst_loss_db: float
    int8_psnr_to_fp32_db: float
    """Between the two, in the hole, mean."""
    int8_photos: int


class Calibration(NamedTuple):
    """The ranges that photos have given to the network's convolutions, and what int8 then loses."""

    ranges: list[Range]
    loss: Loss


def save_calibration(path: Path, network: CompletionNetwork, calibration: Calibration) -> None:
    """Write a network's calibration, whole or not at all."""
    about = {"calibration": CALIBRATION_VERSION, "weights": describe(network, "int8", "padded")["weights"]}
    content = {**about, "ranges": calibration.ranges, "loss": calibration.loss._asdict()}
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())


def read_calibration(network: CompletionNetwork) -> Calibration:
    """The calibration beside the network's weights. ValueError, with what to do, if there is none that is of use."""
    if network.file is None:
        raise ValueError("int8 needs a calibration beside the network's weights file, and this network is of none")
    path, remedy = calibration_file(network.file), f"engine-export {network.file} --to openvino --precision int8"
    if not path.is_file():
        raise ValueError(f"this network has not been calibrated for int8 (no {path}): {remedy} --photos DIR")
    try:
        found = json.loads(path.read_bytes())
        is_current = found["calibration"] == CALIBRATION_VERSION
        is_its_own = found["weights"] == describe(network, "int8", "padded")["weights"]
        ranges = [(float(low), float(high)) for low, high in found["ranges"]]
        calibration = Calibration(ranges, Loss(**found["loss"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} cannot be read ({error!r}): {remedy} --photos DIR") from error
    if not (is_current and is_its_own):
        of = "other weights" if is_current else "another version"
        raise ValueError(f"{path} is the calibration of {of}: {remedy} --photos DIR")
    check_loss(calibration.loss)
    return calibration


def int8_key(network: CompletionNetwork, graph: Graph, ranges: list[Range]) -> engine_cache.Key:
    """All that the graph depends on: the network, the ranges, and the versions of its fp32 graph and of this."""
    about = {**describe(network, "int8", graph), "export": EXPORT_VERSION, "calibration": CALIBRATION_VERSION}
    return {"kind": "int8", **about, "ranges": sha256(json.dumps(ranges).encode()).hexdigest()}


def cached_int8(network: CompletionNetwork, graph: Graph, ranges: list[Range]) -> bytes:
    """The ONNX file of a graph in int8, from the cache where it is there."""
    return engine_cache.fetch(int8_key(network, graph, ranges), lambda: quantised(network, graph, ranges))


def quantised(network: CompletionNetwork, graph: Graph, ranges: Sequence[Range]) -> bytes:
    """An ONNX file as of `export_onnx`, in int8."""
    model = insert_rounding(cached_onnx(network, "fp32", graph), ranges)
    del model.metadata_props[:]
    for name, value in describe(network, "int8", graph).items():
        model.metadata_props.add(key=name, value=str(value))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def check_loss(loss: Loss) -> None:
    """ValueError if a measured loss is more than LIMIT_DB, or not a number."""
    if not loss.int8_loss_db <= LIMIT_DB:
        raise ValueError(
            f"int8 loses {loss.int8_loss_db:.2f} dB in the hole on {loss.int8_photos} held-out photos, more than "
            f"{LIMIT_DB}: use --precision fp32 or bf16, or calibrate on photos more like those to complete"
        )


def insert_rounding(content: bytes, ranges: Sequence[Range]) -> onnx.ModelProto:
    """The model of an ONNX file with all convolutions in int8 but the first of the network, whose `ranges` are those of
    its last convolutions: those of a learned fill come before them and stay as they are."""
    model = onnx.load_from_string(content)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    first = sum(node.op_type in CONVOLUTIONS for node in model.graph.node) - len(ranges)
    nodes, k = [], -first
    for node in model.graph.node:
        if node.op_type in CONVOLUTIONS:
            if k > 0:
                nodes += round_input(model.graph, node, k, ranges[k])
                nodes.append(round_weight(model.graph, node, k, weights[node.input[1]]))
            k += 1
        nodes.append(node)
    assert k == len(ranges)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model


def add_constant(graph: onnx.GraphProto, name: str, value: NDArray[np.generic]) -> str:
    """`name`, of a new initialiser."""
    graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def round_input(graph: onnx.GraphProto, node: onnx.NodeProto, k: int, values: Range) -> list[onnx.NodeProto]:
    """Nodes that round what `node` reads to uint8, which it then reads."""
    scale = max(values[1] - values[0], 1e-8) / 255
    parameters = [
        add_constant(graph, f"scale_{k}", np.array(scale, np.float32)),
        add_constant(graph, f"zero_{k}", np.array(round(-values[0] / scale), np.uint8)),
    ]
    rounded, restored = f"rounded_{k}", f"restored_{k}"
    nodes = [
        helper.make_node("QuantizeLinear", [node.input[0], *parameters], [rounded]),
        helper.make_node("DequantizeLinear", [rounded, *parameters], [restored]),
    ]
    node.input[0] = restored
    return nodes


def round_weight(graph: onnx.GraphProto, node: onnx.NodeProto, k: int, tensor: onnx.TensorProto) -> onnx.NodeProto:
    """The node that gives `node` its weight from int8."""
    axis = CONVOLUTIONS[node.op_type]
    weight = np.moveaxis(numpy_helper.to_array(tensor), axis, -1)
    scale_C = np.maximum(np.abs(weight).max(axis=(0, 1, 2)), 1e-8) / 127
    rounded = np.moveaxis(np.rint(weight / scale_C).astype(np.int8), -1, axis)
    inputs = [
        add_constant(graph, f"weight_{k}", rounded),
        add_constant(graph, f"weight_scale_{k}", scale_C.astype(np.float32)),
        add_constant(graph, f"weight_zero_{k}", np.zeros(len(scale_C), np.int8)),
    ]
    node.input[1] = f"weight_restored_{k}"
    return helper.make_node("DequantizeLinear", inputs, [node.input[1]], axis=axis)
