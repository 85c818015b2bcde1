"""TensorRT engines from exported graphs, with `tensorrt` 10 and 11 or `tensorrt_rtx`, whose Python APIs agree.

The precision is in the graph (strongly typed networks), and not in flags of the builder, which TensorRT 11 has not.
TensorRT-RTX builds without a GPU; TensorRT does not.
"""

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Literal, NamedTuple

from engine.inference.graphs.runners import INPUT
from engine.packages import import_optional, install_line

log = logging.getLogger(__name__)

PACKAGES = ("tensorrt", "tensorrt_rtx")
"""In the order in which they are tried."""

BUILD_VERSION = 1
"""Part of an engine's key in the cache: to be raised whenever `build_engine` configures the builder in another way."""

OPTIMISATION_LEVEL = 3
"""Of 0 to 5: how many ways of computing the builder tries. 3 is its default."""

MAX_ELEMENTS = 2**31 - 1
"""The most elements of a tensor of a TensorRT convolution (https://github.com/NVIDIA/TensorRT/issues/4408)."""

Shape = tuple[int, int, int, int]
"""N, 4, H, W."""

Capability = tuple[int, int]
"""Of a GPU: what CUDA calls its compute capability."""


def import_tensorrt() -> ModuleType:
    """`tensorrt` or `tensorrt_rtx`, the first that is installed and loads. ValueError says what to install."""
    reasons = []
    for name in PACKAGES:
        if find_spec(name):
            try:
                return import_optional(name)
            except ValueError as error:
                reasons.append(str(error))
    if reasons:
        raise ValueError("; ".join(reasons))
    raise ValueError(
        f"TensorRT is needed: {install_line('tensorrt')}, or for a GeForce RTX or RTX PRO GPU "
        f"{install_line('tensorrt_rtx')}"
    )


def start(trt: ModuleType, what: Literal["Builder", "Runtime"]) -> Any:
    """TensorRT's object of this name. ValueError if there is none on this machine."""
    try:
        return getattr(trt, what)(trt.Logger(trt.Logger.ERROR))
    except TypeError as error:  # how pybind11 says that TensorRT made none
        raise ValueError(
            f"{trt.__name__} {trt.__version__} does not start: it needs an NVIDIA GPU that it supports, and a driver "
            "that is new enough for its CUDA (nvidia-smi names both); its log says which"
        ) from error


def check_gpu(trt: ModuleType, capability: Capability, gpu: str) -> None:
    """ValueError if TensorRT-RTX has no kernels for a GPU of this compute capability."""
    if trt.__name__ != "tensorrt_rtx":
        return
    supported = [name for name in trt.ComputeCapability.__members__ if name.startswith("SM")]
    if "SM{}{}".format(*capability) not in supported:
        raise ValueError(
            f"TensorRT-RTX {trt.__version__} does not support {gpu} (compute capability {capability[0]}."
            f"{capability[1]}; it has {', '.join(supported)}): {install_line('tensorrt')}, "
            "or run without --trt"
        )


def check_size(shape: Shape, base_width: int) -> None:
    """ValueError if the first layer's output, the largest, has more elements than TensorRT can index."""
    batch, _, height, width = shape
    if batch * base_width * height * width > MAX_ELEMENTS:
        raise ValueError(
            f"{batch} x {height}x{width} pixels are {batch * base_width * height * width} values in a layer of "
            f"{base_width} channels; TensorRT's limit is {MAX_ELEMENTS}: take smaller windows"
        )


def parse(trt: ModuleType, content: bytes) -> tuple[Any, Any]:
    """The builder and the strongly typed network of an ONNX file. ValueError with the parser's reasons."""
    builder = start(trt, "Builder")
    # TensorRT 11 has networks of this kind only, and then no flag for it.
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if flag is None else 1 << int(flag))
    parser = trt.OnnxParser(network, builder.logger)
    if not parser.parse(content):
        reasons = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise ValueError(f"{trt.__name__} {trt.__version__} refuses the exported graph: {reasons}")
    return builder, network


class Built(NamedTuple):
    """The result of a build."""

    engine: bytes
    timing_cache: bytes
    """The builder's timings; given to the next build of the same TensorRT on the same GPU, it need not again.
    Empty for TensorRT-RTX."""


