"""The line that says, when the first iterations are measured, what a run will take: time, memory and disk."""

import resource
import shutil
import sys

import torch

from engine.memory import free_memory
from engine.training.config import TrainConfig
from engine.training.phases import Phase
from engine.training.state import RunState

MEASURED = 4
"""Iterations that are measured, after the first, which takes longer: it may choose its algorithms."""

COST = {Phase.COMPLETION: 1.0, Phase.DISCRIMINATOR: 0.6, Phase.JOINT: 1.4}
"""Time of an iteration of each phase, relative to the first's. On two CPU cores the others took 0.49 and 1.29 with the
preset lite, 0.69 and 1.50 with demo, 0.97 and 1.79 with small64."""


def outlook(config: TrainConfig, state: RunState, photos: int, seconds_each: float, device: torch.device) -> str:
    """The time, memory and disk that a run takes whose iterations need `seconds_each` now, in a line."""
    total, iteration = config.schedule.total, state.iteration
    seconds = seconds_left(config, iteration, seconds_each)
    disk, free = checkpoint_bytes(state) * (config.keep + 1), shutil.disk_usage(config.run_folder).free
    each = f"{seconds_each:.2g} s each in this phase"
    if config.time_limit is not None and 60 * config.time_limit < seconds:
        each += f"; --time-limit {config.time_limit:g} ends it after some {60 * config.time_limit / seconds_each:.0f}"
    taken, left = memory_taken(device), free_memory(str(device))
    return (
        f"{photos} photos, {total - iteration} iterations to go: about {in_words(seconds)} ({each}); "
        f"memory: {taken / 1e9:.1f} GB taken so far, {left / 1e9:.1f} GB free; "
        f"checkpoints: {disk / 1e9:.2f} GB at most, {free / 1e9:.1f} GB free"
    )


def seconds_left(config: TrainConfig, iteration: int, seconds_each: float) -> float:
    """The time to the run's end, if the iterations of the other phases take what they mostly take beside this one's."""
    schedule = config.schedule
    ends = (schedule.completion, schedule.completion + schedule.discriminator, schedule.total)
    cost, begun = 0.0, iteration
    for phase, end in zip(Phase, ends, strict=True):
        cost += COST[phase] * max(end - begun, 0)
        begun = max(begun, end)
    return seconds_each * cost / COST[schedule.phase(max(iteration - 1, 0))]


def in_words(seconds: float) -> str:
    """A length of time in the largest unit that it has one of."""
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def memory_taken(device: torch.device) -> int:
    """The most bytes that this process has held: of the GPU's memory where it trains on one."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def checkpoint_bytes(state: RunState) -> int:
    """The size of a checkpoint: both networks with two values of the optimizer's for each parameter, and the moving
    average."""
    size = 0
    for learner in (state.completion, state.discriminator):
        size += 3 * sum(parameter.nbytes for parameter in learner.network.parameters())
        size += sum(buffer.nbytes for buffer in learner.network.buffers())
    if state.average:
        size += sum(tensor.nbytes for tensor in state.average.module.state_dict().values())
    return size


def settle(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a clock tells how long that took."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
