"""Files that are whole or not there."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE
from typing import BinaryIO
from uuid import uuid4
from zlib import crc32


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write a file that becomes `path` when the block ends well, and leaves `path` as it was when it does not.

    Creates missing folders. The file is there already, empty, to be written and not itself replaced. What is replaced
    hands on its permissions, and a link stays: its target is replaced. OSError if the disk is full or the folder cannot
    be written.
    """
    target = path.resolve() if path.is_symlink() else path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _own_temporary(target) as temporary:
            yield temporary
            with open(temporary, "r+b") as file:
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):
                os.chmod(temporary, S_IMODE(os.stat(target).st_mode))
            os.replace(temporary, target)
    except OSError as error:
        if error.errno is not None:  # of the temporary file, or of nothing; an error in words would lose them
            error.filename = str(path)
        raise


@contextmanager
def _own_temporary(target: Path) -> Iterator[Path]:
    """An empty file beside `target` that this process alone writes while the block runs; removed if that fails.

    What a killed process left half written is used again by who writes the same target next, since the name follows
    from the target's. Only while another process writes that, the name is one of its own.
    """
    # With a part of the name only, which may itself be as long as the file system allows.
    name = f".{target.name[-40:]}.{crc32(os.fsencode(target.name)):08x}"
    temporary = target.with_name(f"{name}.tmp")
    try:
        lock = _locked(temporary)
    except OSError:
        temporary = target.with_name(f"{name}.{uuid4().hex[:12]}.tmp")
        lock = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        yield temporary
    except BaseException:  # else it has another name now, and this one may be another process's
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(lock)


def _locked(path: Path) -> int:
    """The file, open, emptied and locked. OSError if another process has it, or there are no locks there."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(lock), os.stat(path)):
            raise BlockingIOError(path)  # its former holder has just renamed it
        os.ftruncate(lock, 0)
    except OSError as error:
        os.close(lock)
        if not isinstance(error, BlockingIOError):  # without locks nobody uses this name
            path.unlink(missing_ok=True)
        raise
    return lock


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A folder beside `path` for what is to become that, gone when the block ends; for one process at a time.

    What a killed one left in it is written over, and goes with it. Creates missing folders.
    """
    folder = path.with_name(f".{path.name[-40:]}.tmp")
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
        with suppress(OSError):  # the file system may have no locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), os.stat(folder)):  # else another process has just removed it
                break
        os.close(lock)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """A binary file that becomes `path` when the block ends well; see `replacing`."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        yield file


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` whole or not at all; see `replacing`."""
    with atomic_writer(path) as file:
        file.write(content)
