"""TensorRT on a CUDA GPU: engines for a few static shapes, built once and cached, that windows are padded to."""

import hashlib
import logging
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.inference import engine_cache
from engine.inference.export import TOLERANCES, Graph, cached_onnx, examples
from engine.inference.graph_runners import INPUT, OUTPUT
from engine.inference.runtimes.torch_runtime import TorchRuntime, pick_device
from engine.inference.tensorrt_build import Shape, build_engine, check_gpu, check_size, import_tensorrt
from engine.inference.window_network import NO_MARGINS, Margins
from engine.networks import STRIDE, CompletionNetwork

log = logging.getLogger(__name__)

SIDE_STEP = 256
"""Sides of engines' inputs are multiples of this, so that few engines serve all windows."""

MAX_BATCH_PIXELS = 1536 * 1536


class TensorrtRuntime:
    """A `Runtime`: the exported graphs as strongly typed engines, with torch's tensors and torch's stream.

    An engine is checked against PyTorch in fp32 before it is cached. An output that is not finite is computed again in
    fp32 by PyTorch, and a warning says so.
    """

    name = "tensorrt"
    multiple = STRIDE

    def __init__(
        self, network: CompletionNetwork, *, precision: str = "auto", device: str = "auto", memory: int | None = None
    ) -> None:
        self.device = pick_device(device)
        if self.device.type != "cuda":
            raise ValueError(
                f"TensorRT needs an NVIDIA GPU with its driver, and the device is {self.device} "
                f"({torch.cuda.device_count()} CUDA devices are visible): run without --trt, or with --runtime openvino"
            )
        self.trt = import_tensorrt()
        check_gpu(self.trt, torch.cuda.get_device_capability(self.device), torch.cuda.get_device_name(self.device))
        self.precision = "fp16" if precision == "auto" else precision
        if self.precision not in TOLERANCES:
            raise ValueError(f"TensorRT engines are fp16 or fp32, not {precision!r}")
        self.network = network
        self.reference = TorchRuntime(network, precision="fp32", device=str(self.device), memory=memory)
        self.max_batch_pixels = min(MAX_BATCH_PIXELS, self.reference.max_batch_pixels)
        self.contexts: dict[tuple[Graph, Shape], Any] = {}

    def run(self, holed_N4HW: Tensor, margins: Margins = NO_MARGINS) -> Tensor:
        halo = self.network.spec.halo
        graph: Graph = "interior" if margins == Margins(halo, halo, halo, halo) else "padded"
        padded_N4HW, margins = pad_to_static(holed_N4HW.to(self.device, torch.float32), margins, halo)
        generated_N3HW = self.execute(graph, padded_N4HW)
        if graph == "interior":
            margins = Margins(0, margins.bottom - halo, 0, margins.right - halo)
        generated_N3HW = margins.cut(generated_N3HW)
        if torch.isfinite(generated_N3HW).all():
            return generated_N3HW
        log.warning("an output of TensorRT in %s is not finite; PyTorch computes it in fp32", self.precision)
        return self.reference.run(padded_N4HW, margins if graph == "padded" else plus(margins, halo))

    def execute(self, graph: Graph, holed_N4HW: Tensor) -> Tensor:
        """Run the engine for this shape, which is built if need be."""
        shape: Shape = tuple(holed_N4HW.shape)  # type: ignore[assignment]
        if (graph, shape) not in self.contexts:
            engine = engine_cache.fetch(self.key(graph, shape), lambda: self.build(graph, shape), self.open)
            self.contexts[graph, shape] = self.open(engine)
        return self.enqueue(self.contexts[graph, shape], holed_N4HW)

    def enqueue(self, context: Any, holed_N4HW: Tensor) -> Tensor:
        """Run on torch's stream, reading and writing torch's memory."""
        holed_N4HW = holed_N4HW.contiguous()
        generated_N3HW = torch.empty(tuple(context.get_tensor_shape(OUTPUT)), device=self.device)
        context.set_tensor_address(INPUT, holed_N4HW.data_ptr())
        context.set_tensor_address(OUTPUT, generated_N3HW.data_ptr())
        stream = torch.cuda.current_stream(self.device)
        if not context.execute_async_v3(stream.cuda_stream):
            raise RuntimeError("TensorRT could not run its engine; its log says why")
        holed_N4HW.record_stream(stream)
        return generated_N3HW

    def open(self, engine: bytes) -> Any:
        """An execution context. ValueError if this TensorRT, on this GPU, does not take the engine."""
        with torch.cuda.device(self.device):
            runtime = self.trt.Runtime(self.trt.Logger(self.trt.Logger.ERROR))
            opened = runtime.deserialize_cuda_engine(engine)
            if opened is None:
                raise ValueError(f"{self.trt.__name__} {self.trt.__version__} cannot load it")
            context = opened.create_execution_context()
        context.set_input_shape(INPUT, tuple(opened.get_tensor_profile_shape(INPUT, 0)[1]))
        return context

    def build(self, graph: Graph, shape: Shape) -> bytes:
        """An engine that agrees with PyTorch. ValueError if it does not."""
        check_size(shape, self.network.spec.base_width)
        with torch.cuda.device(self.device):
            engine = build_engine(self.trt, cached_onnx(self.network, self.precision, graph), shape)
        context, halo = self.open(engine), self.network.spec.halo if graph == "interior" else 0
        for example_N4HW in examples(0):
            ends = (0, shape[3] - example_N4HW.shape[3], 0, shape[2] - example_N4HW.shape[2])
            holed_N4HW = F.pad(example_N4HW[:1], ends, value=0.5).expand(shape).to(self.device)
            expected_N3HW = self.reference.run(holed_N4HW, Margins(halo, halo, halo, halo))
            difference = (self.enqueue(context, holed_N4HW) - expected_N3HW).abs().max().item()
            if not difference <= TOLERANCES[self.precision][1]:
                raise ValueError(
                    f"a TensorRT engine in {self.precision} differs from PyTorch by {difference:.2g} of 1, more than "
                    f"{TOLERANCES[self.precision][1]}: use --precision fp32, or run without --trt"
                )
        return engine

    def key(self, graph: Graph, shape: Shape) -> engine_cache.Key:
        """All that an engine depends on."""
        properties = torch.cuda.get_device_properties(self.device)
        return {
            "kind": self.trt.__name__,
            "version": self.trt.__version__,
            "onnx": hashlib.sha256(cached_onnx(self.network, self.precision, graph)).hexdigest(),
            "precision": self.precision,
            "shape": "x".join(map(str, shape)),
            "gpu": f"{properties.name} {properties.major}.{properties.minor}",
            "cuda": str(torch.version.cuda),
        }


def plus(margins: Margins, halo: int) -> Margins:
    """The margins with the halo on every side."""
    return Margins(*(margin + halo for margin in margins))


def pad_to_static(holed_N4HW: Tensor, margins: Margins, halo: int) -> tuple[Tensor, Margins]:
    """The window with zeros added where they change nothing that is wanted, and its margins with them.

    That is beyond a halo. Where a window ends at the photo's border, the network must see the border there; a window
    that ends at two opposite borders keeps its size.
    """
    height, width = holed_N4HW.shape[2:]
    rows = zeros_to_add(height, margins.top, margins.bottom, halo)
    columns = zeros_to_add(width, margins.left, margins.right, halo)
    added = Margins(*rows, *columns)
    return F.pad(holed_N4HW, (*columns, *rows)), Margins(*map(sum, zip(margins, added, strict=True)))


def zeros_to_add(length: int, before: int, after: int, halo: int) -> tuple[int, int]:
    """Before and after, along one axis."""
    missing = -length % SIDE_STEP
    if after >= halo:
        return 0, missing
    return (missing, 0) if before >= halo else (0, 0)
