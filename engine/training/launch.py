"""Starting as many training processes as there are GPUs, and starting them again when one is lost."""

import logging
import os
import pickle
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from engine.torchrun import started_by_launcher
from engine.training.config import TrainConfig
from engine.training.process import OPTIONS, OUTCOME, START
from engine.training.saving import saved_so_far
from engine.training.state import check_there_is_something_to_resume, find_checkpoint
from engine.training.stopping import hangups_are_ignored
from engine.training.trainer import Outcome, train

log = logging.getLogger(__name__)

# Its own account of a failure is a page long; `run` says the same in a line.
logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)

SECONDS_TO_STOP = 600
"""For its step and its checkpoint, after a signal; then a process is killed."""


def run(config: TrainConfig) -> Outcome:
    """Train with the processes that `config` asks for: this one, several new ones, or the outer torchrun's.

    ValueError for what the user can mend, FloatingPointError if the losses are no longer finite, RuntimeError if a
    process was lost once more than `config.max_restarts` says.
    """
    started = time.monotonic()
    check_there_is_something_to_resume(config)  # before anything is written into a folder that may be a wrong one
    processes = processes_wanted(config)
    if started_by_launcher() or (processes == 1 and not config.max_restarts):
        return train(config, started)
    if not config.resume:
        find_checkpoint(config)  # refuses to go on with a run that is there, which a restart would do
    restarts = 0
    while True:
        try:
            return start(config, processes, started)
        except ChildFailedError as failed:
            rank, cause = cause_of(failed)
            for kind in (ValueError, FloatingPointError):  # the next start would end in the same
                if cause.startswith(f"{kind.__name__}: "):
                    raise kind(cause.removeprefix(f"{kind.__name__}: ")) from failed
            if restarts == config.max_restarts:
                raise RuntimeError(f"training process {rank} failed: {cause}") from failed
        restarts += 1
        log.warning("training process %d failed: %s; restart %d of %d", rank, cause, restarts, config.max_restarts)
        config = replace(config, resume="auto")  # it may have been lost before its first checkpoint


def start(config: TrainConfig, processes: int, started: float) -> Outcome:
    """Train with so many new processes, in a run that `started` then. When this returns or raises, all have ended.

    ChildFailedError if one failed, RuntimeError if after a signal to stop they did not come to save.

    They are programs and not functions of elastic's, which wait at their end for the launcher to read what they return:
    while it waits for them, after a signal, and without an end where it is no more.
    """
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"  # else it opens one beside the file: see MEETING_FILE
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(SECONDS_TO_STOP))  # LaunchConfig reads it
    with TemporaryDirectory() as folder:
        launch = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint=str(Path(folder, "meeting")),
            rdzv_configs={"store_type": "file"},  # see MEETING_FILE
            local_addr="127.0.0.1",  # and not this machine's name, which may lead nowhere
            max_restarts=0,  # elastic's restarts ask neither what failed nor whether there is anything to resume
            monitor_interval=0.5,
            signals_to_handle="SIGTERM,SIGINT,SIGQUIT" + ("" if hangups_are_ignored() else ",SIGHUP"),
            logs_specs=DefaultLogsSpecs(folder),  # else it leaves a folder in /tmp behind
        )
        Path(folder, OPTIONS).write_bytes(pickle.dumps((config, started)))
        try:
            with own_name_not_looked_up():
                elastic_launch(launch, sys.executable)("-c", START, folder, *sys.path)
        except SignalException:
            if not Path(folder, OUTCOME).exists():
                raise RuntimeError(why_not_saved(config, Path(folder))) from None
        outcome: Outcome = pickle.loads(Path(folder, OUTCOME).read_bytes())
        return outcome


@contextmanager
def own_name_not_looked_up() -> Iterator[None]:
    """Elastic asks name servers what this machine is called in full, for its log, and waits for those that are gone."""
    looked_up = socket.getfqdn
    socket.getfqdn = lambda name="": name or socket.gethostname()
    try:
        yield
    finally:
        socket.getfqdn = looked_up


def why_not_saved(config: TrainConfig, folder: Path) -> str:
    """The reason why a run that was told to stop wrote no last checkpoint, from the errors that elastic's folder
    holds."""
    errors = [path for path in sorted(folder.rglob("error.json")) if path.stat().st_size]  # there may be no room
    if not errors:
        return f"stopped before it could save; {saved_so_far(config)}"
    failures = {int(path.parent.name): ProcessFailure(int(path.parent.name), 0, 1, str(path)) for path in errors}
    rank, cause = cause_of(ChildFailedError("", failures))
    return f"training process {rank} failed as it was to stop: {cause}"


def cause_of(failed: ChildFailedError) -> tuple[int, str]:
    """The process that failed first, and why: an error of its own before one that another's end may have caused."""
    causes = {rank: message_of(failure) for rank, failure in failed.failures.items()}
    for rank, cause in causes.items():
        if cause.startswith(("ValueError: ", "FloatingPointError: ")):
            return rank, cause
    rank, _ = failed.get_first_failure()
    return rank, causes[rank]


def message_of(failure: ProcessFailure) -> str:
    """The reason why a process ended: its exception, or the signal."""
    message = failure.message if isinstance(failure.message, str) else failure.message.get("message", "")
    return message or f"exit status {failure.exitcode}"


def processes_wanted(config: TrainConfig) -> int:
    """The number of processes to start on this machine. ValueError for more GPUs than there are."""
    there = torch.cuda.device_count()
    if config.gpus is not None and config.gpus > there:
        raise ValueError(f"--gpus is {config.gpus}, and torch sees {there} here; for the CPU, use --processes")
    return config.gpus or config.processes