def build_engine(
    trt: ModuleType,
    content: bytes,
    shape: Shape,
    *,
    capability: Capability | None = None,
    workspace: int | None = None,
    timing_cache: bytes = b"",
) -> Built:
    """A serialised engine of an ONNX file for inputs of this shape only. ValueError if the builder gives up.

    TensorRT-RTX builds for a GPU of `capability`; None: for all from 8.0 on. One layer takes at most `workspace` bytes
    beside its input and output.
    """
    started = time.perf_counter()
    builder, network = parse(trt, content)
    for tensor in (network.get_input(0), network.get_output(0)):
        tensor.allowed_formats = 1 << int(trt.TensorFormat.LINEAR)  # as torch's tensors are laid out
    config = configure(trt, builder, shape, capability, workspace)
    times = trt.__name__ == "tensorrt"  # TensorRT-RTX times nothing when it builds
    if times:
        set_timings(config, timing_cache)
    title = f"{trt.__name__} {'x'.join(map(str, shape))}"
    with noted_interrupt() as interrupted, build_progress(trt, title, interrupted) as monitor:
        config.progress_monitor = monitor
        engine = builder.build_serialized_network(network, config)
    if interrupted.is_set():
        raise KeyboardInterrupt
    if engine is None:
        raise ValueError(f"{trt.__name__} {trt.__version__} could not build an engine for {shape}; its log says why")
    log.info("built in %.1f s", time.perf_counter() - started)
    return Built(bytes(engine), bytes(config.get_timing_cache().serialize()) if times else b"")


def configure(trt: ModuleType, builder: Any, shape: Shape, capability: Capability | None, workspace: int | None) -> Any:
    """The builder's configuration. ValueError if this TensorRT refuses the shape or the GPU."""
    config = builder.create_builder_config()
    config.builder_optimization_level = OPTIMISATION_LEVEL
    config.clear_flag(trt.BuilderFlag.TF32)  # fp32 that is asked for is fp32
    if workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
    profile = builder.create_optimization_profile()
    profile.set_shape(INPUT, shape, shape, shape)
    if config.add_optimization_profile(profile) < 0:
        raise ValueError(f"{trt.__name__} {trt.__version__} does not take inputs of {shape}; its log says why")
    if capability and trt.__name__ == "tensorrt_rtx":  # of itself it builds for 8.0 and later, not for 7.5
        config.num_compute_capabilities = 1
        target = trt.ComputeCapability.__members__["SM{}{}".format(*capability)]
        if not config.set_compute_capability(target, 0):
            raise ValueError(f"{trt.__name__} {trt.__version__} does not build for {target.name}; its log says why")
    return config


def set_timings(config: Any, earlier: bytes) -> None:
    """Give the builder the timings of earlier builds, if it takes them."""
    timings = config.create_timing_cache(earlier)
    if timings is None or not config.set_timing_cache(timings, ignore_mismatch=False):
        log.warning("TensorRT does not take the timings of earlier builds; it begins anew")
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)


@contextmanager
def noted_interrupt() -> Iterator[threading.Event]:
    """Set by Ctrl-C while the block runs, in place of a KeyboardInterrupt.

    pybind11 would take that for an error of the progress monitor, and the build for one that failed.
    """
    interrupted = threading.Event()
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or (
        threading.current_thread() is not threading.main_thread()
    ):  # another handler raises nothing, and no other thread is interrupted
        yield interrupted
        return
    signal.signal(signal.SIGINT, lambda number, frame: interrupted.set())
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def build_progress(trt: ModuleType, title: str, interrupted: threading.Event) -> Iterator[Any]:
    """A monitor that shows the phases of a build on stderr, a bar each for a person, a line without one.

    It ends the build when `interrupted` is set.
    """
    from rich.console import Console
    from rich.progress import Progress, TaskID

    class Monitor(trt.IProgressMonitor):  # type: ignore[name-defined]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)  # which pybind11 wants called by name
            self.tasks: dict[str, TaskID] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.tasks[phase_name] = bars.add_task(phase_name, total=num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            bars.update(self.tasks[phase_name], completed=step + 1)
            return not interrupted.is_set()  # whether to go on

        def phase_finish(self, phase_name: str) -> None:
            bars.remove_task(self.tasks.pop(phase_name))

    console = Console(stderr=True)
    if not console.is_terminal:
        log.info(
            "%s: building the engine%s", title, "" if trt.__name__ == "tensorrt_rtx" else "; this may take minutes"
        )
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        bars.add_task(title, total=None)
        yield Monitor()
