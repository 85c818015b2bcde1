"""A tiny run: networks of a few channels on 32x32 crops, all three phases in a second."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.networks import CompletionNetwork
from engine.spec import CompletionSpec
from engine.training.batches import TrainingBatch
from engine.training.config import TrainConfig
from engine.training.discriminator import ContextDiscriminator
from engine.training.distributed import World
from engine.training.learner import Learner
from engine.training.steps import Steps

# Processes are forked from one that has imported torch and done nothing else: the tests' own has threads by now.
multiprocessing.set_forkserver_preload(["engine.training.trainer"])

torch.set_num_threads(1)  # networks this small only wait for a second thread

TINY: dict[str, Any] = {
    "crop_size": 32,
    "shorter_edge": (32, 48),
    "patch_size": 16,
    "hole_size": (6, 12),
    "base_width": 4,
    "discriminator_width": 4,
    "discriminator_features": 8,
    "batch": 8,
    "iterations": 12,
    "split": (34, 33, 33),
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "workers": 0,
    "device": "cpu",
    "log_every": 1,
    "picture_every": 100,
    "checkpoint_every": 100,
}


@pytest.fixture
def tiny(photos: Path, tmp_path: Path) -> Callable[..., TrainConfig]:
    """A tiny run's options, with some of them changed."""

    def make(**changes: Any) -> TrainConfig:
        return TrainConfig(**(TINY | {"photos": photos, "out": tmp_path / "run"} | changes))

    return make


@pytest.fixture
def make_steps() -> Callable[..., Steps]:
    """The three steps over tiny networks that a seed decides."""

    def make(**changes: Any) -> Steps:
        config = TrainConfig(**(TINY | changes))
        world = World(torch.device("cpu"))
        torch.manual_seed(0)
        spec = CompletionSpec(base_width=config.base_width)
        discriminator = ContextDiscriminator(config.crop_size, config.patch_size, 4, 8)
        learners = [Learner(n, config.learning_rate, config, world) for n in (CompletionNetwork(spec), discriminator)]
        return Steps(learners[0], learners[1], torch.tensor([0.4, 0.5, 0.6]), config, world)

    return make


@pytest.fixture
def batch() -> TrainingBatch:
    """Eight images of noise with a hole of 10x8 each, the patches at different places."""
    random = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8, generator=random)
    mask = torch.zeros(8, 1, 32, 32, dtype=torch.bool)
    centres = torch.randint(8, 25, (8, 2), generator=random)
    for n, (y, x) in enumerate(centres.tolist()):
        mask[n, :, y - 5 : y + 5, x - 4 : x + 4] = True
    real_centres = torch.randint(8, 25, (8, 2), generator=random)
    return TrainingBatch(image.to(memory_format=torch.channels_last), mask, centres, real_centres, list(range(8)))
