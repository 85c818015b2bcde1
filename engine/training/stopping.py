"""Ending a run when it is asked to, between two iterations."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class StopRequest:
    """Set by SIGTERM or SIGINT; the run finishes its step, saves and ends well. A second SIGINT interrupts at once."""

    def __init__(self) -> None:
        self.requested = False

    def __call__(self, number: int, frame: object) -> None:
        self.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Catch SIGTERM and SIGINT while the block runs."""
    request = StopRequest()
    before = {number: signal.signal(number, request) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
