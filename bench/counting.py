"""Counting what work does, whatever the clock says: operators, bytes, FLOPs, peak memory, graph breaks, recompiles."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


class Moved(TorchDispatchMode):
    """Counts the operators inside, and the bytes that each reads and writes, each tensor once.

    Views and allocations are no operators here. On a GPU each is at least one kernel launch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operators = 0
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view and "empty" not in func.name() and "detach" not in func.name():
            reads = {id(leaf): leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
            writes = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
            self.operators += 1
            self.bytes += sum(
                min(tensor.nbytes, tensor.untyped_storage().nbytes()) for tensor in (*reads.values(), *writes)
            )
        return result


def count(work: Callable[[], object]) -> dict[str, float]:
    """Operators, bytes moved, floating-point operations (a multiply-add is two) and peak memory of a second call."""
    work()
    with FlopCounterMode(display=False) as flops, Moved() as moved:
        work()
    return {
        "operators": moved.operators,
        "bytes moved": moved.bytes,
        "FLOPs": flops.get_total_flops(),
        "peak memory": peak_memory(work),
    }


def flops_of(work: Callable[[], object]) -> float:
    """Floating-point operations of one call; a multiply-add is two."""
    with FlopCounterMode(display=False) as flops:
        work()
    return flops.get_total_flops()


def peak_memory(work: Callable[[], object]) -> int:
    """Most bytes that PyTorch held on the CPU at once beyond what it held before the call."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        work()
    held = peak = 0
    assert profile.profiler is not None
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def peak_resident(work: Callable[[], object], device: str = "cpu") -> int:
    """Most bytes that the process held at once beyond what it held before the call; on a GPU, of its memory. Linux."""
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak to what is held now
    before = resident("VmRSS")
    work()
    return resident("VmHWM") - before


def resident(field: str) -> int:
    """VmRSS (bytes in memory now) or VmHWM (at most) of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def compilations(step: Callable[[], object]) -> dict[str, float]:
    """Graphs, graph breaks and recompilations of a compiled `step` called three times; to be wrapped before.

    Nothing is handed to a compiler of machine code: what is captured runs as it is.
    """
    from torch._dynamo.utils import counters

    counters.clear()
    step()
    first = counters["stats"]["unique_graphs"]
    step()
    step()
    return {
        "graphs": first,
        "graph breaks": sum(counters["graph_break"].values()),
        "recompiles": counters["stats"]["unique_graphs"] - first,
    }
