"""Ending a run when it is asked to, between two iterations."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class StopRequest:
    """Set by SIGTERM, SIGINT or SIGHUP; the run finishes its step, saves and ends well.

    A second SIGINT interrupts at once, but not one of several processes: those get the same Ctrl-C from the terminal
    and from their launcher.
    """

    def __init__(self, one_of_several: bool = False) -> None:
        self.requested = False
        self.one_of_several = one_of_several

    def __call__(self, number: int, frame: object) -> None:
        self.requested = True
        if not self.one_of_several:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def stop_signals(one_of_several: bool = False) -> Iterator[StopRequest]:
    """Catch SIGTERM, SIGINT and a closed terminal's SIGHUP, unless `nohup` has that ignored, while the block runs."""
    request = StopRequest(one_of_several)
    caught = [signal.SIGTERM, signal.SIGINT]
    if not hangups_are_ignored():
        caught.append(signal.SIGHUP)
    before = {number: signal.signal(number, request) for number in caught}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def hangups_are_ignored() -> bool:
    """True if this process was started to outlive its terminal, as `nohup` does."""
    return signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
