"""How every command ends that cannot go on, or shall not."""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper


@contextmanager
def ends_in_a_line(command: str, errors: tuple[type[Exception], ...] = (ValueError, OSError)) -> Iterator[None]:
    """Decorates `main`: one line instead of a traceback, with exit status 1 for `errors` and 130 for Ctrl-C.

    Nothing is said to who stops reading, as in `engine-... | head`; the status is 1 then, too. What the output's
    encoding does not have, such as the bytes of a file's name that is no text, is printed with backslashes.
    """
    # None where who started this had them closed.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with _written_at_its_end():
            yield
    except BrokenPipeError as error:
        raise SystemExit(f"{command}: {error}" if _is_read() else 1) from error
    except errors as error:
        raise SystemExit(f"{command}: {error}") from error
    except KeyboardInterrupt:
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


def _is_read() -> bool:
    """Whether anyone reads standard output. If not, what is still to be printed goes nowhere."""
    if hasattr(select, "poll"):  # else (on Windows) a broken pipe is taken for that of standard output
        output = select.poll()
        output.register(sys.stdout.fileno(), 0)
        if not output.poll(0):
            return True
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return False
