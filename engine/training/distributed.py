"""Processes that train together: who this one is, and the few things they say to each other.

Gradients are averaged here, after the backward pass, in one message for each network, rather than by a wrapper around
the module: the discriminator is called twice before one backward and once more frozen, gradients accumulate over
chunks, and both networks are compiled, each of which a wrapper has to be steered around.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class World:
    """This process among all: `rank` of `ranks`, computing on `device`."""

    device: torch.device
    rank: int = 0
    ranks: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the checkpoints and speaks to the terminal."""
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over all processes."""
        if self.ranks == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        message = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(message)
        message /= self.ranks
        parts = message.split([gradient.numel() for gradient in gradients])
        torch._foreach_copy_(gradients, [p.view(g.shape) for p, g in zip(parts, gradients, strict=True)])

    def mean(self, value: Tensor) -> Tensor:
        """The mean of `value` over all processes."""
        if self.ranks > 1:
            value = value.clone()
            dist.all_reduce(value)
            value /= self.ranks
        return value

    def any(self, flag: bool) -> bool:
        """Whether `flag` is set on any process: all of them get the same answer."""
        if self.ranks == 1:
            return flag
        votes = torch.tensor([flag], dtype=torch.int32)  # on the CPU, so that the GPU's queue is not waited for
        dist.all_reduce(votes)
        return bool(votes.item())

    def copy_from_first(self, *modules: nn.Module) -> None:
        """Give every process the first one's parameters and buffers."""
        if self.ranks > 1:
            for module in modules:
                for tensor in module.state_dict().values():
                    dist.broadcast(tensor, src=0)

    def barrier(self) -> None:
        if self.ranks > 1:
            dist.barrier()


@contextmanager
def join_world(device: str) -> Iterator[World]:
    """Join the processes that the launcher started, if it started any; `device` is auto, cuda or cpu.

    ValueError if CUDA is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device is cuda, but torch sees no CUDA GPU here; use --device cpu or install a CUDA build")
    use_cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    rank, ranks, local_rank = (int(os.environ.get(name, unset)) for name, unset in _LAUNCHER_VARIABLES)
    chosen = torch.device("cuda", local_rank) if use_cuda else torch.device("cpu")
    if use_cuda:
        torch.cuda.set_device(chosen)
    if ranks == 1:
        yield World(chosen)
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if use_cuda else "gloo", timeout=timedelta(minutes=10))
    try:
        yield World(chosen, rank, ranks)
    finally:
        dist.destroy_process_group()


_LAUNCHER_VARIABLES = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))
