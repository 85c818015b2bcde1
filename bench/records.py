"""What was measured, kept: bench/records/<machine>-<date>.json, one file for each device and day.

    {"device": "...", "date": "2026-11-21", "limits": {name: rate}, "rows": [{"table": ..., "row": ..., ...}]}

Every row says its commit and versions itself, see `bench.rows`.
"""

import datetime
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

RECORDS = Path(__file__).with_name("records")

Record = dict[str, Any]


def merge(results: dict[str, Any], folder: Path = RECORDS) -> list[Path]:
    """Put the rows of pytest-benchmark's `results` into the records of today; the paths of those that changed.

    A row replaces one of the same table and name, so that a part can be measured again.
    """
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for benchmark in results["benchmarks"]:
        if "table" in benchmark["extra_info"]:
            rows[benchmark["extra_info"]["device"]].append(benchmark["extra_info"])
    return [write(device, found, results.get("limits", {}), folder) for device, found in rows.items()]


def write(device: str, rows: list[dict[str, Any]], limits: dict[str, float], folder: Path) -> Path:
    """Merge into the device's record of today."""
    today = datetime.date.today().isoformat()
    path = folder / f"{slug(device)}-{today}.json"
    record: Record = {"device": device, "date": today, "limits": {}, "rows": []}
    if path.exists():
        record = json.loads(path.read_text())
    kept = {(row["table"], row["row"]): row for row in record["rows"]}
    kept |= {(row["table"], row["row"]): row for row in rows}
    best = {name: max(rate, record["limits"].get(name, 0.0)) for name, rate in limits.items()}
    record |= {"limits": record["limits"] | best, "rows": list(kept.values())}
    folder.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def newest(folder: Path = RECORDS) -> list[Record]:
    """The latest record of each device, by the device's name."""
    latest: dict[str, Record] = {}
    for path in sorted(folder.glob("*.json"), key=lambda path: path.stem[-len("2026-01-01") :]):
        record = json.loads(path.read_text())
        latest[record["device"]] = record
    return [latest[device] for device in sorted(latest)]


def slug(device: str) -> str:
    """The device's name as part of a file's: lower case, with dashes."""
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
