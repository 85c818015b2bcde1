"""One of the processes that `launch` starts, as a program: `main` with a folder that holds `train`'s arguments."""

import logging
import os
import pickle
import signal
import socket
import sys
from pathlib import Path

from torch import multiprocessing
from torch.distributed.elastic.multiprocessing.errors import record

from data.files import write_atomically
from engine.output import outlive_readers
from engine.torchrun import MEETING_FILE, end_at_once
from engine.training.distributed import OWN_LAUNCHER, is_first_rank
from engine.training.trainer import train

START = "import sys; sys.path = sys.argv[2:]; from engine.training.process import main; main(sys.argv[1])"
"""Runs it with python -c FOLDER PATH...: it imports from where the launcher does."""


OPTIONS, OUTCOME = "options", "outcome"
"""Files in the folder: what `train` takes, and what it returned in the first process."""


def main(folder: str) -> None:
    """Train; status 1 after an error, of which the launcher will speak."""
    outlive_readers()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the training handles it, it ends this without a traceback
    # Without the launcher, save and end.
    multiprocessing._prctl_pr_set_pdeathsig(signal.SIGTERM)  # type: ignore[attr-defined]
    logging.basicConfig(level=logging.INFO if is_first_rank() else logging.ERROR, format="%(message)s")
    os.environ[OWN_LAUNCHER] = "1"
    os.environ[MEETING_FILE] = str(Path(folder, "store"))
    for _, interface in socket.if_nameindex():
        if interface in ("lo", "lo0"):  # all are on this machine, whose name may lead nowhere
            os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
    try:
        outcome = record(train)(*pickle.loads(Path(folder, OPTIONS).read_bytes()))
    except Exception:
        sys.exit(1)
    if is_first_rank():
        write_atomically(Path(folder, OUTCOME), pickle.dumps(outcome))
    end_at_once()
