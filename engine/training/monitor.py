"""The reports of a run: a progress line, metrics.jsonl, TensorBoard, and pictures."""

import json
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import cv2
import numpy as np
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from data.files import write_atomically
from engine.packages import install_line

log = logging.getLogger(__name__)

PLAIN_LINE_SECONDS = 10.0
"""Where the output is no terminal, at most one line in so many seconds."""


class TwoLines(Progress):
    """The iterations done and the time left, in 80 columns; the losses below, on as many lines as they take.

    The time left is the run's own estimate: rich forgets what is older than half a minute, which may be one report.
    """

    def get_renderables(self) -> Iterator[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        for task in self.tasks:
            yield Text(task.fields["report"])


class Monitor:
    """Reports one run into its folder and to the terminal. A context manager; used by the first process alone."""

    def __init__(self, folder: Path, total: int, start: int) -> None:
        self.folder = folder
        self.total = total
        self.console = Console()
        self.progress = TwoLines(
            TextColumn("{task.description:>13}"),
            BarColumn(20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.task = self.progress.add_task("starting", total=total, completed=start, report="", left="")
        self.begun: tuple[float, int] | None = None
        self.last_line = -PLAIN_LINE_SECONDS
        self.metrics_file = folder / "metrics.jsonl"
        drop_later_rows(self.metrics_file, start)
        self.board = open_tensorboard(folder / "tensorboard", start)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()
        with self.reporting():
            if self.board is not None:
                self.board.close()

    def finished(self, iteration: int) -> None:
        """Count the time from the first iteration that is finished on: what goes before it comes once."""
        if self.begun is None:
            self.begun = time.monotonic(), iteration

    def left(self, iteration: int) -> str:
        """The time left if the run goes on as so far; nothing before there are two iterations to tell by."""
        if not self.measured(iteration):
            return ""
        return f"left {timedelta(seconds=round(self.seconds_each(iteration) * (self.total - iteration)))}"

    def measured(self, iteration: int) -> int | None:
        """The iterations whose time is counted; None before the first is finished."""
        return None if self.begun is None else iteration - self.begun[1]

    def seconds_each(self, iteration: int) -> float:
        """The time of an iteration, the mean of those that are measured: one at least."""
        assert self.begun is not None
        return (time.monotonic() - self.begun[0]) / (iteration - self.begun[1])

    def metrics(self, iteration: int, phase: str, values: dict[str, float]) -> None:
        """Report the values of the last iterations; `iteration` counts those done."""
        self.record(iteration, phase, values)
        report = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        left = self.left(iteration)
        self.progress.update(self.task, completed=iteration, description=phase, report=report, left=left)
        if not self.console.is_terminal and time.monotonic() - self.last_line >= PLAIN_LINE_SECONDS:
            self.last_line = time.monotonic()
            print(f"{phase:>13} {iteration}/{self.total}  {report}  {left}".rstrip(), flush=True)

    def validation(self, iteration: int, phase: str, values: dict[str, float]) -> None:
        """Report what was measured on photos that the run does not learn from: a row, and a line, of its own."""
        self.record(iteration, phase, values)
        self.say(f"{iteration}/{self.total}  " + "  ".join(f"{name} {value:.4g}" for name, value in values.items()))

    def record(self, iteration: int, phase: str, values: dict[str, float]) -> None:
        """A row of metrics.jsonl, and TensorBoard's scalars."""
        with self.reporting():
            with open(self.metrics_file, "a") as file:
                file.write(json.dumps({"iteration": iteration, "phase": phase, **values}) + "\n")
            if self.board is not None:
                for name, value in values.items():
                    self.board.add_scalar(name, value, iteration)

    def say(self, message: str) -> None:
        """A line of its own, above the progress line."""
        self.console.print(message, highlight=False, soft_wrap=True)

    def picture(self, iteration: int, rows: np.ndarray) -> None:
        """Write `rows` (H x W x 3 uint8 RGB) as pictures/ITERATION.png."""
        path = self.folder / "pictures" / f"{iteration:08d}.png"
        with self.reporting():
            write_atomically(path, cv2.imencode(".png", rows[..., ::-1])[1].tobytes())
            if self.board is not None:
                self.board.add_image("completions", rows, iteration, dataformats="HWC")

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """A report that cannot be written, as on a full disk, is left out and does not end the run."""
        try:
            yield
        except OSError as error:
            log.warning("a report is left out: %s", error)
            self.board = None  # its thread has ended with the error


def open_tensorboard(folder: Path, start: int) -> Any:
    """TensorBoard's writer, which hides what was written after `start`; None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.warning("no TensorBoard log: tensorboard is not installed (%s)", install_line("tensorboard"))
        return None
    with after_newest_events(folder):
        return SummaryWriter(str(folder), purge_step=start + 1)  # that of `start` was written by the run until then


@contextmanager
def after_newest_events(folder: Path) -> Iterator[None]:
    """TensorBoard's writer, opened in this block, gets a file that sorts after those that are in the folder.

    TensorBoard reads them in the order of their names, which begin with the time, and never looks back: where the clock
    was set back between two runs, it would show nothing of the second one.
    """
    from tensorboard.summary.writer import event_file_writer

    there = (re.match(r"events\.out\.tfevents\.(\d+)\.", path.name) for path in folder.glob("events.out.tfevents.*"))
    newest = max((int(name[1]) for name in there if name), default=0)
    if newest < int(time.time()):
        yield
        return
    name_then_clock = chain([newest + 1], iter(time.time, None))
    event_file_writer.time = SimpleNamespace(time=name_then_clock.__next__)
    try:
        yield
    finally:
        event_file_writer.time = time


def drop_later_rows(metrics_file: Path, iteration: int) -> None:
    """Forget the metrics after `iteration`, which a resumed run writes again, and lines that are no metrics."""
    if not metrics_file.exists():
        return
    rows = metrics_file.read_bytes().splitlines(keepends=True)
    kept = []
    for number, row in enumerate(rows, start=1):
        try:
            is_kept = row.endswith(b"\n") and json.loads(row)["iteration"] <= iteration
        except (ValueError, KeyError, TypeError):
            log.warning("%s, line %d is no row of metrics and is left out: %r", metrics_file, number, row[:80])
            continue
        if is_kept:
            kept.append(row)
    if len(kept) < len(rows):
        write_atomically(metrics_file, b"".join(kept))
