"""Files that are whole or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE
from typing import BinaryIO
from uuid import uuid4


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write a file that becomes `path` when the block ends well, and leaves `path` as it was when it does not.

    Creates missing folders. What is replaced hands on its permissions, and a link stays: its target is replaced.
    OSError if the disk is full or the folder cannot be written.
    """
    target = path.resolve() if path.is_symlink() else path
    target.parent.mkdir(parents=True, exist_ok=True)
    # With a part of the name only, which may itself be as long as the file system allows.
    temporary = target.with_name(f".{target.name[-40:]}.{uuid4().hex[:12]}.tmp")
    try:
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
