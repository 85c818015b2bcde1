"""The trained network in the forms that inference runs: batch norms folded, and as a graph in one ONNX file.

There are two graphs. `padded` is the network of the paper: any H and W, same size out. `interior` is for windows away
from the photo's borders: the halo is cut off on every side, and layer by layer only what remains is computed.
"""

import copy
import hashlib
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from engine import networks
from engine.inference import engine_cache, window_network
from engine.inference.window_network import InteriorNetwork, Margins
from engine.networks import STRIDE, CompletionNetwork, ConvBlock

Graph = Literal["padded", "interior"]
GRAPHS: tuple[Graph, ...] = ("padded", "interior")

OPSET = 18
"""Of the exported file: ONNX Runtime since 1.14, TensorRT since 8.6 and OpenVINO since 2023 read it."""

INPUT, OUTPUT = "holed", "generated"
"""The names of the graph's input and output."""

TOLERANCES = {"fp32": (torch.float32, 1e-4), "fp16": (torch.float16, 2e-2)}
"""What an exported graph can compute in, and by how much it may differ from fp32 PyTorch anywhere, of a range of 1."""


class ScaleShift(nn.Module):
    """What a batch norm with fixed statistics does: x * scale + shift, per channel."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        scale, shift = scale_and_shift(norm)
        self.register_buffer("scale", scale.view(1, -1, 1, 1))
        self.register_buffer("shift", shift.view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


def scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """The norm in eval mode as x * scale + shift."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.detach() * torch.rsqrt(norm.running_var + norm.eps)
    return scale, norm.bias.detach() - norm.running_mean * scale


def fold_batch_norm(network: CompletionNetwork) -> CompletionNetwork:
    """A copy of `network` in eval mode without batch norms: `norm` of its blocks is an identity or a ScaleShift.

    `norm_act` folds into the convolution before it. `act_norm` cannot be folded into the convolution after it, whose
    zero padding would not be shifted, and stays as a scale and shift after the ReLU. Equal to rounding.
    """
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    for block in folded.modules():
        if not isinstance(block, ConvBlock):
            continue
        if block.norm_first:
            assert block.conv.bias is not None
            scale, shift = scale_and_shift(block.norm)
            outputs_last = isinstance(block.conv, nn.ConvTranspose2d)
            block.conv.weight.mul_(scale.view((1, -1, 1, 1) if outputs_last else (-1, 1, 1, 1)))
            block.conv.bias.mul_(scale).add_(shift)
            block.norm = nn.Identity()  # type: ignore[assignment]
        else:
            block.norm = ScaleShift(block.norm)  # type: ignore[assignment]
    return folded


