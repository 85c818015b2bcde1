"""Timing several callables in turns, so that what else the machine does touches all of them."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

L2_MULTIPLE = 2
"""Times the GPU's L2 cache that is overwritten before a call is timed."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds per call: the 20th, 50th and 80th percentile, the fastest, and the first call's, which is in no other.

    The first call's are 0 where nobody measured them.
    """

    p20: float
    p50: float
    p80: float
    best: float
    warm_up: float

    @classmethod
    def of(cls, seconds: Iterable[float], warm_up: float = 0.0) -> Self:
        """From what each call took."""
        taken = list(seconds)
        p20, p50, p80 = (float(value) for value in np.percentile(taken, (20, 50, 80)))
        return cls(p20, p50, p80, min(taken), warm_up)


def seconds_of(call: Callable[[], object], device: str = "cpu") -> float:
    """What one call takes: by the clock on the CPU, by CUDA events around it on a GPU, whose L2 is flushed before."""
    if device == "cpu":
        started = time.perf_counter()
        call()
        return time.perf_counter() - started
    flush_l2()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1000


def flush_l2() -> None:
    """Fill the GPU's L2 cache with something else."""
    torch.empty(
        L2_MULTIPLE * torch.cuda.get_device_properties(0).L2_cache_size, dtype=torch.uint8, device="cuda"
    ).fill_(1)


def in_turns(calls: dict[str, Callable[[], object]], rounds: int, device: str = "cpu") -> dict[str, Timing]:
    """Time every call once for warming up, and then in `rounds` turns: A B C A B C ..."""
    warm_up = {name: seconds_of(call, device) for name, call in calls.items()}
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            taken[name].append(seconds_of(call, device))
    return {name: Timing.of(taken[name], warm_up[name]) for name in calls}
