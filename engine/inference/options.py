"""The options of completing holes and of running the network, without what does either: torch takes a second to
load, and 190 MB, which a command that shows its help or divides photos among others has no use for."""

from pathlib import Path
from typing import Literal, NamedTuple

from engine.inference.holes.blend import Blend

Texture = Literal["auto", "photo", "none"]
RuntimeName = Literal["auto", "torch", "onnx", "openvino", "tensorrt"]
Precision = Literal["auto", "fp32", "fp16", "bf16", "int8"]

DEFAULT = Path("default")
"""The name of the weights that come with the engine, wherever weights are named."""

DEFAULT_WEIGHTS = Path(__file__).parents[1] / "default_weights" / "lite.safetensors"
"""Their file; the README beside it says how they were trained and how good they are."""

MOST_PIXELS = 1000
"""By which users of commands and of the server may widen masks, and over which `feather` may fade."""


class CompletionOptions(NamedTuple):
    """The keyword arguments of `Completer.complete` that users choose, with its defaults."""

    dilate: int | None = 0
    blend: Blend = "poisson"
    feather: int = 4
    octaves: int | None = None
    texture: Texture = "auto"
    seed: int = 0


DEFAULTS = CompletionOptions()
"""The one place that says them, for the commands, too."""


def calibration_file(weights: Path) -> Path:
    """The file beside a network's weights that has its calibration: small.int8.json beside small.safetensors."""
    return weights.with_suffix(".int8.json")
