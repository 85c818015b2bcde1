"""The report of a run: a row for every photo, as parts of report.parquet beside the results, and a summary.

report.parquet is a folder, as data sets in Parquet are: pandas.read_parquet and others read it whole. A part is written
when it is full, and all parts of a run begin with the time of its start, so that a killed run leaves what it has told,
and later runs add to it.
"""

import heapq
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from engine.cluster.stores import Store
from engine.inference.folders.options import Outcome
from engine.packages import import_optional

FOLDER = "report.parquet/"

ROWS = 50_000
"""Of a part: some megabytes."""

SECONDS = 600.0
"""After which a part is written, full or not."""

SHOWN = 5
"""The slowest photos in the summary, and the failures."""

Row = dict[str, Any]


def row_of(outcome: Outcome, node: str) -> Row:
    """What the report has of a photo."""
    return {
        "photo": outcome.job.photo_called,
        "out": outcome.job.out_called,
        "name": outcome.job.name.as_posix(),
        "status": outcome.status,
        "error": outcome.error,
        "seconds": sum(outcome.report.seconds.values()),
        "height": outcome.size[0],
        "width": outcome.size[1],
        "hole_pixels": outcome.hole_pixels,
        "runtime": outcome.report.runtime,
        "warnings": list(outcome.report.warnings),
        "node": node,
    }


class ReportWriter:
    """Takes the rows of a run, and writes them where the results are."""

    def __init__(self, out: Store) -> None:
        self.arrow, self.parquet = import_optional("pyarrow"), import_optional("pyarrow.parquet")
        self.out = out
        self.run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid4().hex[:6]}"
        self.rows: list[Row] = []
        self.parts = 0
        self.since = self.started = time.monotonic()
        self.ready: float | None = None
        """When the first process had loaded the network."""
        self.counts: Counter[str] = Counter()
        self.slowest: list[tuple[float, str]] = []
        self.failures: list[Row] = []

    @property
    def rate(self) -> float:
        """Photos per second since then."""
        return 0.0 if self.ready is None else self.counts.total() / max(1e-3, time.monotonic() - self.ready)

    def add(self, row: Row) -> None:
        """Take a photo's row. OSError if a part that is full cannot be written."""
        self.counts[row["status"]] += 1
        heapq.heappush(self.slowest, (row["seconds"], row["photo"]))
        if len(self.slowest) > SHOWN:
            heapq.heappop(self.slowest)
        if row["status"] == "failed" and len(self.failures) < SHOWN:
            self.failures.append(row)
        self.rows.append({"run": self.run} | row)
        if len(self.rows) >= ROWS or time.monotonic() - self.since > SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what has not been written. OSError if it cannot be."""
        if not self.rows:
            return
        file = self.arrow.BufferOutputStream()
        self.parquet.write_table(self.arrow.Table.from_pylist(self.rows, self._schema()), file, compression="zstd")
        self.out.put(f"{FOLDER}{self.run}-{self.parts:05}.parquet", file.getvalue().to_pybytes())
        self.parts, self.rows, self.since = self.parts + 1, [], time.monotonic()

    def summary(self, there_already: int) -> Row:
        """The counts of the run, its slowest photos and its first failures."""
        counts = {status: self.counts[status] for status in ("completed", "copied", "skipped", "failed")}
        counts["skipped"] += there_already
        return {
            "summary": counts,
            "seconds": round(time.monotonic() - self.started, 1),
            "seconds_to_start": None if self.ready is None else round(self.ready - self.started, 1),
            "photos_per_second": round(self.rate, 3),
            "slowest": [{"photo": photo, "seconds": round(took, 3)} for took, photo in sorted(self.slowest)[::-1]],
            "failures": [{"photo": row["photo"], "error": row["error"]} for row in self.failures],
            "report": self.out.called(FOLDER.rstrip("/")) if self.parts else None,
        }

    def _schema(self) -> Any:
        arrow = self.arrow
        texts = ("run", "photo", "out", "name", "status", "error")
        numbers = (
            ("seconds", arrow.float64()),
            *((name, arrow.int64()) for name in ("height", "width", "hole_pixels")),
        )
        rest = (("runtime", arrow.string()), ("warnings", arrow.list_(arrow.string())), ("node", arrow.string()))
        return arrow.schema([*((name, arrow.string()) for name in texts), *numbers, *rest])


def failed(out: Store, names: list[str]) -> Iterator[str]:
    """The names of the photos that failed, by the parts of reports with these names. ValueError if there are none."""
    parts = sorted(name for name in names if re.fullmatch(rf"{FOLDER}[^/]+\.parquet", name))
    if not parts:
        raise ValueError(f"--retry-failed takes those that a report calls failed, and {out.where} has no {FOLDER[:-1]}")
    arrow, parquet = import_optional("pyarrow"), import_optional("pyarrow.parquet")
    for part in parts:
        table = parquet.read_table(arrow.BufferReader(out.read(part)), columns=["name", "status"])
        for name, status in zip(table["name"].to_pylist(), table["status"].to_pylist(), strict=True):
            if status == "failed":
                yield name
