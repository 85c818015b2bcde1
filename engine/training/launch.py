"""Starting as many training processes as there are GPUs, and starting them again when one is lost."""

import logging
import os
import uuid
from dataclasses import replace

import torch
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from engine.training.config import TrainConfig
from engine.training.distributed import started_by_launcher
from engine.training.trainer import Outcome, outcome_on_disk, train

# Its own account of a failure is a page long; `run` says the same in a line.
logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)


def run(config: TrainConfig) -> Outcome:
    """Train with the processes that `config` asks for: this one, several new ones, or the outer torchrun's.

    ValueError for what the user can mend, RuntimeError if a process failed for good.
    """
    processes = processes_wanted(config)
    if started_by_launcher() or (processes == 1 and not config.max_restarts):
        return train(config)
    launch = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=config.max_restarts,
        monitor_interval=0.5,
    )
    try:
        outcomes = elastic_launch(launch, train_process)(config)
    except ChildFailedError as failed:
        rank, failure = failed.get_first_failure()
        message = failure.message if isinstance(failure.message, str) else failure.message.get("message", "")
        raise RuntimeError(f"training process {rank} failed ({failure.exitcode}): {message}") from failed
    except SignalException:  # its processes have saved and ended
        return outcome_on_disk(config)
    return outcomes[0]


def processes_wanted(config: TrainConfig) -> int:
    """How many processes to start on this machine. ValueError for more GPUs than there are."""
    there = torch.cuda.device_count()
    if config.gpus is not None and config.gpus > there:
        raise ValueError(f"--gpus is {config.gpus}, and torch sees {there} here; for the CPU, use --processes")
    return config.gpus or config.processes


def train_process(config: TrainConfig) -> Outcome:
    """One of several processes: train, and after a restart continue."""
    logging.basicConfig(level=logging.INFO if os.environ["RANK"] == "0" else logging.ERROR, format="%(message)s")
    restarted = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
    return train(replace(config, resume=True) if restarted else config)
