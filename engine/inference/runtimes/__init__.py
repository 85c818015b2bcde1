"""The runtimes, which run the completion network on windows: one file each, behind one protocol."""

import logging
from importlib.util import find_spec
from typing import Protocol, get_args

import torch
from torch import Tensor

from engine.inference.options import RuntimeName
from engine.inference.runtimes.torch_runtime import TorchRuntime, fast_precision
from engine.inference.windows.layer_plan import NO_MARGINS, Margins
from engine.networks import CompletionNetwork
from engine.packages import install_line

log = logging.getLogger(__name__)

RUNTIMES = get_args(RuntimeName)[1:]


class Runtime(Protocol):
    """Runs a completion network. `run` is all that a completer asks of it."""

    name: str
    precision: str
    """The type that it computes in: "fp32", "fp16", "bf16", "int8"."""
    device: torch.device
    """Where `run` wants its input and leaves its output."""
    max_batch_pixels: int
    """N * H * W that one call can take within the memory limit."""

    def run(self, holed_N4HW: Tensor, margins: Margins = NO_MARGINS) -> Tensor:
        """`generated_N3HW` for fp32 `holed_N4HW`, RGB in [0, 1], fp32, with `margins` cut off.

        With margins of the spec's halo, or 0 where the photo itself ends, what is left equals the whole photo's result.
        """
        ...


def open_runtime(
    name: str, network: CompletionNetwork, *, precision: str = "auto", device: str = "auto", memory: int | None = None
) -> Runtime:
    """The runtime called `name` ("auto" or one of RUNTIMES) for `network`.

    `memory` is the limit in bytes for one call; None means half of what is free. ValueError if the request cannot be
    met, with what to install or choose instead.
    """
    if name == "auto":
        name, reason = pick_runtime(network, precision, device)
        runtime = open_runtime(name, network, precision=precision, device=device, memory=memory)
        log.debug("runtime %s, %s: %s", name, runtime.precision, reason)
        return runtime
    if name == "torch":
        return TorchRuntime(network, precision=precision, device=device, memory=memory)
    if name == "tensorrt":
        from engine.inference.runtimes.tensorrt_runtime import TensorrtRuntime

        return TensorrtRuntime(network, precision=precision, device=device, memory=memory)
    if name not in RUNTIMES:
        raise ValueError(f"there is no runtime {name!r}; choose one of: auto, {', '.join(RUNTIMES)}")
    if device not in ("auto", "cpu"):
        raise ValueError(f"the {name} runtime computes on the CPU, not on {device}: --device cpu, or --runtime torch")
    if name == "onnx":
        from engine.inference.runtimes.onnx_runtime import OnnxRuntime

        return OnnxRuntime(network, precision=precision, memory=memory)
    from engine.inference.runtimes.openvino_runtime import OpenvinoRuntime

    return OpenvinoRuntime(network, precision=precision, memory=memory)


def pick_runtime(network: CompletionNetwork, precision: str, device: str) -> tuple[str, str]:
    """The runtime for "auto", and why.

    Without a GPU it is OpenVINO or ONNX Runtime where that is installed and the network has been exported: the export
    takes longer than completing a photo, so that it is not begun unasked. ONNX Runtime computes in fp32 alone.
    """
    if device.startswith("cuda") or (device == "auto" and torch.cuda.is_available()):
        return "torch", "the GPU is used through PyTorch unless TensorRT is asked for"
    if precision == "fp16":
        return "torch", "only PyTorch computes in fp16 on the CPU"
    fast = fast_precision(torch.device("cpu")) if precision == "auto" else precision
    names = ("openvino", "onnx") if fast == "fp32" else ("openvino",)
    installed = [name for name in names if find_spec({"onnx": "onnxruntime"}.get(name, name))]
    if not installed:
        verb = "is" if len(names) == 1 else "are"
        return "torch", f"{' and '.join(names)} {verb} not installed: {install_line('openvino')}"
    from engine.inference.graphs.export import is_exported
    from engine.inference.graphs.runners import openvino_has_bf16

    name = installed[0]
    if precision == "int8":
        return name, "PyTorch has no int8"
    if precision == "bf16" and not openvino_has_bf16():
        return "torch", "this CPU has no bf16, which PyTorch can do without"
    if not is_exported(network):
        return "torch", f"{name} is installed, but this network is not exported for it: --runtime {name}"
    return name, "it is installed and this network is exported for it (--runtime torch for PyTorch)"
