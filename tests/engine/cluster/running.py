"""engine-infer on a cluster in a process of its own, with what it takes to kill parts of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from engine.cluster.stores import open_store
from engine.commands import infer
from tests.engine.cluster.store_server import BUCKET, Server

ROOT = Path(__file__).parents[3]
LONG = 300.0
"""Seconds after which a test gives up."""


def place(name: str) -> str:
    return f"s3://{BUCKET}/{name}"


def environment(server: Server | None, home: Path) -> dict[str, str]:
    """Of a user who has an empty home folder, and a store, with one thread a process."""
    of_test = {"PYTHONPATH": str(ROOT), "HOME": str(home), "OMP_NUM_THREADS": "1", "ENGINE_CACHE": str(home / "cache")}
    return os.environ | (server.environment if server else {}) | of_test


@contextmanager
def driver(
    server: Server | None,
    home: Path,
    where: str,
    *words: object,
    cluster: str = "local",
    photos: tuple[str, ...] = ("photos",),
    done: str = "done",
    cwd: Path | None = None,
) -> Iterator[subprocess.Popen]:
    """engine-infer on a cluster, for the photos and masks at a place; killed at the end of the block, if it runs on."""
    command = [sys.executable, "-c", "from engine.commands.start import infer; infer()"]
    command += [
        *(f"{where}/{name}" for name in photos),
        "--mask",
        f"{where}/masks",
        "--out",
        f"{where}/{done}",
        "--cluster",
        cluster,
        *map(str, words),
    ]
    with subprocess.Popen(
        command, env=environment(server, home), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            for pid in [*below(process.pid), process.pid]:
                end(pid)


def ended(process: subprocess.Popen) -> tuple[int, dict[str, Any], str]:
    """The exit status, the line of JSON, and what it said, once it ends."""
    out, said = process.communicate(timeout=LONG)
    assert out, said
    return process.returncode, json.loads(out.splitlines()[-1]), said


def end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def below(pid: int) -> list[int]:
    """All processes that a process has started, and those that these have."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def is_running(pid: int) -> bool:
    """True if a process is there and has not ended, whether or not anybody has asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def called(pids: list[int], begin: str) -> list[int]:
    """Those of the processes whose command line, or the name of their program, begins so."""
    found = []
    for pid in pids:
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if line.startswith(begin) or Path(line.partition("\0")[0]).name == begin:
            found.append(pid)
    return found


def wait_for(there: Callable[[], object], process: subprocess.Popen | None = None) -> None:
    """Wait until that is so. AssertionError if the process ends before, or it takes too long."""
    until = time.monotonic() + LONG
    while not there():
        assert process is None or process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)


def rows(out: Path) -> list[dict[str, Any]]:
    """All rows of the reports at a place."""
    import pyarrow
    import pyarrow.parquet

    store = open_store(out)
    names = sorted(name for piece in store.listed() for name in piece if name.startswith("report.parquet/"))
    return [
        row for name in names for row in pyarrow.parquet.read_table(pyarrow.BufferReader(store.read(name))).to_pylist()
    ]


def complete(*words: object) -> None:
    """engine-infer, without a cluster, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["engine-infer", *map(str, words)])
        with pytest.raises(SystemExit):
            infer.main()
