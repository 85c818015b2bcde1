"""Checkpoints on disk: whole or absent, the newest few, and found again after anything.

A checkpoint holds no random state and no position in the data: crops and holes are functions of the seed and of the
sample's number, and the sample's number follows from the iteration.
"""

import logging
import pickle
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from data.files import atomic_writer

log = logging.getLogger(__name__)

FORMAT = 2


def save_checkpoint(folder: Path, iteration: int, state: dict[str, Any], keep: int) -> Path:
    """Write `state` as the checkpoint of `iteration`, then drop all but the newest `keep`.

    OSError, naming the file, if it cannot be written (a full disk, say); older checkpoints are then untouched.
    """
    path = folder / f"{iteration:08d}.pt"
    for stray in folder.glob(".*.tmp"):  # what a killed run was writing
        stray.unlink()
    try:
        with atomic_writer(path) as file:
            torch.save({"format": FORMAT, **state}, file)
    except (OSError, RuntimeError) as error:  # torch reports a failed write as a RuntimeError, without its reason
        free = shutil.disk_usage(folder).free / 1e6
        raise OSError(f"cannot write the checkpoint {path}: {error}; {free:.0f} MB are free there") from error
    for old in checkpoints(folder)[keep:]:
        old.unlink()
    return path


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, newest first."""
    return sorted(folder.glob("[0-9]*.pt"), reverse=True)


def load_newest(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint that can be read, and its state on the CPU; None if there is none.

    A damaged one is passed over with a warning, and renamed: its number is free for the resumed run's own, and it takes
    no good one's place among those that are kept. ValueError if one was written in another format.
    """
    for path in checkpoints(folder):
        try:
            check_sums(path)
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except (RuntimeError, OSError, EOFError, ValueError, pickle.UnpicklingError, BadZipFile) as error:
            aside = path.with_suffix(".damaged")
            log.warning("passing over the damaged checkpoint %s, now %s: %s", path, aside.name, error)
            with suppress(FileNotFoundError):  # another process was faster
                path.rename(aside)
            continue
        if state["format"] != FORMAT:
            raise ValueError(f"{path} has checkpoint format {state['format']}; this version reads {FORMAT}")
        return path, state
    return None


def check_sums(path: Path) -> None:
    """ValueError or BadZipFile if a part of the file is not what was written, which torch.load does not look at."""
    with ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise ValueError(f"{damaged} in it has another checksum than when it was written")
