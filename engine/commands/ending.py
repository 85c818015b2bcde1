"""The messages of a command, and its end where it cannot go on or is told to stop: one line, and the exit status."""

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from engine import __version__
from engine.output import outlive_readers


def log_to_stderr() -> None:
    """Print log messages alone: the engine's own from INFO on, those of libraries from WARNING on."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("engine").setLevel(logging.INFO)


@contextmanager
def ends_in_a_line(command: str, errors: tuple[type[Exception], ...] = (ValueError, OSError)) -> Iterator[None]:
    """Decorates `main`: one line instead of a traceback, with exit status 1 for `errors` and 130 for Ctrl-C.

    `--version` alone is answered here, before anything else is loaded.

    SIGTERM and SIGHUP end it as Ctrl-C does, with status 143 and 129, so that no partial file is left behind. A reader
    that stops reading, as in `engine-... | head`, ends nothing: see `outlive_readers`.
    """
    outlive_readers()
    if sys.argv[1:] == ["--version"]:
        print(f"{command} {__version__}")
        raise SystemExit(0)
    try:
        with _raised_signals() as received, _written_at_its_end():
            yield
    except errors as error:
        raise SystemExit(f"{command}: {error}") from error
    except (SystemExit, KeyboardInterrupt) as ended:
        if received:  # watchfiles and Ray raise something else in place of what a signal's handler has raised
            raise SystemExit(128 + received[0]) from None
        if isinstance(ended, SystemExit):
            raise
        print(f"{command}: stopped", file=sys.stderr)
        raise SystemExit(130) from None


@contextmanager
def _written_at_its_end() -> Iterator[None]:
    """Standard output is written out when the block ends, and not at Python's end, where no error can be caught."""
    try:
        yield
    except SystemExit:
        sys.stdout.flush()
        raise
    sys.stdout.flush()


@contextmanager
def _raised_signals() -> Iterator[list[int]]:
    """SIGTERM and SIGHUP leave the block as exceptions, unless they are ignored (`nohup`) or handled already.

    The list has those that came.
    """
    received: list[int] = []

    def end(number: int, frame: object) -> None:
        received.append(number)
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # which alone may say so
        yield received
        return
    there = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has one
    caught = [number for number in there if signal.getsignal(number) == signal.SIG_DFL]
    for number in caught:
        signal.signal(number, end)
    try:
        yield received
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)
