"""Rows become records, records become tables and plots, and nothing is written by hand."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench import plots, records, report

DEVICE = "A Processor (R), 2 cores"


def row(table: str, name: str, p50_ms: float, **more: Any) -> dict[str, Any]:
    timing = {f"{key}_ms": p50_ms for key in ("p20", "p50", "p80", "best", "warm_up")}
    facts = {"times_as_fast_as": {"plain": 2.5}, "quality": {"psnr": 20.123}, "device": DEVICE}
    return {"table": table, "row": name, **timing, **facts, "versions": "torch 2", "commit": "abc1234", **more}


def results(*rows: dict[str, Any], limits: dict[str, float] | None = None) -> dict[str, Any]:
    return {"benchmarks": [{"extra_info": one} for one in (*rows, {})], "limits": limits or {}}


@pytest.fixture
def readmes(tmp_path: Path) -> Path:
    (tmp_path / "bench").mkdir()
    for path in (tmp_path / "README.md", tmp_path / "bench" / "README.md"):
        path.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    return tmp_path


def test_a_part_measured_again_replaces_its_rows_alone(tmp_path: Path) -> None:
    records.merge(results(row("T", "a", 1), row("T", "b", 2), limits={"copy, bytes/s": 5.0}), tmp_path)
    (path,) = records.merge(results(row("T", "b", 3), row("T", "c", 4), limits={"copy, bytes/s": 4.0}), tmp_path)
    assert re.fullmatch(r"a-processor-r-2-cores-\d{4}-\d\d-\d\d\.json", path.name)
    (record,) = records.newest(tmp_path)
    assert record["device"] == DEVICE
    assert [(one["row"], one["p50_ms"]) for one in record["rows"]] == [("a", 1), ("b", 3), ("c", 4)]
    assert record["limits"] == {"copy, bytes/s": 5.0}


def test_each_device_has_its_record_and_the_newest_counts(tmp_path: Path) -> None:
    records.merge(results(row("T", "a", 1), row("T", "a", 2, device="A GPU")), tmp_path)
    old = {"device": DEVICE, "date": "2020-01-01", "limits": {}, "rows": []}
    (tmp_path / "zzz-2020-01-01.json").write_text(json.dumps(old))
    assert [(one["device"], len(one["rows"])) for one in records.newest(tmp_path)] == [("A GPU", 1), (DEVICE, 1)]


def test_both_readmes_and_the_plots_follow_the_records(readmes: Path, tmp_path: Path) -> None:
    measured = [
        row("Steps", "joint", 12.5, images_per_s=4321.0, share_of_limit=0.5, limit="GEMM", headline="a joint step"),
        row("Steps", "completion", 7.0, warm_up_ms=0.0),
        row("Scaling", "Against size", 1.0, points=[[1, 1, 10], [10, 10, 10], [100, 100, 10]],
            size="the size", x="MB", plot="size"),
    ]  # fmt: skip
    records.merge(results(*measured, limits={"GEMM, FLOP/s": 3e11}), tmp_path / "records")
    report.refresh(readmes, tmp_path / "records", tmp_path / "plots")
    text = (readmes / "bench" / "README.md").read_text()
    assert text.startswith(f"before\n{report.BEGIN}\n")
    assert text.endswith(f"{report.END}\nafter\n")
    assert "old" not in text
    assert "| GEMM | 300 G FLOP/s |" in text
    assert "| joint | 12.5 (12.5–12.5) | 12.5 | 4.32 k | 50% of GEMM | plain 2.50 | psnr 20.12 |" in text
    assert "| completion | 7 (7–7) |  |  |  | plain 2.50 | psnr 20.12 |" in text, "a first call that nobody timed"
    assert "Time grows in proportion to the size (exponent 1.00)." in text
    assert "Memory hardly depends on the size (exponent 0.00)." in text
    assert (tmp_path / "plots" / "size.svg").read_text().count("<circle") == 6
    headline = (readmes / "README.md").read_text()
    assert "| a joint step | 12.5 | plain 2.50 | psnr 20.12 | A Processor (R), 2 cores, 20" in headline
    assert "abc1234 |" in headline
    assert "completion" not in headline


@pytest.mark.parametrize(("power", "words"), [(0, "hardly"), (0.5, "more slowly"), (1, "proportion"), (2, "faster")])
def test_the_exponent_is_fitted_and_said(power: float, words: str) -> None:
    fitted = plots.exponent([(x, 3 * x**power) for x in (1, 2, 5, 30)])
    assert fitted == pytest.approx(power, abs=1e-9)
    assert words in plots.in_words("Time", "x", fitted)
