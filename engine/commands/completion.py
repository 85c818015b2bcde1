"""The options that engine-infer, engine-serve and engine-evaluate share: the network, what runs it, how it is used."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from engine.commands.start import modules_kept
from engine.inference.holes.blend import Blend
from engine.inference.holes.scales import parse_scale
from engine.inference.options import (
    DEFAULT,
    DEFAULTS,
    MOST_PIXELS,
    CompletionOptions,
    Precision,
    RuntimeName,
    Texture,
)
from engine.inference.photos.reading import MAX_PIXELS
from engine.memory import keep_freed_memory

if TYPE_CHECKING:
    from engine.inference.completer import Completer

MOST_MEMORY = 2**20
"""GiB: more is a slip of the hand."""


@dataclass(kw_only=True)
class NetworkConfig:
    """The options of running a network and of completing holes."""

    weights: Path | tuple[tuple[str, ...], ...] = DEFAULT
    """Weights file, or several where the command takes them; declared here so that --help lists it first."""

    runtime: RuntimeName = "auto"
    """The library that runs the network."""

    trt: bool = False
    """The same as --runtime tensorrt."""

    precision: Precision = "auto"
    """int8 is for OpenVINO, once exported in it, and never taken unasked. auto: on a GPU fp16; on a CPU fp32 in ONNX
    Runtime, in others bf16 if it has instructions for that."""

    device: Annotated[str, tyro.conf.arg(metavar="{auto,cpu,cuda,cuda:N}")] = "auto"
    """Where the network runs."""

    memory: float | None = None
    """GiB that the network may use at a time. Default: half of what is free."""

    scale: str = "auto"
    """Where large holes are completed first: auto, native (the photo's resolution), or N for 1/N of it."""

    blend: Blend = DEFAULTS.blend
    """The way in which the completed hole joins the photo."""

    texture: Texture = DEFAULTS.texture
    """Draw holes again with patches of the photo: auto (where the network's completion has less detail than what is
    around), photo (always), or none."""

    seed: int = DEFAULTS.seed
    """Another number gives another texture."""

    verbose: Annotated[bool, tyro.conf.arg(aliases=["-v"])] = False
    """Say, too, why this runtime was chosen, and what a faster one needs."""

    def __post_init__(self) -> None:
        if self.memory is not None and not 0 < self.memory < MOST_MEMORY:  # nan is not, either
            raise ValueError(f"--memory is {self.memory}; it must be above 0 and below {MOST_MEMORY} GiB")
        if self.trt and self.runtime not in ("auto", "tensorrt"):
            raise ValueError(f"--trt and --runtime {self.runtime} are both given; give one of them")
        if self.trt:
            self.runtime = "tensorrt"
        parse_scale("--scale", self.scale)
        if self.seed < 0:
            raise ValueError(f"--seed is {self.seed}; it must be 0 or more")

    @property
    def options(self) -> CompletionOptions:
        """The options of completing holes."""
        return CompletionOptions(
            blend=self.blend, octaves=parse_scale("--scale", self.scale), texture=self.texture, seed=self.seed
        )

    def completer(self, weights: Path, once: bool = False) -> "Completer":
        """The network in `weights`, as asked for; `once` for a single photo. ValueError if it cannot be had."""
        with modules_kept():
            from engine.inference.completer import Completer
        if self.verbose:
            logging.getLogger("engine").setLevel(logging.DEBUG)
        keep_freed_memory()
        memory = None if self.memory is None else int(self.memory * 2**30)
        return Completer.load(weights, self.runtime, self.precision, self.device, memory, once)


@dataclass(kw_only=True)
class CompletionConfig(NetworkConfig):
    """The options of completing photos with one network, by masks that people made."""

    weights: Path = DEFAULT
    """Weights file; "default" is what comes with the engine."""

    feather: int = DEFAULTS.feather
    """Pixels outside the mask over which --blend feather fades into the photo."""

    mask_dilate: int | None = None
    """Pixels by which masks are widened, so that no rim of an unwanted object remains. Default: 2 for holes up to 4 px
    thick, 3 for those up to 16, and 4 for others, and over bits of a thing that a painted mask has clearly missed."""

    max_pixels: int = MAX_PIXELS
    """Photos with more pixels are refused."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("feather", "mask_dilate"):
            pixels = getattr(self, name)
            if pixels is not None and not 0 <= pixels <= MOST_PIXELS:
                raise ValueError(f"--{name.replace('_', '-')} is {pixels}; it must be 0 to {MOST_PIXELS} pixels")

    @property
    def options(self) -> CompletionOptions:
        """The options of completing holes."""
        return super().options._replace(dilate=self.mask_dilate, feather=self.feather)
