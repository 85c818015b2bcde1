"""The trained network as a graph in one ONNX file, for the runtimes that are not PyTorch's.

There are two graphs. `padded` is the network of the paper: any H and W, same size out. `interior` is for windows away
from the photo's borders: the halo is cut off on every side, and layer by layer only what remains is computed.

The padded graph has transposed convolutions, the interior one convolutions before pixel shuffles. For the padded graph
too the second form would be the same arithmetic, and is not faster (docs/measurements.md); in bf16 it is needed, see
BFLOAT16_OPSET.
"""

import copy
import hashlib
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.inference.graphs import engine_cache
from engine.inference.graphs.runners import INPUT, OUTPUT, open_in_onnxruntime, open_in_openvino
from engine.inference.windows.folding import fold_batch_norm
from engine.inference.windows.layer_plan import Margins
from engine.inference.windows.network import InteriorNetwork, as_pixel_shuffle
from engine.networks import CompletionNetwork, ConvBlock
from engine.spec import STRIDE

if TYPE_CHECKING:
    import onnx

log = logging.getLogger(__name__)

Graph = Literal["padded", "interior"]
GRAPHS: tuple[Graph, ...] = ("padded", "interior")

OPSET = 18
"""Of the exported file: ONNX Runtime since 1.14 and OpenVINO since 2023 read it; of TensorRT, 1.7 for RTX was tried."""

BFLOAT16_OPSET = 22
"""The first whose convolutions may be in bf16. ONNX Runtime has none of them on the CPU, so these graphs are checked in
OpenVINO; TensorRT-RTX 1.7 builds no transposed ones, so both graphs have pixel shuffles."""

TOLERANCES = {"fp32": (torch.float32, 1e-4), "fp16": (torch.float16, 2e-2), "bf16": (torch.bfloat16, 5e-2)}
"""The types that an exported graph computes in, and the largest difference from fp32 PyTorch, of a range of 1."""

EXPORT_VERSION = 2
"""Of the graphs, and part of their keys in the cache: to be raised whenever the graph of a network becomes another, as
`tests/engine/inference/graphs/test_golden_graphs.py` says then."""


