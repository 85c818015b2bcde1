"""TensorRT on a CUDA GPU: engines for a few static shapes, built once and cached, that windows are padded to."""

import hashlib
import logging
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.inference import engine_cache
from engine.inference.export import TOLERANCES, Graph, cached_onnx, example
from engine.inference.runtimes.torch_runtime import TorchRuntime, pick_device
from engine.inference.tensorrt_build import (
    OPTIMISATION_LEVEL,
    Shape,
    build_engine,
    check_gpu,
    check_size,
    import_tensorrt,
)
from engine.inference.tensorrt_engine import TensorrtEngine
from engine.inference.window_network import NO_MARGINS, Margins
from engine.networks import STRIDE, CompletionNetwork

log = logging.getLogger(__name__)

STATIC_SIDES = (384, 512, 768, 1024, 1536)
"""Of the inputs that engines are built for; beyond the last, its multiples. Windows are padded to them."""

STATIC_BATCHES = (4, 1)
"""A batch of windows is divided into these."""

MAX_BATCH_PIXELS = 1536 * 1536

ENGINES_KEPT = 8
"""Open at a time, each with its memory on the GPU; the one unused for longest is closed."""

CHECKED = ((0.0, 1.0), (0.98, 0.02), (0.5, 0.0), (0.0, 0.1))
"""Brightness and noise of the windows that an engine is checked on: noisy, bright, flat and dark. Engines in fp16 are
known to fail on bright and on flat photos (https://github.com/Carve-Photos/lama/issues/5)."""


class TensorrtRuntime:
    """A `Runtime`: the exported graphs as strongly typed engines of a few static shapes.

    An engine is checked against PyTorch in fp32 before it is cached. A window whose output is not finite is computed
    again in fp32 by PyTorch, and a warning says so.
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
            raise ValueError(f"TensorRT engines are {', '.join(TOLERANCES)}, not {precision!r}")
        self.network = network
        self.reference = TorchRuntime(network, precision="fp32", device=str(self.device), memory=memory)
        self.max_batch_pixels = min(MAX_BATCH_PIXELS, self.reference.max_batch_pixels)
        self.engine = lru_cache(maxsize=ENGINES_KEPT)(self.open_engine)

    def run(self, holed_N4HW: Tensor, margins: Margins = NO_MARGINS) -> Tensor:
        halo = self.network.spec.halo
        graph: Graph = "interior" if margins == Margins(halo, halo, halo, halo) else "padded"
        padded_N4HW, margins = pad_to_static(holed_N4HW.to(self.device, torch.float32), margins, halo)
        batches = padded_N4HW.split(static_batches(len(padded_N4HW)))
        generated_N3HW = torch.cat([self.engine(graph, tuple(batch.shape)).run(batch) for batch in batches])
        if graph == "interior":
            generated_N3HW = Margins(0, margins.bottom - halo, 0, margins.right - halo).cut(generated_N3HW)
        else:
            generated_N3HW = margins.cut(generated_N3HW)
        bad_N = ~torch.isfinite(generated_N3HW).flatten(1).all(1)
        if bad_N.any():
            log.warning(
                "%d window(s) of TensorRT in %s are not finite; PyTorch computes them in fp32",
                bad_N.sum(),
                self.precision,
            )
            generated_N3HW[bad_N] = self.reference.run(padded_N4HW[bad_N], margins)
        return generated_N3HW

    def open_engine(self, graph: Graph, shape: Shape) -> TensorrtEngine:
        """From the cache, or built."""

        def opened(content: bytes) -> TensorrtEngine:
            return TensorrtEngine(self.trt, content, self.device)

        return opened(engine_cache.fetch(self.key(graph, shape), lambda: self.build(graph, shape), opened))

    def build(self, graph: Graph, shape: Shape) -> bytes:
        """An engine that agrees with PyTorch. ValueError if it does not."""
        check_size(shape, self.network.spec.base_width)
        timings = {"kind": "timings", **self.machine()}
        earlier = engine_cache.peek(timings) or b""
        with torch.cuda.device(self.device):
            built = build_engine(self.trt, cached_onnx(self.network, self.precision, graph), shape, timing_cache=earlier)
        self.check(TensorrtEngine(self.trt, built.engine, self.device), graph, shape)
        if built.timing_cache:
            engine_cache.store(timings, built.timing_cache)
        return built.engine

    def check(self, engine: TensorrtEngine, graph: Graph, shape: Shape) -> None:
        """ValueError if it differs from PyTorch in fp32 by more than TOLERANCES for noisy, bright or flat windows."""
        halo = self.network.spec.halo if graph == "interior" else 0
        generator = torch.Generator().manual_seed(0)
        for brightness, noise in CHECKED:
            holed_N4HW = example(shape, brightness, noise, generator).to(self.device)
            with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                expected_N3HW = self.reference.run(holed_N4HW, Margins(halo, halo, halo, halo))
            difference = (engine.run(holed_N4HW) - expected_N3HW).abs().max().item()
            if not difference <= TOLERANCES[self.precision][1]:
                raise ValueError(
                    f"a TensorRT engine in {self.precision} differs from PyTorch by {difference:.2g} of 1, more than "
                    f"{TOLERANCES[self.precision][1]}: use --precision bf16 or fp32, or run without --trt"
                )

    def machine(self) -> engine_cache.Key:
        """What timings and engines are good for."""
        properties = torch.cuda.get_device_properties(self.device)
        return {
            "package": self.trt.__name__,
            "version": self.trt.__version__,
            "gpu": f"{properties.name} {properties.major}.{properties.minor}",
            "cuda": str(torch.version.cuda),
        }

    def key(self, graph: Graph, shape: Shape) -> engine_cache.Key:
        """All that an engine depends on."""
        return {
            "kind": "engine",
            **self.machine(),
            "onnx": hashlib.sha256(cached_onnx(self.network, self.precision, graph)).hexdigest(),
            "precision": self.precision,
            "shape": "x".join(map(str, shape)),
            "level": OPTIMISATION_LEVEL,
        }


def static_batches(windows: int) -> list[int]:
    """STATIC_BATCHES that make up so many windows."""
    batches = []
    for batch in STATIC_BATCHES:
        batches += [batch] * (windows // batch)
        windows %= batch
    return batches


def static_side(length: int) -> int:
    """The least of STATIC_SIDES, or of the multiples of the last, that holds `length`."""
    return next((side for side in STATIC_SIDES if side >= length), -(-length // STATIC_SIDES[-1]) * STATIC_SIDES[-1])


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
    missing = static_side(length) - length
    if after >= halo:
        return 0, missing
    return (missing, 0) if before >= halo else (0, 0)
