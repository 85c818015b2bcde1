"""What benchmarks, memory measurements and the gate work on: photos, holes, networks, a training step, a huge index."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image

from data.catalog import Catalog
from data.entries import OWN_FILE
from data.loading import Batch
from data.masks import HoleConfig
from engine.inference.completer import Completer
from engine.networks import CompletionNetwork
from engine.spec import CompletionSpec
from engine.training.batches import make_batch
from engine.training.config import TrainConfig
from engine.training.discriminator import ContextDiscriminator
from engine.training.distributed import World
from engine.training.learner import Learner
from engine.training.phases import Phase
from engine.training.steps import Steps

SMALL_WIDTH = 8
"""Base width of networks with which a core does dozens of training steps a second."""

SCENES = ("astronaut", "coffee", "chelsea", "rocket")
"""Photographs that come with scikit-image."""

SIZE_24_MP = (4000, 6000)
"""Height and width of a photo of 24 megapixels."""


def untrained(base_width: int) -> CompletionNetwork:
    """A completion network; time does not depend on its weights' values."""
    torch.manual_seed(0)
    return CompletionNetwork(CompletionSpec(base_width=base_width)).eval().requires_grad_(False)


def untrained_completer(base_width: int) -> Completer:
    """On PyTorch on the CPU, in fp32 whatever the CPU has, with at most 1 GB for a run of the network."""
    return Completer.of(untrained(base_width), "torch", "fp32", "cpu", 1 << 30)


def detailed_photo(height: int, width: int) -> NDArray[np.uint8]:
    """`photo_HW3` of noise, made as `smooth_photo`: no hole in it is filled without the network, as smooth ones are."""
    photo_HW3, row_W3 = np.empty((height, width, 3), np.uint8), np.random.default_rng(0).integers(0, 256, (width, 3))
    for y in range(height):
        photo_HW3[y] = np.roll(row_W3, 37 * y, axis=0)
    return photo_HW3


def smooth_photo(height: int, width: int) -> NDArray[np.uint8]:
    """`photo_HW3`, made without temporary arrays, which would hide the peak of memory that is measured."""
    photo_HW3 = np.empty((height, width, 3), np.uint8)
    photo_HW3[..., 0] = np.linspace(0, 255, height).astype(np.uint8)[:, None]
    photo_HW3[..., 1] = np.linspace(0, 255, width).astype(np.uint8)
    photo_HW3[..., 2] = (127 + 100 * np.sin(np.arange(width) / 40)).astype(np.uint8)
    return photo_HW3


@cache
def scene_of(name: str) -> NDArray[np.uint8]:
    """One of SCENES."""
    return np.asarray(getattr(skimage.data, name)())


@contextmanager
def whole_photos() -> Iterator[Path]:
    """A folder of photos to complete: $ENGINE_BENCH_PHOTOS, else one with scikit-image's photographs."""
    if given := os.environ.get("ENGINE_BENCH_PHOTOS"):
        yield Path(given)
        return
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "scikit-image"
        folder.mkdir()
        for name in SCENES:
            Image.fromarray(scene_of(name)).save(folder / f"{name}.png")
        yield folder


def write_photos(folder: Path, count: int) -> None:
    """`count` JPEGs of 320x256, about the size of Places2's: pieces of scikit-image's photographs."""
    for number in range(count):
        scene = scene_of(SCENES[number % 4])[number % 40 :, number % 53 :]
        Image.fromarray(scene).resize((320, 256)).save(folder / f"{number:03d}.jpg", quality=90)


def square_holes(size: tuple[int, int], side: int, count: int = 1) -> NDArray[np.bool_]:
    """`mask_HW` with `count` (a square number) square holes, spread evenly."""
    mask_HW = np.zeros(size, bool)
    per_side = round(count**0.5)
    for row in range(per_side):
        for column in range(per_side):
            y = (2 * row + 1) * size[0] // (2 * per_side) - side // 2
            x = (2 * column + 1) * size[1] // (2 * per_side) - side // 2
            mask_HW[y : y + side, x : x + side] = True
    return mask_HW


def small_training_step(phase: Phase, batch: int = 4, **options: Any) -> Callable[[], object]:
    """One iteration of a phase on the CPU, of small networks on crops of 64x64, with further `TrainConfig` options."""
    config = TrainConfig(
        crop_size=64, patch_size=32, hole_size=(16, 32), base_width=SMALL_WIDTH, discriminator_width=SMALL_WIDTH,
        discriminator_features=64, device="cpu", **options,
    )  # fmt: skip
    return training_step(config, phase, batch, "cpu")


def paper_training_step(phase: Phase, batch: int, device: Literal["cpu", "cuda"]) -> Callable[[], object]:
    """One iteration of a phase of the paper's networks; on a GPU in bf16 and compiled."""
    on_gpu = device == "cuda"
    return training_step(TrainConfig(device=device, amp=on_gpu, compile=on_gpu), phase, batch, device)


def training_step(config: TrainConfig, phase: Phase, batch: int, device: str) -> Callable[[], object]:
    """One iteration of a phase, again and again on the same crops."""
    torch.manual_seed(0)
    world = World(torch.device(device))
    completion = CompletionNetwork(config.spec((0.5, 0.5, 0.5)))
    sizes = config.crop_size, config.patch_size, config.discriminator_width, config.discriminator_features
    learners = [Learner(network, None, config, world) for network in (completion, ContextDiscriminator(*sizes))]
    steps = Steps(learners[0], learners[1], torch.full((3,), 0.5, device=device), config, world)
    side = config.crop_size
    photos_NHW3 = torch.from_numpy(smooth_photo(batch * side, side).reshape(batch, side, side, 3))
    crops = Batch(photos_NHW3.permute(0, 3, 1, 2), torch.arange(batch))
    holed = make_batch(crops, HoleConfig(size=config.hole_size, region=config.patch_size), 0, world.device)
    return lambda: steps.run(phase, holed)


def index_of_no_photos(folder: Path, size: int) -> Path:
    """The index of `size` photos, none of which exists."""
    name = np.frombuffer(b"/a/airfield/00000001.jpg", np.uint8)
    constant = {"shard": OWN_FILE, "offset": 0, "length": 25_000, "width": 320, "height": 256, "modified": 1}
    kinds = {"shard": np.int32, "width": np.int32, "height": np.int32}
    columns = {key: np.full(size, value, kinds.get(key, np.int64)) for key, value in constant.items()}
    columns["orientation"] = np.ones(size, np.uint8)
    columns["names"] = np.tile(name, size)
    columns["name_start"] = np.arange(size + 1) * len(name)
    index = folder / f"{size}.index"
    Catalog(folder, columns, [], []).save(index)
    return index
