"""The trained network as a graph in one ONNX file, for the runtimes that are not PyTorch's.

There are two graphs. `padded` is the network of the paper: any H and W, same size out. `interior` is for windows away
from the photo's borders: the halo is cut off on every side, and layer by layer only what remains is computed.

The padded graph has transposed convolutions, with which OpenVINO computes it faster in bf16 and int8, and the interior
one convolutions before pixel shuffles (docs/measurements.md). Exported in bf16 both have these: TensorRT-RTX 1.7 builds
no transposed ones.
"""

import copy
import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from typing import Literal

import torch
from torch import Tensor

from engine.inference.graphs import engine_cache
from engine.inference.graphs.runners import open_in_onnxruntime, open_in_openvino
from engine.inference.graphs.window_graph import window_graph
from engine.inference.windows.folded import fold_network
from engine.inference.windows.layer_plan import BORDERS, NO_BORDERS, Margins
from engine.networks import CompletionNetwork
from engine.spec import STRIDE
from engine.weights import NetworkWeights

log = logging.getLogger(__name__)

Graph = Literal["padded", "interior"]
GRAPHS: tuple[Graph, ...] = ("padded", "interior")

TOLERANCES = {"fp32": 1e-4, "fp16": 2e-2, "bf16": 5e-2}
"""The types that an exported graph computes in, and the largest difference from fp32 PyTorch, of a range of 1."""

EXPORT_VERSION = 3
"""Of the graphs, and part of their keys in the cache: to be raised whenever the graph of a network becomes another, as
`tests/engine/inference/graphs/test_golden_graphs.py` says then."""


def export_onnx(network: CompletionNetwork, precision: str = "fp32", graph: Graph = "padded") -> bytes:
    """The content of one ONNX file, checked against `network` in ONNX Runtime (bf16: OpenVINO) at three shapes.

    Input `holed`: fp32, N x 4 x H x W, as `CompletionNetwork` takes it; N any, H and W any multiples of 4, for the
    interior graph above twice the halo. Output `generated`: fp32, N x 3 x H x W, less the halo on each side in the
    interior graph. Batch norms are folded. `precision` (fp32, fp16 or bf16) is the type of the weights and of all
    between.

    ValueError if there is no such precision, or the graph differs from the network by more than TOLERANCES.
    """
    if precision not in TOLERANCES:
        raise ValueError(f"a graph cannot be exported in {precision!r}; choose one of: {', '.join(TOLERANCES)}")
    network = copy.deepcopy(network).cpu().float().eval()
    folded = fold_network(network.spec, NetworkWeights.of(network).tensors)
    about = {name: str(value) for name, value in describe(network, precision, graph).items()}
    borders = BORDERS if graph == "padded" else NO_BORDERS
    transposed = graph == "padded" and precision != "bf16"
    content = window_graph(folded, borders, precision, transposed, about)
    check_graph(content, network, precision, graph)
    return content


def fix_size(content: bytes, network: CompletionNetwork, graph: Graph, height: int, width: int) -> bytes:
    """An exported file with an input of 1 x 4 x `height` x `width` alone."""
    import onnx

    model = onnx.load_from_string(content)
    cut = 2 * network.spec.halo if graph == "interior" else 0
    shapes = ((1, 4, height, width), (1, 3, height - cut, width - cut))
    for value, shape in zip((*model.graph.input, *model.graph.output), shapes, strict=True):
        for dimension, side in zip(value.type.tensor_type.shape.dim, shape, strict=True):
            dimension.dim_value = side
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def cached_onnx(network: CompletionNetwork, precision: str, graph: Graph) -> bytes:
    """`export_onnx`, remembered in the cache."""

    def export() -> bytes:
        log.info("the %s graph is exported in %s, once", graph, precision)
        return export_onnx(network, precision, graph)

    return engine_cache.fetch(onnx_key(network, precision, graph), export)


def is_exported(network: CompletionNetwork) -> bool:
    """True if both graphs are in the cache in fp32."""
    return all(engine_cache.is_cached(onnx_key(network, "fp32", graph)) for graph in GRAPHS)


def onnx_key(network: CompletionNetwork, precision: str, graph: Graph) -> engine_cache.Key:
    """All that the exported file depends on: the network and the version of its graph."""
    return {"kind": "onnx", **describe(network, precision, graph), "export": EXPORT_VERSION}


def describe(network: CompletionNetwork, precision: str, graph: Graph) -> engine_cache.Key:
    """The identity of a graph: the file's metadata."""
    digest = hashlib.sha256(json.dumps(asdict(network.spec), sort_keys=True).encode())
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return {"weights": digest.hexdigest(), "precision": precision, "graph": graph, "halo": network.spec.halo}


def smallest_side(network: CompletionNetwork, graph: Graph) -> int:
    """The least H and W that the graph takes."""
    return STRIDE + (2 * network.spec.halo if graph == "interior" else 0)


@torch.inference_mode()
def check_graph(content: bytes, network: CompletionNetwork, precision: str, graph: Graph) -> None:
    """ValueError if the graph differs from `network` (fp32, eval, on the CPU).

    Compared are noise, a bright flat and a dark photo, of three shapes.
    """
    run = open_in_openvino(content) if precision == "bf16" else open_in_onnxruntime(content)
    least, halo = smallest_side(network, graph), network.spec.halo if graph == "interior" else 0
    for example_N4HW in examples(least):
        generated_N3HW = run(example_N4HW.numpy())
        expected_N3HW = Margins(halo, halo, halo, halo).cut(network(example_N4HW))
        # A value that is not finite makes the difference NaN, which is no more than the limit either.
        difference = (torch.from_numpy(generated_N3HW) - expected_N3HW).abs().max().item()
        if not difference <= TOLERANCES[precision]:
            raise ValueError(
                f"the {graph} graph in {precision} differs from PyTorch by {difference:.2g} of 1 for an input of "
                f"{tuple(example_N4HW.shape)}; the limit is {TOLERANCES[precision]}: use fp32"
            )


def examples(least: int) -> Iterator[Tensor]:
    """Network inputs of three shapes: noise, a bright flat and a dark photo."""
    generator = torch.Generator().manual_seed(0)
    for batch, height, width, brightness, noise in ((1, 36, 60, 0.0, 1.0), (1, 28, 12, 0.98, 0.02), (2, 8, 32, 0, 0.1)):
        yield example((batch, 4, least + height, least + width), brightness, noise, generator)


def example(shape: tuple[int, ...], brightness: float, noise: float, generator: torch.Generator) -> Tensor:
    """`holed_N4HW` of that brightness with some noise, and a hole in the middle."""
    holed_N4HW = brightness + noise * torch.rand(shape, generator=generator)
    holed_N4HW[:, 3] = 0
    holed_N4HW[:, 3, shape[2] // 4 : -shape[2] // 4, shape[3] // 4 : -shape[3] // 4] = 1
    return holed_N4HW
