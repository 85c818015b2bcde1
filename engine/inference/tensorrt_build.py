"""TensorRT engines from exported graphs, with `tensorrt` 10 and 11 or `tensorrt_rtx`, whose Python APIs agree.

The precision is in the graph (strongly typed networks), and not in flags of the builder, which TensorRT 11 has not.
TensorRT-RTX builds without a GPU; TensorRT does not.
"""

import importlib
import logging
import time
from types import ModuleType
from typing import Any

from engine.inference.graph_runners import INPUT

log = logging.getLogger(__name__)

PACKAGES = {"tensorrt": "tensorrt", "tensorrt_rtx": "rtx"}
"""Modules, in the order in which they are tried, and the extra that installs each."""

MAX_ELEMENTS = 2**31 - 1
"""What a tensor of a TensorRT convolution may have (https://github.com/NVIDIA/TensorRT/issues/4408)."""

Shape = tuple[int, int, int, int]
"""N, 4, H, W."""


def import_tensorrt(package: str | None = None) -> ModuleType:
    """`tensorrt` or `tensorrt_rtx`; None: the first that is installed. ValueError says what to install."""
    reasons = []
    for name in (package,) if package else PACKAGES:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            reasons.append(str(error))
    extras = [PACKAGES[package]] if package else PACKAGES.values()
    lines = " or ".join(f"pip install 'glcic-engine[{extra}]'" for extra in extras)
    raise ValueError(f"TensorRT is needed ({'; '.join(reasons)}): {lines}")


def check_gpu(trt: ModuleType, capability: tuple[int, int], gpu: str) -> None:
    """ValueError if TensorRT-RTX has no kernels for a GPU of this compute capability."""
    if trt.__name__ != "tensorrt_rtx":
        return
    supported = [name for name in trt.ComputeCapability.__members__ if name.startswith("SM")]
    if "SM{}{}".format(*capability) not in supported:
        raise ValueError(
            f"TensorRT-RTX {trt.__version__} does not support {gpu} (compute capability {capability[0]}."
            f"{capability[1]}; it has {', '.join(supported)}): pip install 'glcic-engine[tensorrt]', "
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
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    # TensorRT 11 has networks of this kind only, and then no flag for it.
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if flag is None else 1 << int(flag))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(content):
        reasons = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise ValueError(f"{trt.__name__} {trt.__version__} refuses the exported graph: {reasons}")
    return builder, network


def build_engine(trt: ModuleType, content: bytes, shape: Shape) -> bytes:
    """A serialised engine of an ONNX file for inputs of this shape only. ValueError if the builder gives up."""
    started = time.perf_counter()
    builder, network = parse(trt, content)
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    profile.set_shape(INPUT, shape, shape, shape)
    config.add_optimization_profile(profile)
    log.warning("%s builds an engine for %s; this may take minutes", trt.__name__, "x".join(map(str, shape)))
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ValueError(f"{trt.__name__} {trt.__version__} could not build an engine for {shape}; its log says why")
    log.info("built in %.1f s", time.perf_counter() - started)
    return bytes(engine)
