"""How every command ends that cannot go on, or shall not."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ends_in_a_line(command: str, errors: tuple[type[Exception], ...] = (ValueError, OSError)) -> Iterator[None]:
    """Decorates `main`: one line instead of a traceback, with exit status 1 for `errors` and 130 for Ctrl-C."""
    try:
        yield
    except errors as error:
        raise SystemExit(f"{command}: {error}") from error
    except KeyboardInterrupt:
        print(f"{command}: stopped", file=sys.stderr)
        raise SystemExit(130) from None
