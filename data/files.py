"""Files that are whole or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write a file that becomes `path` when the block ends well, and leaves `path` as it was when it does not.

    Creates missing folders. OSError if the disk is full or the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is not None:  # a failed write does not say of what; an error in words would lose them
            error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """A binary file that becomes `path` when the block ends well; see `replacing`."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        yield file


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` whole or not at all; see `replacing`."""
    with atomic_writer(path) as file:
        file.write(content)
