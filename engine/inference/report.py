"""The record of one completion: its windows, scales, times and warnings."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


def unwatched(scale: int, done: int, windows: int) -> None:
    """Nothing, before each run of the network."""


@dataclass(slots=True)
class Report:
    """The record of one completion."""

    runtime: str = ""
    """The library that ran the network, and the type that it computed in: "torch, bf16"."""
    windows: int = 0
    window_pixels: int = 0
    """Pixels read by all runs of the network."""
    scales: set[int] = field(default_factory=set)
    """The network ran at 1/n of the photo's resolution, for each n here."""
    widened: set[int] = field(default_factory=set)
    """Pixels by which holes were widened before they were completed: none where masks are taken as they are."""
    texture: dict[str, int] = field(default_factory=dict)
    """Holes whose texture is the photo's ("photo"), those left as the network drew them ("network"), and thin and small
    ones that were filled smoothly without it ("smooth")."""
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    watch: Callable[[int, int, int], None] = unwatched
    """Called before each run of the network with the n of the resolution's 1/n, the windows done at it, and how many
    there are; what it raises ends the completion."""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to the stage `name`."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - started
