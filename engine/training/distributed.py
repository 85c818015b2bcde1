"""Processes that train together: who this one is, and the few things they say to each other.

Gradients are averaged here, after the backward pass and in one message for each network, rather than by
DistributedDataParallel around the modules: the discriminator is called twice before one backward pass and once more
frozen, gradients accumulate over chunks and both networks are compiled, and a wrapper has to be steered around each of
these.

What the wrapper could hide, computed and not measured: the paper's C has 6.07 M parameters, D 45.06 M; in fp32 their
gradients are 24.3 and 180.2 MB, and a ring of R processes sends each 2 (R - 1) / R times. On 4 GPUs with 24 photos each
(256 GFLOP a photo in the joint phase, 195 in phase 1; taken at 300 TFLOP/s) that is, for each process and iteration:

    phase            sent      NVLink, 300 GB/s   Ethernet, 25 Gb/s   arithmetic
    1 completion      36 MB         0.1 ms               12 ms          16 ms
    2 discriminator  270 MB         0.9 ms               87 ms           9 ms
    3 joint          307 MB         1.0 ms               98 ms          20 ms

Over NVLink there is 1 ms in 20 to gain. Over Ethernet the wrapper would hide at most the backward passes, about 13 of
98 ms in the joint phase: such nodes are bound by their network either way, nine tenths of it by D's gradients.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import _set_pg_timeout

from engine.torchrun import MEETING, meet, of_this_start, one_line, started_by_launcher

TIMEOUT = timedelta(minutes=30)
"""The time that one process waits for another; the first iteration may compile for minutes."""

T = TypeVar("T")

OWN_LAUNCHER = "ENGINE_LAUNCHED"
"""Set in the environment of a process that this engine's launcher started, and not torchrun."""


@dataclass(frozen=True, slots=True)
class World:
    """This process among all: `rank` of `ranks`, computing on `device`."""

    device: torch.device
    rank: int = 0
    ranks: int = 1
    earlier: float = 0.0
    """Seconds that torchrun's earlier starts of these processes took, before it started them again."""

    @property
    def is_first(self) -> bool:
        """True if this process writes the checkpoints and speaks to the terminal."""
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over all processes.

        In the order in which they lie in memory, which is the same everywhere since the networks are: each value is
        then read and written four times, into the message, for the sum, for the division (which NCCL does on the way)
        and back. Counted on gloo that is 1442 MB for the 180 MB of D's gradients, in 4 operators; in the order of
        their indices, channels-last gradients are copied once more and back with strides: 1894 MB in 26.
        """
        if self.ranks == 1:
            return
        gradients = [in_memory_order(parameter.grad) for parameter in parameters if parameter.grad is not None]
        message = torch.cat(gradients)
        self._average(message)
        torch._foreach_copy_(gradients, list(message.split([len(gradient) for gradient in gradients])))

    def mean(self, value: Tensor) -> Tensor:
        """The mean of `value` over all processes."""
        if self.ranks > 1:
            value = value.clone()
            self._average(value)
        return value

    def _average(self, message: Tensor) -> None:
        """Replace `message` by its mean over all processes."""
        if message.is_cuda:  # NCCL divides on the way
            dist.all_reduce(message, dist.ReduceOp.AVG)
        else:
            dist.all_reduce(message)
            message /= self.ranks

    def any(self, flag: bool) -> bool:
        """True if `flag` is set on any process: all of them get the same answer."""
        if self.ranks == 1:
            return flag
        votes = torch.tensor([flag], dtype=torch.int32)  # on the CPU, so that the GPU's queue is not waited for
        dist.all_reduce(votes)
        return bool(votes.item())

    def from_first(self, find: Callable[[], T]) -> T:
        """The value that `find` returns in the first process, which alone calls it."""
        if self.ranks == 1:
            return find()
        found: list[Any] = [find() if self.is_first else None]
        dist.broadcast_object_list(found, src=0)
        value: T = found[0]
        return value

    def copy_buffers_from_first(self, network: nn.Module) -> None:
        """Give every process the first one's batch norm statistics."""
        if self.ranks > 1:
            for buffer in network.buffers():
                dist.broadcast(buffer, src=0)

    def check_same(self, values: dict[str, Any], remedy: str) -> None:
        """ValueError on all processes, naming what differs and `remedy`, unless each has the same `values`."""
        if self.ranks == 1:
            return
        everyone: list[Any] = [None] * self.ranks
        dist.all_gather_object(everyone, values)
        for name in values:
            if any(other[name] != everyone[0][name] for other in everyone):
                here = "; ".join(f"process {rank}: {other[name]}" for rank, other in enumerate(everyone))
                raise ValueError(f"the processes differ in {name} ({here}); {remedy}")

    def barrier(self) -> None:
        """Wait for all processes."""
        if self.ranks > 1:
            dist.barrier()