class TypedNetwork(nn.Module):
    """A network that computes in `dtype`, with fp32 input and output."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network.to(dtype)
        self.dtype = dtype

    def forward(self, holed_N4HW: Tensor) -> Tensor:
        return self.network(holed_N4HW.to(self.dtype)).float()


def export_onnx(network: CompletionNetwork, precision: str = "fp32", graph: Graph = "padded") -> bytes:
    """The content of one ONNX file, checked against `network` in ONNX Runtime at three shapes.

    Input `holed`: fp32, N x 4 x H x W, as `CompletionNetwork` takes it; N any, H and W any multiples of 4, for the
    interior graph above twice the halo. Output `generated`: fp32, N x 3 x H x W, less the halo on each side in the
    interior graph. Batch norms are folded. `precision` (fp32 or fp16) is the type of the weights and of all between.

    ValueError if there is no such precision, or the graph differs from the network by more than TOLERANCES.
    """
    import onnx

    if precision not in TOLERANCES:
        raise ValueError(f"a graph cannot be exported in {precision!r}; choose one of: {', '.join(TOLERANCES)}")
    dtype, _ = TOLERANCES[precision]
    network = copy.deepcopy(network).cpu().float().eval()
    folded = fold_batch_norm(network)
    typed = TypedNetwork(InteriorNetwork(folded) if graph == "interior" else folded, dtype)
    least = smallest_side(network, graph)
    example_N4HW = torch.zeros(2, 4, least + 20, least + 24)
    side = {axis: STRIDE * torch.export.Dim(name, min=least // STRIDE) for axis, name in ((2, "h"), (3, "w"))}
    with quiet_exporter():
        program = torch.onnx.export(
            typed.eval(),
            (example_N4HW,),
            dynamic_shapes=({0: torch.export.Dim("n"), **side},),
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    for name, value in describe(network, precision, graph).items():
        model.metadata_props.add(key=name, value=str(value))
    onnx.checker.check_model(model, full_check=True)
    (input_,) = model.graph.input
    sides = input_.type.tensor_type.shape.dim
    assert all(sides[axis].dim_param for axis in (0, 2, 3)), "the exporter has fixed a side"
    content = model.SerializeToString()
    check_graph(content, network, precision, graph)
    return content


def cached_onnx(network: CompletionNetwork, precision: str, graph: Graph) -> bytes:
    """`export_onnx`, remembered in the cache."""
    return engine_cache.fetch(onnx_key(network, precision, graph), lambda: export_onnx(network, precision, graph))


def is_exported(network: CompletionNetwork, precision: str = "fp32") -> bool:
    """Whether both graphs are in the cache."""
    return all(engine_cache.is_cached(onnx_key(network, precision, graph)) for graph in GRAPHS)


def onnx_key(network: CompletionNetwork, precision: str, graph: Graph) -> engine_cache.Key:
    """What the exported file depends on, with the code that defines and exports the network."""
    sources = b"".join(Path(str(file)).read_bytes() for file in (networks.__file__, window_network.__file__, __file__))
    code = hashlib.sha256(sources).hexdigest()[:16]
    return {"kind": "onnx", **describe(network, precision, graph), "torch": torch.__version__, "code": code}


def describe(network: CompletionNetwork, precision: str, graph: Graph) -> engine_cache.Key:
    """What a graph is of; the file's metadata."""
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
    """ValueError if the graph in ONNX Runtime differs from `network` (fp32, eval, on the CPU).

    Compared are noise, a bright flat and a dark photo, of three shapes.
    """
    from engine.inference.runtimes.onnx_runtime import import_onnxruntime

    session = import_onnxruntime().InferenceSession(content, providers=["CPUExecutionProvider"])
    least, halo = smallest_side(network, graph), network.spec.halo if graph == "interior" else 0
    for example_N4HW in examples(least):
        (generated_N3HW,) = session.run([OUTPUT], {INPUT: example_N4HW.numpy()})
        expected_N3HW = Margins(halo, halo, halo, halo).cut(network(example_N4HW))
        # A value that is not finite makes the difference NaN, which is no more than the limit either.
        difference = (torch.from_numpy(generated_N3HW) - expected_N3HW).abs().max().item()
        if not difference <= TOLERANCES[precision][1]:
            raise ValueError(
                f"the {graph} graph in {precision} differs from PyTorch by {difference:.2g} of 1 for an input of "
                f"{tuple(example_N4HW.shape)}; the limit is {TOLERANCES[precision][1]}: use fp32"
            )


def examples(least: int) -> Iterator[Tensor]:
    """Network inputs with a hole each, of three shapes, none of them the exporter's."""
    generator = torch.Generator().manual_seed(0)
    for batch, height, width, brightness, noise in ((1, 36, 60, 0.0, 1.0), (1, 28, 12, 0.98, 0.02), (2, 8, 32, 0, 0.1)):
        size = (least + height, least + width)
        holed_N4HW = brightness + noise * torch.rand(batch, 4, *size, generator=generator)
        holed_N4HW[:, 3] = 0
        holed_N4HW[:, 3, size[0] // 4 : -size[0] // 4, size[1] // 4 : -size[1] // 4] = 1
        yield holed_N4HW


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
