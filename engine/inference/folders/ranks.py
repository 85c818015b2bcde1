"""Photos divided among the processes that torchrun started, and one summary out of all of them."""

import json
import os
from collections import Counter
from datetime import timedelta

import torch
import torch.distributed as dist

from engine.torchrun import meet, of_this_start, started_by_launcher

LONG = timedelta(days=30)
"""The time that the first process to finish waits for the last."""


def rank_and_world() -> tuple[int, int]:
    """This process's number and how many there are; (0, 1) without torchrun."""
    if started_by_launcher():
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    return 0, 1


def own_device(device: str) -> str:
    """The device of this process: with "auto" and several processes on a machine with GPUs, one GPU each in turn."""
    if device == "auto" and rank_and_world()[1] > 1 and torch.cuda.is_available():
        return f"cuda:{int(os.environ['LOCAL_RANK']) % torch.cuda.device_count()}"
    return device


def meet_others() -> dist.Store | None:
    """The store that `total` needs, opened before the work so that no work is lost for it; None without torchrun."""
    return of_this_start(meet()) if rank_and_world()[1] > 1 else None


def total(counts: Counter[str], store: dist.Store | None) -> Counter[str]:
    """The first process's is the sum of every process's counts. All processes must call it."""
    if store is None:
        return counts
    rank, world = rank_and_world()
    store.set(f"counts {rank}", json.dumps(counts))
    if rank > 0:
        return counts
    everyone = [f"counts {other}" for other in range(world)]
    store.wait(everyone, LONG)
    return sum((Counter(json.loads(store.get(key))) for key in everyone), Counter())
