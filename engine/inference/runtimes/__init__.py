"""The runtimes, which run the completion network on windows: one file each, behind one protocol.

Each is imported where it is opened: PyTorch takes a second to load, and need not be installed.
"""

import logging
from typing import Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from engine.inference.options import RuntimeName
from engine.inference.pixels import Pixels
from engine.inference.runtimes.picking import pick_runtime
from engine.inference.windows.layer_plan import NO_MARGINS, Margins
from engine.packages import import_optional
from engine.spec import CompletionSpec
from engine.weights import NetworkWeights

log = logging.getLogger(__name__)

RUNTIMES = get_args(RuntimeName)[1:]


class Runtime(Protocol):
    """Runs a completion network. `generate` is all that a completer asks of it."""

    name: str
    precision: str
    """The type that it computes in: "fp32", "fp16", "bf16", "int8"."""
    spec: CompletionSpec
    device: str
    """Where it computes: "cpu", "cuda" or "cuda:N"."""
    max_batch_pixels: int
    """N * H * W that one call can take within the memory limit."""

    def generate(
        self, pixels_NHW3: Pixels, mask_NHW: NDArray[np.bool_], margins: Margins = NO_MARGINS
    ) -> NDArray[np.float32]:
        """`generated_NHW3`, RGB in [0, 1], of windows as `windows.inputs.cut_out` cuts them, with `margins` cut off.

        With margins of the spec's halo, or 0 where the photo itself ends, what is left equals the whole photo's result.
        """
        ...

    def in_fp32(self) -> "Runtime":
        """The same network on the same device in fp32, for windows whose values another precision cannot hold."""
        ...


def open_runtime(
    name: str,
    weights: NetworkWeights,
    *,
    precision: str = "auto",
    device: str = "auto",
    memory: int | None = None,
    once: bool = False,
) -> Runtime:
    """The runtime called `name` ("auto" or one of RUNTIMES) for a network.

    `memory` is the limit in bytes for one call; None means half of what is free. `once` is True where a single photo is
    to be completed, for "auto" to weigh what a runtime takes to load. ValueError if the request cannot be met, with
    what to install or choose instead.
    """
    if name == "auto":
        name, reason = pick_runtime(weights, precision, device, once)
        runtime = open_runtime(name, weights, precision=precision, device=device, memory=memory)
        log.debug("runtime %s, %s: %s", name, runtime.precision, reason)
        return runtime
    if name not in RUNTIMES:
        raise ValueError(f"there is no runtime {name!r}; choose one of: auto, {', '.join(RUNTIMES)}")
    if name in ("onnx", "openvino") and device not in ("auto", "cpu"):
        raise ValueError(f"the {name} runtime computes on the CPU, not on {device}: --device cpu, or --runtime torch")
    if name == "onnx":
        from engine.inference.runtimes.onnx_runtime import OnnxRuntime

        return OnnxRuntime(weights, precision=precision, memory=memory)
    import_optional("torch")
    if name == "openvino":
        from engine.inference.runtimes.openvino_runtime import OpenvinoRuntime

        return OpenvinoRuntime(weights.network, precision=precision, memory=memory)
    if name == "tensorrt":
        from engine.inference.runtimes.tensorrt_runtime import TensorrtRuntime

        return TensorrtRuntime(weights.network, precision=precision, device=device, memory=memory)
    from engine.inference.runtimes.torch_runtime import TorchRuntime

    return TorchRuntime(weights.network, precision=precision, device=device, memory=memory)
