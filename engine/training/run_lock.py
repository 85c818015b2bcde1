"""One training in a run folder at a time: two would delete each other's checkpoints."""

import fcntl
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

SET_UP = {".lock", "options.json"}
"""The files that a run begins with, of no use to anyone if it comes to nothing."""

log = logging.getLogger(__name__)


@contextmanager
def only_run_in(folder: Path) -> Iterator[None]:
    """Hold the run folder while the block runs. ValueError if another process has it, or if it cannot be written.

    The lock goes with the process, however that ends. It is not one of flock's, which the loader's forked workers would
    share: they outlive a killed training by some seconds, and the next one would be refused.

    A block that fails before it has left anything of use takes the folders that were made for it away again.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "ab")  # noqa: SIM115 - open for as long as the lock is held
    except OSError as error:
        raise ValueError(f"cannot write into the run folder: {error}; give another with --out") from error
    with lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:  # POSIX lets a system say either
            raise ValueError(
                f"another training runs in {folder}: wait for its end or stop it, or give another folder with --out"
            ) from error
        except OSError as error:
            log.warning("%s has no locks (%s): take care that no other training runs in it", folder, error)
        try:
            yield
        except BaseException:
            remove_unused(made)
            raise


def remove_unused(made: Sequence[Path]) -> None:
    """Remove a run folder that was made, and those made to hold it, if nothing but its set-up is in it."""
    if made and {path.name for path in made[0].iterdir()} <= SET_UP:
        for path in made[0].iterdir():
            path.unlink()
        for path in made:
            with suppress(OSError):  # another run has begun beside it
                path.rmdir()
