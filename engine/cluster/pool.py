"""The processes of a run on a Ray cluster, and which of them has which photos: nothing that Ray loses is lost here.

Ray's actors and nothing above them, so that the fate of every photo is in one loop. Ray Data drops whole blocks of rows
where it is told to go on after an error, ends the run where it is not, and tries a photo that kills its process without
end.
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from engine.cluster.report import Row, row_of
from engine.cluster.sources import Photos
from engine.cluster.staging import Places
from engine.cluster.stores import open_store
from engine.cluster.todo import ToDo
from engine.cluster.worker import Weights, Work, Worker
from engine.inference.folders.jobs import Job
from engine.inference.folders.options import Outcome
from engine.packages import import_optional

MOST_AT_ONCE = 64
"""Photos in a call to a process: at the end of each it waits for its last result to be written."""

CALLS_AHEAD = 2
"""A process has its next call before it has ended one."""

LIVES = 3
"""Times that a photo alone may end its process before it is called failed."""


Calls = dict[Any, list[ToDo]]
"""The photos of each call that a process has, by Ray's reference to its answer, the one that runs first."""


class Pool:
    """Processes on a Ray cluster that complete photos."""

    def __init__(self, work: Work, weights: Weights, size: int, gpus: int) -> None:
        self.ray = import_optional("ray")
        self.work, self.size = work, size
        self.kind = self.ray.remote(Worker).options(num_cpus=work.cpus, num_gpus=gpus, max_restarts=0)
        self.weights = self.ray.put(weights)
        self.starting: dict[Any, Any] = {}
        """The actor that each call of `load` is of: it has no photos before it has answered, as it may never start."""
        self.ready: dict[Any, Calls] = {}
        """The calls of each actor that has loaded the network."""
        self.again: deque[ToDo] = deque()
        """Photos whose process ended: each is given alone, so that the one that ended it ends no others."""
        self.ended: dict[str, int] = {}
        """How often each of them has ended its process, alone."""
        self.failed_starts = 0

    def run(self, todo: Iterator[ToDo], count: int) -> Iterator[tuple[int, list[Row]]]:
        """Complete `count` photos, or shards; how many are left, and the rows of some at a time, or none once a second
        meanwhile.

        ValueError as `Worker.load`, or if no process can be started.
        """
        left = count
        while left > 0:
            while len(self.starting) + len(self.ready) < min(self.size, left):
                self._start()
            self._give(todo, left)
            actors = {reference: actor for actor, calls in self.ready.items() for reference in calls}
            done, _ = self.ray.wait([*self.starting, *actors], timeout=1.0)
            if not done:
                yield left, []
            for reference in done:
                rows = self._answers(actors[reference]) if reference in actors else self._started(reference)
                left -= min(1, len(rows)) if self.work.shards else len(rows)
                yield left, rows

    def close(self) -> None:
        """End the processes that have nothing to do any more, in order."""
        ends = [actor.close.remote() for actor in self.ready]
        self.ray.wait(ends, num_returns=len(ends), timeout=10.0) if ends else None

    def _start(self) -> None:
        actor = self.kind.remote(self.work)
        cpus = {node["NodeID"]: int(node["Resources"].get("CPU", 0)) for node in self.ray.nodes() if node["Alive"]}
        self.starting[actor.load.remote(self.weights, cpus)] = actor

    def _started(self, reference: Any) -> list[Row]:
        actor = self.starting.pop(reference)
        try:
            self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            raise cause_of(error) from error
        except self.ray.exceptions.RayError as error:  # its node or process has gone
            self.failed_starts += 1
            if self.failed_starts >= LIVES * self.size:
                raise ValueError(f"no process lives until it is ready; of the last one, Ray says: {error}") from error
            return []
        self.failed_starts = 0
        self.ready[actor] = {}
        return []

    def _give(self, todo: Iterator[ToDo], left: int) -> None:
        """Give photos to the processes that have least to do, fewer at a time towards the end."""
        at_once = max(1, min(MOST_AT_ONCE, left // (2 * CALLS_AHEAD * max(1, len(self.ready)))))
        if self.work.shards:
            at_once = 1
        for ahead in range(1 if self.work.shards else CALLS_AHEAD):
            for actor, calls in self.ready.items():
                if len(calls) > ahead:
                    continue
                some = [self.again.popleft()] if self.again else list(islice(todo, at_once))
                if not some:
                    return
                calls[actor.complete.remote(some)] = some

    def _answers(self, actor: Any) -> list[Row]:
        """The rows of an actor's first call. If it has ended meanwhile, what it did not answer is to be done again."""
        calls = self.ready[actor]
        reference, todo = next(iter(calls.items()))
        try:
            rows: list[Row] = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            raise cause_of(error) from error
        except self.ray.exceptions.RayError:
            return self._lost(actor, todo)
        del calls[reference]
        return rows

    def _lost(self, actor: Any, running: list[ToDo]) -> list[Row]:
        """An actor has ended while it completed these photos: they are done again, or failed, if one that was alone has
        ended too many."""
        calls = self.ready.pop(actor)
        self.ray.kill(actor)  # where it is merely out of reach
        self.again += (photo for todo in calls.values() for photo in todo if todo is not running)
        if len(running) == 1:
            (photo,) = running
            self.ended[photo.out] = self.ended.get(photo.out, 0) + 1
            if self.ended[photo.out] == LIVES:
                return [lost_row(self.work.places, photo)]
        self.again += running
        return []


def lost_row(places: Places, photo: ToDo) -> Row:
    """The row of a photo that has ended its process again and again."""
    name = Path(photo.name)
    called = (Photos(places.photos).called(photo.file), open_store(places.out).called(photo.out))
    error = (
        f"the process that completed it ended {LIVES} times, for want of memory perhaps: see Ray's log; a larger "
        "--actor-cpus gives each process more of it, and --max-pixels refuses the largest photos"
    )
    return row_of(Outcome(Job(name, name, name, called=called), "failed", error), "")


def cause_of(error: Any) -> Exception:
    """The exception that was raised in another process, as it was raised there."""
    return error.cause if isinstance(error.cause, ValueError | OSError) else error