class TypedNetwork(nn.Module):
    """A network that computes in `dtype`, with fp32 input and output."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network.to(dtype)
        self.dtype = dtype

    def forward(self, holed_N4HW: Tensor) -> Tensor:
        return self.network(holed_N4HW.to(self.dtype)).float()


class PaddedPixelShuffle(nn.Module):
    """A transposed convolution as a convolution before a pixel shuffle: the same output, of any size."""

    def __init__(self, conv: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.conv = as_pixel_shuffle(conv)

    def forward(self, x: Tensor) -> Tensor:
        return Margins(1, 1, 1, 1).cut(F.pixel_shuffle(self.conv(F.pad(x, (1, 1, 1, 1))), 2))


def shuffle_pixels(network: CompletionNetwork) -> CompletionNetwork:
    """`network`, changed to have no transposed convolutions."""
    for block in network.modules():
        if isinstance(block, ConvBlock) and isinstance(block.conv, nn.ConvTranspose2d):
            block.conv = PaddedPixelShuffle(block.conv)  # type: ignore[assignment]
    return network


def export_onnx(network: CompletionNetwork, precision: str = "fp32", graph: Graph = "padded") -> bytes:
    """The content of one ONNX file, checked against `network` in ONNX Runtime (bf16: OpenVINO) at three shapes.

    Input `holed`: fp32, N x 4 x H x W, as `CompletionNetwork` takes it; N any, H and W any multiples of 4, for the
    interior graph above twice the halo. Output `generated`: fp32, N x 3 x H x W, less the halo on each side in the
    interior graph. Batch norms are folded. `precision` (fp32, fp16 or bf16) is the type of the weights and of all
    between.

    ValueError if there is no such precision, or the graph differs from the network by more than TOLERANCES.
    """
    import onnx
    import torch._dynamo  # else the exporter does, and turns Ctrl-C meanwhile into an error of its own

    if precision not in TOLERANCES:
        raise ValueError(f"a graph cannot be exported in {precision!r}; choose one of: {', '.join(TOLERANCES)}")
    dtype, _ = TOLERANCES[precision]
    network = copy.deepcopy(network).cpu().float().eval()
    folded: nn.Module = fold_batch_norm(network)
    if graph == "interior":
        folded = InteriorNetwork(folded)  # type: ignore[arg-type]
    elif precision == "bf16":
        folded = shuffle_pixels(folded)  # type: ignore[arg-type]
    typed = TypedNetwork(folded, dtype)
    least = smallest_side(network, graph)
    example_N4HW = torch.zeros(2, 4, least + 20, least + 24)
    side = {axis: STRIDE * torch.export.Dim(name, min=least // STRIDE) for axis, name in ((2, "h"), (3, "w"))}
    with quiet_exporter():
        program = torch.onnx.export(
            typed.eval(),
            (example_N4HW,),
            dynamic_shapes=({0: torch.export.Dim("n"), **side},),
            opset_version=BFLOAT16_OPSET if precision == "bf16" else OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    drop_notes(model.graph)
    for name, value in describe(network, precision, graph).items():
        model.metadata_props.add(key=name, value=str(value))
    onnx.checker.check_model(model, full_check=True)
    (input_,) = model.graph.input
    sides = input_.type.tensor_type.shape.dim
    assert all(sides[axis].dim_param for axis in (0, 2, 3)), "the exporter has fixed a side"
    content = model.SerializeToString()
    check_graph(content, network, precision, graph)
    return content


def drop_notes(graph: "onnx.GraphProto") -> None:
    """Removes what no runtime needs of what the exporter writes.

    Shapes between the ends are in symbols of its own, which tract finds contradictory. A node's stack trace names this
    machine's folders.
    """
    del graph.value_info[:]
    for noted in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del noted.metadata_props[:]


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
        log.info("the %s graph is exported in %s, which takes some seconds, once", graph, precision)
        return export_onnx(network, precision, graph)

    return engine_cache.fetch(onnx_key(network, precision, graph), export)


def is_exported(network: CompletionNetwork) -> bool:
    """True if both graphs are in the cache in fp32."""
    return all(engine_cache.is_cached(onnx_key(network, "fp32", graph)) for graph in GRAPHS)


def onnx_key(network: CompletionNetwork, precision: str, graph: Graph) -> engine_cache.Key:
    """All that the exported file depends on: the network, the exporter's version and this engine's."""
    about = describe(network, precision, graph)
    return {"kind": "onnx", **about, "torch": torch.__version__, "export": EXPORT_VERSION}


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
        if not difference <= TOLERANCES[precision][1]:
            raise ValueError(
                f"the {graph} graph in {precision} differs from PyTorch by {difference:.2g} of 1 for an input of "
                f"{tuple(example_N4HW.shape)}; the limit is {TOLERANCES[precision][1]}: use fp32"
            )


def examples(least: int) -> Iterator[Tensor]:
    """Network inputs of three shapes, none of them the exporter's: noise, a bright flat and a dark photo."""
    generator = torch.Generator().manual_seed(0)
    for batch, height, width, brightness, noise in ((1, 36, 60, 0.0, 1.0), (1, 28, 12, 0.98, 0.02), (2, 8, 32, 0, 0.1)):
        yield example((batch, 4, least + height, least + width), brightness, noise, generator)


def example(shape: tuple[int, ...], brightness: float, noise: float, generator: torch.Generator) -> Tensor:
    """`holed_N4HW` of that brightness with some noise, and a hole in the middle."""
    holed_N4HW = brightness + noise * torch.rand(shape, generator=generator)
    holed_N4HW[:, 3] = 0
    holed_N4HW[:, 3, shape[2] // 4 : -shape[2] // 4, shape[3] // 4 : -shape[3] // 4] = 1
    return holed_N4HW


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Without the exporter's notes to its own developers."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
