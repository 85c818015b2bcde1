"""Measurements between two reports: losses, rates, and the time spent waiting for photos."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from engine.training.distributed import World
from engine.training.steps import Losses


class Meter:
    """Losses and times since the last report. Losses stay on the device until then: reading them waits for it."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.since = time.monotonic()
        self.waited = 0.0
        self.iterations: list[tuple[int, list[int], Losses]] = []

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time spent in here was spent waiting for data."""
        begun = time.monotonic()
        yield
        self.waited += time.monotonic() - begun

    def add(self, iteration: int, ids: list[int], losses: Losses) -> None:
        """Note the losses of an iteration and the samples they come from."""
        self.iterations.append((iteration, ids, losses))

    def first_not_finite(self) -> tuple[int, list[int], Losses] | None:
        """The first iteration since the last report with a loss that is infinite or not a number, if there is one."""
        if not self.iterations:
            return None
        finite = torch.stack([torch.stack(list(losses.values())).isfinite().all() for *_, losses in self.iterations])
        if finite.all():
            return None
        return self.iterations[int((~finite).nonzero()[0])]

    def take(self, world: World) -> dict[str, float]:
        """Means of the losses over all processes, rates a second and the share of time spent waiting; starts anew."""
        gathered: dict[str, list[Tensor]] = {}
        for *_, losses in self.iterations:
            for name, loss in losses.items():
                gathered.setdefault(name, []).append(loss)
        here = torch.stack([torch.stack(losses).mean() for losses in gathered.values()])
        means = dict(zip(gathered, world.mean(here).tolist(), strict=True))  # one message, and one wait for the device
        seconds, count = time.monotonic() - self.since, len(self.iterations)
        means |= {
            "iterations/s": count / seconds,
            "images/s": count * self.batch / seconds,
            "waiting": self.waited / seconds,
        }
        self.since, self.waited, self.iterations = time.monotonic(), 0.0, []
        return means
