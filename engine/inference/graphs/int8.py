"""The exported graphs in int8: how they are made from the fp32 ones, and that none is used that lost too much.

A quantised convolution reads 8-bit activations, with one scale for all, and 8-bit weights, with a scale per output
channel (QuantizeLinear and DequantizeLinear of ONNX around it); biases and all between are fp32. The file says in its
metadata what it loses on photographs (`engine.inference.calibration`); one that loses more than LIMIT_DB is
neither made nor loaded.

Which layers are quantised was searched with a network of base width 16 after a short training (mean fill, sigmoid;
13.4 dB in the hole), calibrated on 24 photos and judged on 24 others, of 256x256; PSNR in the hole, against fp32 (mean,
worst) and lost against the original (mean, worst), dB:

    all layers                                          33.0, 26.0      0.114, 1.053
    but the first                                       53.7, 49.5     -0.014, 0.023
    but the first and the last                          54.5, 49.8     -0.013, 0.020
    but the first, the transposed and the last          54.6, 50.1     -0.013, 0.022
    but the transposed                                  32.9, 26.0      0.113, 1.054

So the first layer, where a hole's constant colour is rounded alike all over it, stays in fp32, and no other.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from engine.inference.graphs import engine_cache
from engine.inference.graphs.export import EXPORT_VERSION, Graph, describe
from engine.networks import CompletionNetwork

LIMIT_DB = 0.3
"""PSNR in the hole that int8 may lose against fp32, in the mean over the held-out photos."""

CALIBRATION_VERSION = 1
"""Of the rounding and of the ranges that photos are given, and part of the key in the cache: to be raised whenever
either becomes another for the same photos, as `tests/engine/inference/test_golden_graphs.py` says then."""

CONVOLUTIONS = {"Conv": 0, "ConvTranspose": 1}
"""Operators, and the axis of their weights that is the output channel."""

Range = tuple[float, float]
"""The least and the largest activation, with 0 between."""


class Loss(NamedTuple):
    """The cost of int8, measured on held-out photos; in the file's metadata under these names."""

    int8_loss_db: float
    """PSNR in the hole that fp32 reaches and int8 does not, mean."""
    int8_worst_loss_db: float
    int8_psnr_to_fp32_db: float
    """Between the two, in the hole, mean."""
    int8_photos: int


def int8_key(network: CompletionNetwork, graph: Graph) -> engine_cache.Key:
    """All that the file depends on but the photos: the network, and the versions of its fp32 graph and of this."""
    about = describe(network, "int8", graph)
    return {"kind": "int8", **about, "export": EXPORT_VERSION, "calibration": CALIBRATION_VERSION}


def load_int8(network: CompletionNetwork, graph: Graph) -> bytes:
    """The file that engine-export has put into the cache. ValueError if there is none, or it has lost too much."""

    def refuse() -> bytes:
        raise ValueError(
            f"this network's {graph} graph has not been calibrated for int8: "
            "engine-export WEIGHTS --to openvino --precision int8 --photos DIR"
        )

    return engine_cache.fetch(int8_key(network, graph), refuse, check_loss)


def read_loss(content: bytes) -> Loss:
    """The loss that was measured when the file was made. ValueError if it says nothing of that."""
    found = {entry.key: entry.value for entry in onnx.load_from_string(content).metadata_props}
    if missing := [name for name in Loss._fields if name not in found]:
        raise ValueError(f"its metadata lack {', '.join(missing)}")
    return Loss(
        float(found["int8_loss_db"]),
        float(found["int8_worst_loss_db"]),
        float(found["int8_psnr_to_fp32_db"]),
        int(found["int8_photos"]),
    )


def check_loss(content: bytes) -> Loss:
    """The file's measured loss. ValueError if it is more than LIMIT_DB, or not a number."""
    loss = read_loss(content)
    if not loss.int8_loss_db <= LIMIT_DB:
        raise ValueError(
            f"int8 loses {loss.int8_loss_db:.2f} dB in the hole on {loss.int8_photos} held-out photos, more than "
            f"{LIMIT_DB}: use --precision fp32 or bf16, or calibrate on photos more like those to complete"
        )
    return loss


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
