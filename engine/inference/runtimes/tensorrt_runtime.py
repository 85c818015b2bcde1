"""TensorRT on a CUDA GPU: engines for a few static shapes, built once and cached, that windows are padded to."""

import logging
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.inference.graphs import engine_cache
from engine.inference.graphs.export import TOLERANCES, Graph, cached_onnx, example, onnx_key
from engine.inference.graphs.static_shapes import STATIC_SIDES, padding_to_static, static_batches
from engine.inference.graphs.tensorrt_build import (
    BUILD_VERSION,
    Capability,
    Shape,
    build_engine,
    check_gpu,
    check_size,
    import_tensorrt,
    start,
)
from engine.inference.graphs.tensorrt_engine import TensorrtEngine
from engine.inference.runtimes.torch_runtime import TensorRuntime, TorchRuntime, pick_device
from engine.inference.windows.layer_plan import NO_MARGINS, Margins
from engine.memory import memory_limit
from engine.networks import CompletionNetwork

log = logging.getLogger(__name__)

PRECISIONS = ("fp16", "bf16", "fp32")
"""In the order in which "auto" tries them."""

MAX_BATCH_PIXELS = STATIC_SIDES[-1] ** 2

CHECKED = ((0.0, 1.0), (0.98, 0.02), (0.5, 0.0), (0.0, 0.1))
"""Brightness and noise of the windows that an engine is checked on: noisy, bright, flat and dark. Engines in fp16 are
known to fail on bright and on flat photos (https://github.com/Carve-Photos/lama/issues/5)."""

SATURATED = (1, 16)
"""Sides of the fields of black, white and pure colours that it is checked on too. Fields of 16 are what the shipped
network is least exact on: wholly in fp16 by 0.0021 and in bf16 by 0.021 (1: 0.0012 and 0.009; 64: 0.0012, 0.012)."""


