"""A benchmark's row: timed in turns with what it is compared with, and written into pytest-benchmark's `extra_info`.

    measure(benchmark, "Inference", "512x512, openvino", ours, {"pytorch": plain}, flops=work, limit=limits.gemm())

`python -m bench` gathers the rows into bench/records/ and the tables of bench/README.md.
"""

import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench.limits import BYTES, FLOPS, PIXELS, Limit
from bench.timing import Timing, in_turns

ROOT = Path(__file__).parents[1]
PACKAGES = ("torch", "triton", "numpy", "opencv-python-headless", "pillow", "onnxruntime", "openvino", "pypatchmatch")
WRITTEN_BY_BENCHMARKS = ("records", "plots", "README.md")
LIMIT, OURS = "limit", "ours"
ON_GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")]
"""The marks of benchmarks that need one."""


def measure(
    benchmark: BenchmarkFixture,
    table: str,
    row: str,
    ours: Callable[[], object],
    others: Mapping[str, Callable[[], object]] | None = None,
    *,
    limit: Limit | None = None,
    device: str = "cpu",
    rounds: int = 5,
    **facts: Any,
) -> dict[str, Timing]:
    """Time `ours` in turns with the `others` and with the `limit`, and write the row; see `write_row` for the facts.

    The first call of each warms up and is reported by itself.
    """
    calls = {**(others or {}), OURS: ours} | ({LIMIT: limit.call} if limit else {})
    timings: dict[str, Timing] = benchmark.pedantic(in_turns, (calls, rounds, device), rounds=1)
    write_row(benchmark, table, row, timings, limit=limit, device=device, **facts)
    return timings


def write_row(
    benchmark: BenchmarkFixture,
    table: str,
    row: str,
    timings: Mapping[str, Timing],
    *,
    limit: Limit | None = None,
    device: str = "cpu",
    images: float | None = None,
    flops: float | None = None,
    moved: float | None = None,
    pixels: float | None = None,
    quality: Mapping[str, float | str] | None = None,
    memory_bytes: float | None = None,
    **more: Any,
) -> None:
    """Describe a benchmark in its `extra_info`: line `row` of `table`.

    `timings` has "ours", and the plain versions by their names, and "limit" if a `limit` was run in turns with them.
    `images`, `flops`, `moved` (bytes) and decoded `pixels` are of one call, `memory_bytes` is its peak beyond what was
    there before. `quality` stands beside the speed: an error against the plain version, a PSNR, a loss. `more` goes
    into the record; `headline`, a few words, brings the row into the project's README.
    """
    ours = timings[OURS]
    work = {"images": images, "flops": flops, "bytes": moved, "pixels": pixels}
    info: dict[str, Any] = {"table": table, "row": row}
    info |= {f"{name}_ms": round(1e3 * getattr(ours, name), 4) for name in ("p20", "p50", "p80", "best", "warm_up")}
    info |= {name: amount for name, amount in work.items() if amount is not None}
    info |= {f"{name}_per_s": amount / ours.p50 for name, amount in work.items() if amount is not None}
    info["times_as_fast_as"] = {
        name: round(timing.p50 / ours.p50, 3) for name, timing in timings.items() if name not in (OURS, LIMIT)
    }
    if limit is not None:
        rate = limit.rate(timings[LIMIT].p50)
        done = {FLOPS: flops, BYTES: moved, PIXELS: pixels}[limit.unit]
        assert done is not None, f"the limit {limit.name} is in {limit.unit}: say how many the call does"
        info |= {"limit": limit.name, "limit_rate": rate, "share_of_limit": round(done / ours.p50 / rate, 3)}
    if memory_bytes is not None:
        info["memory_bytes"] = memory_bytes
    info["quality"] = dict(quality or {})
    info |= more
    info |= {"device": device_name(device), "versions": versions(), "commit": commit()}
    benchmark.extra_info |= info
    benchmark.group = table


@cache
def device_name(device: str) -> str:
    """What the benchmark ran on: the GPU's name, or the processor's with its number of usable cores."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    models = [line.split(":")[1].strip() for line in cpu_facts() if line.startswith("model name")]
    return f"{models[0] if models else platform.machine()}, {len(os.sched_getaffinity(0))} cores"


def cpu_facts() -> list[str]:
    facts = Path("/proc/cpuinfo")
    return facts.read_text().splitlines() if facts.exists() else []


@cache
def versions() -> str:
    """Of Python and of the packages whose speed is measured."""
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


@cache
def commit() -> str:
    """The short hash of what is measured, with "+changes" where files differ from it; $BENCH_COMMIT without git."""
    if given := os.environ.get("BENCH_COMMIT"):
        return given
    try:
        changed = git(
            "status", "--porcelain", "-uno", "--", ".", *(f":!bench/{path}" for path in WRITTEN_BY_BENCHMARKS)
        )
        return git("rev-parse", "--short", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown: not a git checkout"


def git(*arguments: str) -> str:
    """The output of a git command in this checkout."""
    run = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return run.stdout.strip()
