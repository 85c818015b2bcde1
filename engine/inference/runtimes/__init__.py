"""What runs the completion network on windows: one file each, behind one protocol."""

from typing import Protocol

import torch
from torch import Tensor

from engine.inference.window_network import NO_MARGINS, Margins
from engine.networks import CompletionNetwork

RUNTIMES = ("torch",)
"""What `open_runtime` takes besides "auto"."""


class Runtime(Protocol):
    """Runs a completion network. `run` is all that a completer asks of it."""

    name: str
    precision: str
    """What it computes in: "fp32", "fp16", "bf16", "int8"."""
    multiple: int
    """H and W must be multiples of this."""
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
    if name in ("auto", "torch"):
        from engine.inference.runtimes.torch_runtime import TorchRuntime

        return TorchRuntime(network, precision=precision, device=device, memory=memory)
    raise ValueError(f"there is no runtime {name!r}; choose one of: auto, {', '.join(RUNTIMES)}")
