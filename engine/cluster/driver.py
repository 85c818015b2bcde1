"""A run on a Ray cluster: what is left to do goes to processes on its nodes, and what became of it into the report."""

import hashlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.cluster.pool import Pool
from engine.cluster.report import ReportWriter, Row
from engine.cluster.shard_list import Shards
from engine.cluster.stores import open_store
from engine.cluster.survey import survey
from engine.cluster.worker import Weights, Work
from engine.inference.folders.jobs import told_passed_over
from engine.packages import import_optional

OBJECTS = 256 << 20
"""Bytes that a cluster of one's own keeps for Ray's objects, which here are names and one weights file."""

TOLD = 20
"""Failures that are said one by one; all of them are in the report."""

EVERY = 10.0
"""Seconds between two lines of progress."""


def complete_on_cluster(
    address: str,
    work: Work,
    weights: Path,
    actors: int | None = None,
    failed_alone: bool = False,
    shards: Shards | None = None,
) -> Row:
    """Complete all photos that have no result yet, or those of `shards`, and print how it goes; the summary.

    `address` is "local" for a cluster of this machine alone that ends with the run, "auto" for the one that runs here,
    or HOST:PORT. ValueError, or OSError, if there is no such cluster or a place cannot be listed.
    """
    sent = Weights.of(weights)
    work = replace(work, digest=hashlib.sha256(sent.content).hexdigest())
    writer = ReportWriter(open_store(work.places.out))
    surveyed = survey(work.places, work.options.overwrite, failed_alone, work.variants)
    with nullcontext(shards) if shards else surveyed as listing:
        photos, left = listing.count(), listing.left(failed_alone)
        print(f"{left} of {photos} {counted(work)} are to be completed", file=sys.stderr, flush=True)
        for line in told_passed_over(listing.passed_over):
            print(line, file=sys.stderr, flush=True)
        if not left:
            return writer.summary(photos)
        with cluster(address) as ray:
            size, gpus = sizes(ray.cluster_resources(), work, actors)
            pool = Pool(work, sent, size, gpus)
            try:
                told = Progress(left, counted(work))
                for left_now, rows in pool.run(listing.to_do(failed_alone), left):
                    if pool.ready and writer.ready is None:
                        writer.ready = time.monotonic()
                    for row in rows:
                        writer.add(row)
                        told.tell_failure(row)
                    told.tell(writer, left_now, len(pool.ready))
                pool.close()
            finally:
                writer.flush()
    return writer.summary(photos - left)


class Progress:
    """Lines about a run on standard error."""

    def __init__(self, left: int, counted: str) -> None:
        self.left, self.counted = left, counted
        self.next = time.monotonic() + EVERY
        self.failures = 0

    def tell(self, writer: ReportWriter, left: int, processes: int) -> None:
        """A line, if it is time for one, when there are so many left."""
        if time.monotonic() < self.next:
            return
        self.next = time.monotonic() + EVERY
        done, rate, failed = self.left - left, writer.rate, writer.counts["failed"]
        if not processes and not done:
            print("no process is ready yet: they load the network, or wait for room", file=sys.stderr, flush=True)
        elif done:
            print(
                f"{done} of {self.left} {self.counted}, {failed} failed, {rate:.2f} photos/s by {processes} processes, "
                f"{in_words(left * writer.counts.total() / done / rate)} left",
                file=sys.stderr,
                flush=True,
            )

    def tell_failure(self, row: Row) -> None:
        """A line for each of the first failures."""
        if row["status"] != "failed":
            return
        self.failures += 1
        if self.failures <= TOLD:
            print(f"engine-infer: {row['photo']}: {row['error']}", file=sys.stderr, flush=True)
        elif self.failures == TOLD + 1:
            print("engine-infer: further failures are in the report alone", file=sys.stderr, flush=True)


def counted(work: Work) -> str:
    """The word for what is counted: shards or photos."""
    return "shards" if work.shards else "photos"


def in_words(seconds: float) -> str:
    """A time in the unit that suits it."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def sizes(resources: dict[str, float], work: Work, actors: int | None) -> tuple[int, int]:
    """How many processes there are to be, and how many GPUs each of them has. ValueError if there is room for none."""
    gpus = int(work.device != "cpu" and resources.get("GPU", 0) >= 1)
    room = int(resources.get("CPU", 0) // work.cpus)
    if gpus:
        room = min(room, int(resources["GPU"]))
    if not (actors or room):
        raise ValueError(
            f"each process wants {work.cpus} CPU(s), and the cluster has {resources.get('CPU', 0):.0f}: lower "
            "--actor-cpus, or say with --actors how many there are to be, if it grows"
        )
    return actors or room, gpus


@contextmanager
def cluster(address: str) -> Iterator[Any]:
    """Ray, connected to a cluster. ValueError if Ray is missing, or no cluster is there."""
    if address.startswith("ray://"):
        raise ValueError(
            f"--cluster is {address}, Ray's protocol for clients, which keeps no count of what is lost: start the "
            "command within the cluster, by `ray job submit`, with --cluster auto"
        )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is loaded: nothing is sent
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "2")  # 40 s each, where Ray would wait for a quarter of an hour
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray = import_optional("ray")
    own = {"include_dashboard": False, "object_store_memory": OBJECTS} if address == "local" else {}
    try:
        with own_handlers():
            ray.init(address=address, logging_level="warning", **own)
    except ConnectionError as error:
        raise ValueError(
            f"no Ray cluster answers at {address} ({error}): start one with `ray start --head`, or give --cluster local"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def own_handlers() -> Iterator[None]:
    """The handlers of signals are afterwards as they were before: Ray's would end the command with other statuses."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
