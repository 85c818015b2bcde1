"""The process that completes photos on a node of a cluster: it reads, completes and writes; Ray carries the names."""

import hashlib
import os
import socket
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Self

from data.cache import cache_folder
from data.files import write_atomically
from engine import __version__
from engine.cluster.report import Row, row_of
from engine.cluster.staging import Places, Staging
from engine.cluster.todo import ToDo
from engine.inference.folders.options import Options
from engine.inference.options import DEFAULT, DEFAULT_WEIGHTS, calibration_file
from engine.memory import free_memory, keep_freed_memory
from engine.packages import import_optional


class Weights(NamedTuple):
    """A weights file on its way, which Ray brings to each node once, with its calibration of int8 if it has one."""

    content: bytes
    calibration: bytes | None

    @classmethod
    def of(cls, path: Path) -> Self:
        """Those of a file. OSError if it cannot be read."""
        file = DEFAULT_WEIGHTS if path == DEFAULT else path
        calibration = calibration_file(file)
        return cls(file.read_bytes(), calibration.read_bytes() if calibration.is_file() else None)

    def on_this_node(self, digest: str) -> Path:
        """The file here, written if it is not there. ValueError if the content is not that of `digest`, in SHA-256."""
        if hashlib.sha256(self.content).hexdigest() != digest:
            raise ValueError(f"the weights that came to {socket.gethostname()} are not those that were sent ({digest})")
        calibrated = f"-{hashlib.sha256(self.calibration).hexdigest()[:8]}" if self.calibration else ""
        file = cache_folder() / "weights" / f"{digest}{calibrated}.safetensors"
        parts = {file: self.content} | ({calibration_file(file): self.calibration} if self.calibration else {})
        for path, content in parts.items():
            if not (path.is_file() and path.read_bytes() == content):
                write_atomically(path, content)
        return file


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """All that the processes of a run have in common."""

    places: Places
    options: Options
    runtime: str
    precision: str
    device: str
    once: bool
    """As `open_runtime` takes it."""
    memory: int | None
    """Bytes for one run of the network in each process. None: the process's share of half of what is free."""
    in_flight: int
    cpus: int
    """Of each process, which runs as many threads."""
    variants: int = 1
    """Results of each photo."""
    shards: bool = False
    """True if a shard is completed at a time, and not a photo."""
    retry: bool = False
    """Complete what the results of shards lack."""
    digest: str = ""
    """SHA-256 of the weights, once they are read."""
    version: str = __version__


class Worker:
    """Completes photos in a process of its own, until it is told no more of them."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def load(self, weights: Weights, node_cpus: dict[str, int]) -> None:
        """Get ready, on one of the nodes that have so many CPUs. ValueError if this node's engine is another, or what
        is asked for is not to be had here."""
        from engine.inference.completer import Completer

        work, node = self.work, socket.gethostname()
        if work.version != __version__:
            raise ValueError(f"{node} has version {__version__} of the engine, and the command {work.version}")
        use_threads(work.cpus)
        on_gpu = work.device != "cpu" and has_gpu()
        keep_freed_memory()
        here = import_optional("ray").get_runtime_context().get_node_id()
        memory = work.memory or (None if on_gpu else share_of_memory(work.cpus, node_cpus.get(here, 0)))
        self.completer = Completer.load(
            weights.on_this_node(work.digest), work.runtime, work.precision, work.device, memory, work.once
        )
        self.staging = Staging(work.places).__enter__()
        self.options = self.staging.prepared(work.options)

    def complete(self, todo: list[ToDo]) -> list[Row]:
        """Complete some photos, or a shard's: a row for each, in order."""
        if self.work.shards:
            return self._complete_shard(todo[0].name)
        outcomes = self.staging.complete(self.completer, todo, self.options, self.work.in_flight)
        node = socket.gethostname()
        return [row_of(outcome, node) for outcome in outcomes]

    def _complete_shard(self, shard: str) -> list[Row]:
        from engine.cluster.shards import complete_shard

        work, node = self.work, socket.gethostname()
        outcomes = complete_shard(work.places, self.completer, shard, self.options, work.in_flight, work.retry)
        rows = [row_of(outcome, node) for outcome in outcomes]
        lost = rows[-1]["name"] == shard and rows[-1]["status"] == "failed"
        return [row for row in rows if not lost or row["status"] == "failed"]

    def close(self) -> None:
        """Remove what was here for a while."""
        self.staging.__exit__()


def use_threads(count: int) -> None:
    """Let a run of the network have so many threads in this process."""
    os.environ["OMP_NUM_THREADS"] = str(count)
    if find_spec("torch"):
        import torch

        torch.set_num_threads(count)


def has_gpu() -> bool:
    """True if PyTorch is installed and sees a GPU."""
    if not find_spec("torch"):
        return False
    import torch

    return torch.cuda.is_available()


def share_of_memory(cpus: int, node_cpus: int) -> int:
    """Bytes for one run of the network in a process that has `cpus` of its node's: of half of what is free now, as
    large a part. On a GPU it is half of what is free there, since each process has one to itself."""
    return free_memory("cpu") // 2 * cpus // max(cpus, node_cpus)
