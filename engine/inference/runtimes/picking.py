"""The choice of a runtime where none is asked for: `--runtime auto`."""

import ctypes
import sys
from importlib.util import find_spec

from engine.packages import import_optional, install_line
from engine.weights import NetworkWeights

NARROW = 32
"""Base widths below this are narrow: most of a photo's time is its texture's, and bf16 spares 5 to 8 % of it."""

SPARES_LITTLE = "the network is narrow, and bf16 would spare little (--runtime torch or openvino for it)"


def pick_runtime(weights: NetworkWeights, precision: str, device: str, once: bool) -> tuple[str, str]:
    """The runtime for "auto", and why.

    On a GPU it is PyTorch. On a CPU it is ONNX Runtime, which computes in fp32 alone, where PyTorch is not installed,
    and where the network runs `once`, since PyTorch takes longer to load than most photos to complete. Else it is
    OpenVINO, if that is installed and the network has been exported for it; ONNX Runtime for a narrow network, so that
    a photo has the same bits alone and among others, and where the CPU has no bf16; or PyTorch.
    """
    if device not in ("auto", "cpu"):
        return "torch", "the GPU is used through PyTorch unless TensorRT is asked for"
    if precision == "int8":
        return "openvino", "no other runtime has int8"
    if precision in ("auto", "fp32") and find_spec("onnxruntime"):
        if not find_spec("torch"):
            return "onnx", f"PyTorch is not installed: {install_line('torch')}"
        if not (device == "auto" and has_nvidia_gpu()):
            if once:
                return "onnx", "PyTorch takes longer to load than one photo to complete (--runtime torch for PyTorch)"
            if is_narrow(weights) and not may_be_exported():
                return "onnx", SPARES_LITTLE
    return pick_among_installed(weights, precision, device)


def pick_among_installed(weights: NetworkWeights, precision: str, device: str) -> tuple[str, str]:
    """The fastest runtime once it is loaded, and why. ValueError without PyTorch."""
    torch = import_optional("torch")
    from engine.inference.graphs.export import is_exported
    from engine.inference.graphs.runners import openvino_has_bf16
    from engine.inference.runtimes.torch_runtime import fast_precision

    if device == "auto" and torch.cuda.is_available():
        return "torch", "the GPU is used through PyTorch unless TensorRT is asked for"
    fast = fast_precision("cpu") if precision == "auto" else precision
    if fast == "fp16":
        return "torch", "only PyTorch computes in fp16 on the CPU"
    if find_spec("openvino") and is_exported(weights.network):
        if fast == "fp32" or openvino_has_bf16():
            return "openvino", "it is installed and this network is exported for it (--runtime torch for PyTorch)"
        return "torch", "OpenVINO has no bf16 on this CPU, which PyTorch can do without"
    if precision == "auto" and is_narrow(weights) and find_spec("onnxruntime"):
        return "onnx", SPARES_LITTLE
    if fast == "fp32" and find_spec("onnxruntime"):
        return "onnx", "it is as fast as PyTorch in fp32 or faster (--runtime torch for PyTorch)"
    if find_spec("openvino"):
        return "torch", "openvino is installed, but this network is not exported for it: --runtime openvino"
    return "torch", f"openvino, which may be faster, is not installed: {install_line('openvino')}"


def is_narrow(weights: NetworkWeights) -> bool:
    """True if the network has few channels."""
    return weights.spec.base_width < NARROW


def may_be_exported() -> bool:
    """True if a network may have been exported for OpenVINO: of which is not known without PyTorch."""
    if not find_spec("openvino"):
        return False
    from engine.inference.graphs.engine_cache import entries

    return bool(entries())


def has_nvidia_gpu() -> bool:
    """True if NVIDIA's driver is there and shows a GPU, which is asked without PyTorch."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int()
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
