"""engine-infer for many photos on a CPU: several processes, each of which completes one photo after the other.

Most of a completion is one thread's work, and threads of one process would share Python's lock.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import cache, partial
from typing import NamedTuple

from data.in_order import in_order
from engine.commands.ending import log_to_stderr
from engine.commands.infer_config import InferConfig, options_of
from engine.cpu import cpu_threads
from engine.inference.completer import Completer
from engine.inference.folders.complete import complete_files
from engine.inference.folders.jobs import Job
from engine.inference.folders.options import Options, Outcome
from engine.inference.runtimes.picking import has_nvidia_gpu
from engine.memory import free_memory

PHOTOS = 12
"""For each process, at least: with fewer its start takes most of what it spares, or more, if it loads PyTorch."""

MEMORY = 2**31
"""Bytes for each process that must be free: a photo of 100 megapixels takes no more."""


class Tools(NamedTuple):
    """The network of a process, and its options."""

    completer: Completer
    options: Options


load: Callable[[], Tools]
"""Makes what this process, which is one of several, completes photos with; once."""


def processes_for(asked: InferConfig, photos: int) -> int:
    """The processes for so many photos: as many as are asked for; or one for each CPU, if that pays."""
    if asked.processes is not None:
        return min(asked.processes, photos)
    on_gpu = asked.device not in ("auto", "cpu") or (asked.device == "auto" and has_nvidia_gpu())
    if on_gpu or asked.runtime == "tensorrt" or photos < 2 * PHOTOS:
        return 1
    return max(1, min(cpu_threads(), photos // PHOTOS, free_memory("cpu") // MEMORY))


def complete_in_processes(asked: InferConfig, count: int, once: bool, jobs: list[Job]) -> Iterator[Outcome]:
    """Complete photos in `count` processes; their outcomes, in order. `once` as `InferConfig.completer` takes it.

    ValueError as of that, or if a process was ended from outside.
    """
    memory = asked.memory or free_memory("cpu") / 2 / 2**30
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes, which inherit it
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, context, begin, (replace(asked, memory=memory / count), once))
    try:
        yield from in_order(pool, (partial(complete, job) for job in jobs), ahead=2 * count)
    except BrokenProcessPool as error:
        raise ValueError(
            f"one of {count} processes was ended from outside, as for want of memory. What is written is whole: the "
            "same command goes on from there, with --processes 1 in less memory"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def begin(asked: InferConfig, once: bool) -> None:
    """Begin a process. The one that began it answers signals for all, and they end with it."""
    global load
    load = cache(partial(tools_for, asked, once))
    log_to_stderr()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """End this process when the one that began it is gone, however that ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def tools_for(asked: InferConfig, once: bool) -> Tools:
    """The network and the options. ValueError if the network cannot be had."""
    return Tools(asked.completer(asked.weights, once), options_of(asked, several=True, mask=asked.mask))


def complete(job: Job) -> Outcome:
    """Complete one photo in this process."""
    tools = load()
    (outcome,) = complete_files(tools.completer, [job], tools.options, in_flight=1)
    return outcome
