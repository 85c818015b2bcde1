"""What tests of whole runs share: a run as a command line, stopping it, and the state that it leaves."""

import subprocess
import sys
import time
from pathlib import Path

import torch

from engine.training.checkpoint import load_newest
from engine.training.config import TrainConfig
from engine.training.stopping import StopRequest


def states_equal(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(states_equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return isinstance(b, list | tuple) and len(a) == len(b) and all(map(states_equal, a, b))
    return a == b


def final_state(config: TrainConfig) -> dict:
    _, state = load_newest(config.checkpoint_folder)
    del state["config"]
    return state


class StopAt(StopRequest):
    """A stop request that comes when the run has done so many iterations."""

    def __init__(self, iteration: int) -> None:
        self.left = iteration

    @property
    def requested(self) -> bool:
        self.left -= 1
        return self.left < 0


def command(config: TrainConfig, *more: str) -> list[str]:
    """The tiny run as a command line."""
    names = ("crop_size", "shorter_edge", "patch_size", "hole_size", "base_width", "discriminator_width", "batch")
    names += ("discriminator_features", "iterations", "split", "optimizer", "learning_rate", "workers", "device")
    names += ("photos", "out", "checkpoint_every", "log_every")
    words = [sys.executable, "-m", "engine.commands.train"]
    for name in names:
        value = getattr(config, name)
        values = value if isinstance(value, tuple) else (value,)
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return [*words, *more]


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 100
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