def in_memory_order(tensor: Tensor) -> Tensor:
    """A view of all values of a contiguous or channels-last tensor, as they lie in memory."""
    return (tensor if tensor.is_contiguous() else tensor.permute(0, 2, 3, 1)).view(-1)


def is_first_rank() -> bool:
    """True if this process speaks to the terminal: of several, the first one does, and the others of errors alone."""
    return not started_by_launcher() or os.environ["RANK"] == "0"


def threads_are_given() -> bool:
    """True if the user says how many threads a process has; torchrun says 1 by itself, which leaves most cores idle."""
    given = os.environ.get("OMP_NUM_THREADS")
    return given is not None and (given != "1" or OWN_LAUNCHER in os.environ)


@contextmanager
def join_world(device: str) -> Iterator[World]:
    """Join the processes that the launcher started, if it did; `device` is auto, cuda or cpu.

    ValueError if CUDA is asked for and there is none, or not one for each process; ConnectionError as `meet`.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device is cuda, but torch sees no CUDA GPU here; use --device cpu or install a CUDA build")
    use_cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    if not started_by_launcher():
        yield World(torch.device("cuda", 0) if use_cuda else torch.device("cpu"))
        return
    local_rank, local_ranks = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    if use_cuda and local_ranks > torch.cuda.device_count():  # all say so, and none waits for the others
        raise ValueError(
            f"{local_ranks} processes are started here, and torch sees {torch.cuda.device_count()} GPUs: start one for "
            "each (--gpus, torchrun's --nproc-per-node), or train on the CPU with --device cpu"
        )
    if not threads_are_given():
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // local_ranks))
    chosen = torch.device("cuda", local_rank) if use_cuda else torch.device("cpu")
    if use_cuda:
        torch.cuda.set_device(chosen)
    store, rank, ranks = meet(), int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    # Processes that were started again meet in the same store. When the first ones were started, it alone tells.
    now = time.time()
    earlier = now - float(store.compare_set("first start", "", str(now)))
    connect("cpu:gloo,cuda:nccl" if use_cuda else "gloo", of_this_start(store), rank, ranks)
    yield World(chosen, rank, ranks, earlier)
    dist.destroy_process_group()  # not after an error, when NCCL's would wait for processes that do not come


def connect(backend: str, store: dist.Store, rank: int, ranks: int) -> None:
    """Connect this process to the others; ConnectionError, in a line, if that takes longer than MEETING."""
    store.set_timeout(TIMEOUT)
    try:
        dist.init_process_group(backend, store=store, rank=rank, world_size=ranks, timeout=MEETING)
    except (RuntimeError, OSError) as error:
        raise ConnectionError(
            f"process {rank} of {ranks} cannot connect to the others ({one_line(error)}): does each machine's name "
            "lead to an address that the others reach? GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME name the network "
            "interface to use instead"
        ) from error
    _set_pg_timeout(TIMEOUT)  # the only way to have two: torch's connecting takes that of all that follows
