"""What engine-infer and engine-serve are both told: the network, what runs it, and how it completes holes."""

import math
from dataclasses import dataclass
from pathlib import Path

from engine.inference.blend import Blend
from engine.inference.completer import Completer, CompletionOptions
from engine.inference.memory import keep_freed_memory
from engine.inference.photo import MAX_PIXELS
from engine.weights import DEFAULT


@dataclass(kw_only=True, slots=True)
class CompletionConfig:
    """How photos are completed."""

    weights: Path = DEFAULT
    """Weights file; "default" is what comes with the engine."""

    runtime: str = "auto"
    """What runs the network: torch, onnx, openvino, tensorrt, or auto."""

    trt: bool = False
    """The same as --runtime tensorrt."""

    precision: str = "auto"
    """fp32, fp16, bf16, int8 (OpenVINO, once exported), or auto: on a GPU fp16, on a CPU int8 if exported or fp32."""

    device: str = "auto"
    """cpu, cuda, cuda:N, or auto."""

    memory: float | None = None
    """GiB that the network may use at a time. Default: half of what is free."""

    scale: str = "auto"
    """Where large holes are completed first: auto, native (the photo's resolution), or N for 1/N of it."""

    blend: Blend = "poisson"
    """How the completed hole joins the photo."""

    feather: int = 4
    """Pixels outside the mask over which --blend feather fades into the photo."""

    mask_dilate: int = 4
    """Pixels by which masks are widened, so that no rim of an unwanted object remains."""

    max_pixels: int = MAX_PIXELS
    """Photos with more pixels are refused."""

    def __post_init__(self) -> None:
        for name in ("feather", "mask_dilate"):
            if not 0 <= getattr(self, name) <= 1000:
                raise ValueError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be 0 to 1000 pixels")
        if self.memory is not None and not 0 < self.memory < math.inf:  # nan is not, either
            raise ValueError(f"--memory is {self.memory}; it must be above 0 GiB and finite")
        if self.trt and self.runtime not in ("auto", "tensorrt"):
            raise ValueError(f"--trt and --runtime {self.runtime} are both given; give one of them")
        parse_scale(self.scale)

    @property
    def options(self) -> CompletionOptions:
        """What each hole is completed with."""
        return CompletionOptions(self.mask_dilate, self.blend, self.feather, parse_scale(self.scale))

    def completer(self, device: str | None = None) -> Completer:
        """What is asked for, loaded; on another `device` if one is given. ValueError if it cannot be had."""
        keep_freed_memory()
        memory = None if self.memory is None else int(self.memory * 2**30)
        runtime = "tensorrt" if self.trt else self.runtime
        return Completer.load(self.weights, runtime, self.precision, device or self.device, memory)


def parse_scale(text: str) -> int | None:
    """The octaves of auto (None), native (0), or a power of two."""
    if text == "auto":
        return None
    if text == "native":
        return 0
    if text.isdecimal() and int(text) in (1, 2, 4, 8, 16, 32):
        return int(text).bit_length() - 1
    raise ValueError(f"--scale is {text!r}; it must be auto, native, or one of 1, 2, 4, 8, 16, 32")