class TensorrtRuntime(TensorRuntime):
    """A `Runtime`: the exported graphs as strongly typed engines of a few static shapes.

    An engine is checked against PyTorch in fp32 before it is cached; of "auto", the first of PRECISIONS that passes is
    taken. PyTorch runs the windows that fit no static shape, in the same precision; a warning says so.
    """

    name = "tensorrt"

    def __init__(
        self, network: CompletionNetwork, *, precision: str = "auto", device: str = "auto", memory: int | None = None
    ) -> None:
        self.device = str(pick_device(device))
        if not self.device.startswith("cuda"):
            raise ValueError(
                f"TensorRT needs an NVIDIA GPU with its driver, and the device is {self.device} ({why_no_gpu()}): "
                "run without --trt, or with --runtime openvino (engine-export: --to tensorrt-rtx)"
            )
        self.trt = import_tensorrt()
        self.capability = torch.cuda.get_device_capability(self.device)
        check_gpu(self.trt, self.capability, torch.cuda.get_device_name(self.device))
        self.precision, *self.alternatives = pick_precisions(precision, self.capability)
        with torch.cuda.device(self.device):
            self.trt_runtime = start(self.trt, "Runtime")
        self.network, self.spec = network, network.spec
        self.workspace = memory
        self.memory = memory_limit(memory, self.device)
        self.in_pytorch: dict[str, TorchRuntime] = {}
        self.max_batch_pixels = min(MAX_BATCH_PIXELS, self.pytorch("fp32").max_batch_pixels)
        self.engines: dict[tuple[Graph, Shape], TensorrtEngine] = {}
        """Those that are open, the last used last."""
        self.failures: dict[tuple[str, Graph, Shape], Exception] = {}
        """The errors of builds, which would fail again: with TensorRT after minutes."""
        self.misfit_reported = False

    @torch.inference_mode()
    def run(self, holed_N4HW: Tensor, margins: Margins = NO_MARGINS) -> Tensor:
        holed_N4HW = holed_N4HW.to(self.device, torch.float32)
        height, width = holed_N4HW.shape[2:]
        added = padding_to_static((height, width), margins, self.network.spec.halo, self.max_batch_pixels)
        if added is None:
            self.say_misfit(height, width)
            return self.pytorch(self.precision).run(holed_N4HW, margins)
        return self.run_in_engines(holed_N4HW, margins, added)

    def run_in_engines(self, holed_N4HW: Tensor, margins: Margins, added: Margins) -> Tensor:
        """The windows in TensorRT, with `added` zeros around them."""
        halo = self.network.spec.halo
        graph: Graph = "interior" if margins == Margins(halo, halo, halo, halo) else "padded"
        padded_N4HW = F.pad(holed_N4HW, (*added[2:], *added[:2]))
        batches = padded_N4HW.split(static_batches(len(padded_N4HW), padded_N4HW[0, 0].numel(), self.max_batch_pixels))
        generated_N3HW = torch.cat([self.engine(graph, tuple(batch.shape)).run(batch) for batch in batches])
        if graph == "interior":  # whose output has no margins
            return added.cut(generated_N3HW)
        return margins.cut(added.cut(generated_N3HW))

    def engine(self, graph: Graph, shape: Shape) -> TensorrtEngine:
        """An open engine; those unused for longest are closed while all take more than the memory limit."""
        engine = self.engines.pop((graph, shape), None) or self.open_engine(graph, shape)
        self.engines[graph, shape] = engine
        while len(self.engines) > 1 and sum(engine.memory for engine in self.engines.values()) > self.memory:
            del self.engines[next(iter(self.engines))]
        return engine

    def open_engine(self, graph: Graph, shape: Shape) -> TensorrtEngine:
        """From the cache, or built. Where an engine cannot be had in a precision, "auto" goes on with the next."""
        while True:
            try:
                return self.open_in_precision(graph, shape)
            except ValueError as error:
                if not self.alternatives:
                    raise
                self.precision, *self.alternatives = self.alternatives
                self.engines.clear()
                log.warning("%s. From here on TensorRT computes in %s", error, self.precision)

    def open_in_precision(self, graph: Graph, shape: Shape) -> TensorrtEngine:
        """From the cache, or built. ValueError or torch.OutOfMemoryError, also where an earlier build failed."""
        attempt = self.precision, graph, shape
        if failure := self.failures.get(attempt):
            raise type(failure)(str(failure))
        opened: list[TensorrtEngine] = []

        def build() -> bytes:
            try:
                content, engine = self.build(graph, shape)
            except (ValueError, torch.OutOfMemoryError) as error:
                kind = ValueError if isinstance(error, ValueError) else torch.OutOfMemoryError
                self.failures[attempt] = kind(str(error))
                raise
            opened.append(engine)
            return content

        engine_cache.fetch(self.key(graph, shape), build, lambda content: opened.append(self.load(content)))
        return opened[-1]

    def build(self, graph: Graph, shape: Shape) -> tuple[bytes, TensorrtEngine]:
        """An engine that agrees with PyTorch, to be stored and opened. ValueError if it does not."""
        check_size(shape, self.network.spec.base_width)
        timings = {"kind": "timings", **self.machine()}
        earlier = engine_cache.peek(timings) or b""
        with torch.cuda.device(self.device):
            content, timing_cache = build_engine(
                self.trt,
                cached_onnx(self.network, self.precision, graph),
                shape,
                capability=self.capability,
                workspace=self.workspace,
                timing_cache=earlier,
            )
        if timing_cache:
            engine_cache.store(timings, timing_cache)
        engine = self.load(content)
        self.check(engine, graph, shape)
        return content, engine

    def load(self, content: bytes) -> TensorrtEngine:
        """Where memory is short, all other engines are closed, and what PyTorch keeps for itself is freed."""
        try:
            return TensorrtEngine(self.trt_runtime, content, self.device)
        except torch.OutOfMemoryError:
            self.engines.clear()
        torch.cuda.empty_cache()
        return TensorrtEngine(self.trt_runtime, content, self.device)

    def check(self, engine: TensorrtEngine, graph: Graph, shape: Shape) -> None:
        """ValueError if it differs from PyTorch in fp32 by more than TOLERANCES for any of `checked_windows`."""
        halo = self.network.spec.halo if graph == "interior" else 0
        limit = TOLERANCES[self.precision]
        for holed_N4HW in checked_windows(shape):
            expected_N3HW = self.pytorch("fp32").run(holed_N4HW, Margins(halo, halo, halo, halo))
            difference = (engine.run(holed_N4HW) - expected_N3HW).abs().max().item()
            if not difference <= limit:
                raise ValueError(
                    f"a TensorRT engine in {self.precision} differs from PyTorch by {difference:.2g} of 1, more than "
                    f"{limit}: {advice(self.precision, self.capability)}"
                )

    def pytorch(self, precision: str) -> TorchRuntime:
        """The network in PyTorch on the same device."""
        if precision not in self.in_pytorch:
            self.in_pytorch[precision] = TorchRuntime(
                self.network, precision=precision, device=self.device, memory=self.memory
            )
        return self.in_pytorch[precision]

    def in_fp32(self) -> TorchRuntime:
        return self.pytorch("fp32")

    def say_misfit(self, height: int, width: int) -> None:
        """Warn, the first time, that PyTorch runs a window of this size."""
        if not self.misfit_reported:
            log.warning(
                "a window of %dx%d fits none of TensorRT's static shapes (sides of %s; from one border of the photo to "
                "the opposite one just these; at most %d pixels): PyTorch runs it and others like it in %s",
                height,
                width,
                ", ".join(map(str, STATIC_SIDES)),
                self.max_batch_pixels,
                self.precision,
            )
        self.misfit_reported = True

    def machine(self) -> engine_cache.Key:
        """The part of the key that names the machine: GPU and versions."""
        properties = torch.cuda.get_device_properties(self.device)
        return {
            "package": self.trt.__name__,
            "version": self.trt.__version__,
            "gpu": f"{properties.name} {properties.major}.{properties.minor}",
            "cuda": str(torch.version.cuda),
        }

    def key(self, graph: Graph, shape: Shape) -> engine_cache.Key:
        """All that an engine depends on. The graph is known by what it is exported from: no two exports are alike."""
        return {
            **onnx_key(self.network, self.precision, graph),
            **self.machine(),
            "kind": "engine",
            "shape": "x".join(map(str, shape)),
            "workspace": self.workspace or 0,
            "build": BUILD_VERSION,
        }


