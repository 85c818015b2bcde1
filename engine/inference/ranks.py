"""Photos divided among the processes that torchrun started, and one summary out of all of them."""

import os
from collections import Counter
from datetime import timedelta

import torch
import torch.distributed as dist

from engine.torchrun import started_by_launcher

LONG = timedelta(days=30)
"""How long the first process to finish waits for the last."""


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


def total(counts: Counter[str]) -> Counter[str]:
    """The sum of every process's counts. All processes must call it."""
    if rank_and_world()[1] == 1:
        return counts
    dist.init_process_group("gloo", timeout=LONG)
    try:
        gathered: list[Counter[str]] = [Counter()] * dist.get_world_size()
        dist.all_gather_object(gathered, counts)
        return sum(gathered, Counter())
    finally:
        dist.destroy_process_group()
