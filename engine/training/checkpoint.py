"""Checkpoints on disk: whole or absent, the newest few, and found again after anything.

A checkpoint holds no random state and no position in the data: crops and holes are functions of the seed and of the
sample's number, and the sample's number follows from the iteration.
"""

import logging
import pickle
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from data.files import atomic_writer
from engine.training.migration import FORMAT

log = logging.getLogger(__name__)

NAME = re.compile(r"[0-9]{8,}\.pt")
"""The names of checkpoints, so that `00000040_best.pt` is the user's own."""


class DamagedError(ValueError):
    """A checkpoint is not what was written."""


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
    """The checkpoints in `folder`, newest first; files of other names are none of the run's."""
    return sorted((path for path in folder.glob("*.pt") if NAME.fullmatch(path.name)), key=iteration_of, reverse=True)


def iteration_of(path: Path) -> int:
    """The iterations that were done when this checkpoint was written."""
    return int(path.stem)


def load_newest(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint that can be read, and its state on the CPU; None if there is none.

    A damaged one is passed over with a warning, and renamed: its number is free for the resumed run's own, and it takes
    no good one's place among those that are kept. OSError if the system does not let one be read, which says nothing of
    its content; ValueError if one was written in another format, or by something else.
    """
    for path in checkpoints(folder):
        try:
            return path, load_checkpoint(path)
        except DamagedError as error:
            aside = path.with_suffix(".damaged")
            log.warning("passing over the damaged checkpoint %s, now %s: %s", path, aside.name, error)
            with suppress(FileNotFoundError):  # another process was faster
                path.rename(aside)
        except FileNotFoundError:
            continue  # another process has found it damaged, and was faster
        except OSError as error:
            error.filename = error.filename or str(path)  # a failed read does not say of what
            raise
    return None


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state in a checkpoint, on the CPU; `load_newest` says what it raises."""
    foreign = f"{path} is no checkpoint of engine-train; move it to another folder, or name it otherwise"
    check_sums(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:  # its bytes are those that were written
        raise ValueError(foreign) from error
    except RuntimeError as error:
        if "PytorchStreamReader" not in str(error):  # no memory, say
            raise
        raise DamagedError(error) from error
    if not isinstance(state, dict) or "format" not in state:
        raise ValueError(foreign)
    return state


def check_sums(path: Path) -> None:
    """DamagedError if a part of the file is not what was written, which torch.load does not look at."""
    try:
        with ZipFile(path) as archive:
            damaged = archive.testzip()
    except (BadZipFile, ValueError, EOFError, RuntimeError) as error:  # what zipfile makes of bytes it does not expect
        raise DamagedError(error) from error
    if damaged:
        raise DamagedError(f"{damaged} in it has another checksum than when it was written")