def why_no_gpu() -> str:
    """The reason why PyTorch sees no GPU."""
    if torch.version.cuda is None:
        return "this PyTorch is built without CUDA; https://pytorch.org/get-started has those that are built with it"
    return f"{torch.cuda.device_count()} CUDA devices are visible"


def available_precisions(capability: Capability) -> list[str]:
    """Those of PRECISIONS that a GPU has: bf16 came with compute capability 8.0."""
    return [precision for precision in PRECISIONS if precision != "bf16" or capability >= (8, 0)]


def pick_precisions(precision: str, capability: Capability) -> list[str]:
    """The precision to compute in, and for "auto" those to go on with if it is not exact enough. ValueError if none is
    left."""
    if precision != "auto" and precision not in PRECISIONS:
        raise ValueError(f"TensorRT engines are {', '.join(PRECISIONS)}, not {precision!r}")
    available = available_precisions(capability)
    if precision != "auto" and precision not in available:
        raise ValueError(
            f"this GPU has compute capability {capability[0]}.{capability[1]}, and TensorRT's {precision} needs 8.0: "
            f"--precision {' or '.join(available)}"
        )
    return available if precision == "auto" else [precision]


def advice(precision: str, capability: Capability) -> str:
    """The advice on an engine in `precision` that is not exact enough."""
    available = available_precisions(capability)
    others = available[available.index(precision) + 1 :]
    return f"use --precision {' or '.join(others)}, or run without --trt" if others else "run without --trt"


def checked_windows(shape: Shape) -> Iterator[Tensor]:
    """`holed_N4HW` that an engine is checked on: CHECKED and SATURATED."""
    generator = torch.Generator().manual_seed(0)
    for brightness, noise in CHECKED:
        yield example(shape, brightness, noise, generator)
    batch, _, height, width = shape
    for side in SATURATED:
        holed_N4HW = example(shape, 0.0, 0.0, generator)
        colours_N3hw = torch.randint(0, 2, (batch, 3, -(-height // side), -(-width // side)), generator=generator)
        holed_N4HW[:, :3] = F.interpolate(colours_N3hw.float(), scale_factor=side)[:, :, :height, :width]
        yield holed_N4HW
