"""One training in a run folder at a time: two would delete each other's checkpoints."""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


@contextmanager
def only_run_in(folder: Path) -> Iterator[None]:
    """Hold the run folder while the block runs. ValueError if another process has it, or if it cannot be written.

    The lock goes with the process, however that ends. It is not one of flock's, which the loader's forked workers would
    share: they outlive a killed training by some seconds, and the next one would be refused.
    """
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
        yield
