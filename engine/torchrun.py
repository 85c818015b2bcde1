"""Being one of several processes of a training, and finding the others."""

import atexit
import os
import socket
import sys
import time
from datetime import timedelta

import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

MEETING = timedelta(seconds=50)
"""The time that processes started together wait for each other at first: they say why not within a minute."""

MEETING_FILE = "ENGINE_MEETING_FILE"
"""In the environment of processes that are all on this machine: the file that is their store. torch's server of one
asks name servers who connects to it, and waits for them where there are none."""


def started_by_launcher() -> bool:
    """True if torchrun, or engine-train's own launcher, started this process as one of several.

    Both set all of these. One alone is no sign of it: batch systems leave such variables behind.
    """
    return all(name in os.environ for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"))


def meet() -> dist.Store:
    """The store that all processes of the launcher have in common, once every one of them is there.

    ConnectionError, in a line, if that is not so within MEETING.
    """
    deadline = time.monotonic() + MEETING.total_seconds()
    rank, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    where = os.environ.get(MEETING_FILE) or f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
    try:
        store: dist.Store
        if MEETING_FILE in os.environ:
            store = dist.FileStore(where, ranks)
        else:
            wait_for_address(deadline)
            left = timedelta(seconds=max(1.0, deadline - time.monotonic()))
            store, *_ = next(iter(rendezvous("env://", timeout=left)))
    except (OSError, ValueError, dist.DistError) as error:
        raise ConnectionError(
            f"process {rank} of {ranks} cannot meet the others at {where} ({one_line(error)}): is that an address of "
            "the first node which all reach? (torchrun --local-addr and --rdzv-endpoint, or MASTER_ADDR and "
            "MASTER_PORT, say it)"
        ) from error
    here = of_this_start(store)
    here.set(f"met {rank}", "")
    while missing := [other for other in range(ranks) if not here.check([f"met {other}"])]:
        if time.monotonic() > deadline:
            raise ConnectionError(
                f"process {rank} of {ranks} waited {MEETING.seconds} s at {where}, and these did not come: "
                f"{', '.join(map(str, missing))}; see what they say, or start them at the same time"
            )
        time.sleep(0.1)
    return store


def wait_for_address(deadline: float) -> None:
    """OSError unless, by the time `deadline`, the store's address leads somewhere. It may take its time to.

    torch's own waiting writes a page for every attempt.
    """
    if "MASTER_ADDR" not in os.environ or "MASTER_PORT" not in os.environ:  # which torch says
        return
    address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    is_its_home = os.environ["RANK"] == "0" and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    while True:
        try:
            if is_its_home:  # this process is to open it
                socket.getaddrinfo(*address)
            else:
                socket.create_connection(address, timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def of_this_start(store: dist.Store) -> dist.Store:
    """The store without what is left in it of the processes that torchrun has started again since."""
    return dist.PrefixStore(f"start-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)


def one_line(error: Exception) -> str:
    """The first lines of torch's error message, without the C++ stack below."""
    return str(error).partition("\n")[0]


def end_at_once() -> None:
    """End a process of several that has done its work, with status 0.

    On a busy machine, torch's threads now and then abort a process that takes itself apart at its end, for which
    torchrun ends the others and calls the run failed.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
