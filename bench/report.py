"""The records as tables: the measured part of bench/README.md, the plots, and the headlines of the project's README.

python -m bench.report            # again from bench/records/, without measuring
"""

from pathlib import Path
from typing import Any

from bench.plots import PLOTS, draw, exponent, in_words
from bench.records import RECORDS, Record, newest

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
"""Between these two lines of a README, what is there is replaced."""

Row = dict[str, Any]


def refresh(root: Path = ROOT, records: Path = RECORDS, plots: Path = PLOTS) -> None:
    """Bring both READMEs and the plots in line with the newest record of each device."""
    found = newest(records)
    replace_between_marks(root / "bench" / "README.md", "\n\n".join(section(record, plots) for record in found))
    replace_between_marks(root / "README.md", headlines(found))


def replace_between_marks(path: Path, content: str) -> None:
    """In a file that has no marks, nothing is replaced."""
    text = path.read_text()
    if BEGIN in text:
        before, rest = text.split(BEGIN)
        body = f"{content}\n\n" if content else ""
        path.write_text(f"{before}{BEGIN}\n\n{body}{END}{rest.split(END)[1]}")


def section(record: Record, plots: Path) -> str:
    """A device's tables and plots."""
    parts = [f"## {record['device']}, {record['date']}"]
    if record["limits"]:
        parts.append(limits_table(record["limits"]))
    tables: dict[str, list[Row]] = {}
    for row in record["rows"]:
        tables.setdefault(row["table"], []).append(row)
    for name, rows in tables.items():
        scaling = [row for row in rows if "points" in row]
        parts.append(f"### {name}")
        parts.append("\n\n".join(scaling_figure(row, plots) for row in scaling) if scaling else table(rows))
    commits = sorted({row["commit"] for row in record["rows"]})
    versions = sorted({row["versions"] for row in record["rows"]})
    parts.append(f"Commit {', '.join(commits)}; {'; '.join(versions)}.")
    return "\n\n".join(parts)


def limits_table(limits: dict[str, float]) -> str:
    """The machine's ceilings of that run."""
    lines = ["| at most | |", "|---|---:|"]
    for name, rate in sorted(limits.items()):
        what, unit = name.rsplit(", ", 1)
        lines.append(f"| {what} | {quantity(rate)} {unit} |")
    return "\n".join(lines)


def table(rows: list[Row]) -> str:
    """One line a row, with the columns that any of them has."""
    cells = [columns(row) for row in rows]
    names = list(dict.fromkeys(name for row in cells for name in row))
    lines = [f"| {' | '.join(names)} |", f"|{'|'.join('---' if name == '' else '---:' for name in names)}|"]
    lines += [f"| {' | '.join(row.get(name, '') for name in names)} |" for row in cells]
    return "\n".join(lines)


def columns(row: Row) -> dict[str, str]:
    """What is shown of a row, by the column's heading."""
    shown = {"": row["row"], "ms: p50 (p20–p80)": f"{row['p50_ms']:.4g} ({row['p20_ms']:.4g}–{row['p80_ms']:.4g})"}
    if row["warm_up_ms"]:
        shown["first call, ms"] = f"{row['warm_up_ms']:.4g}"
    shown |= {
        heading: quantity(row[key])
        for key, heading in (("images_per_s", "images/s"), ("bytes_per_s", "bytes/s"), ("memory_bytes", "peak bytes"))
        if key in row
    }
    if "share_of_limit" in row:
        shown["share of the limit"] = f"{row['share_of_limit']:.0%} of {row['limit']}"
    if row["times_as_fast_as"]:
        shown["times as fast as"] = ", ".join(f"{name} {ratio:.2f}" for name, ratio in row["times_as_fast_as"].items())
    if row["quality"]:
        shown["quality"] = ", ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in row["quality"].items()
        )
    return shown


def scaling_figure(row: Row, plots: Path) -> str:
    """The plot, and the fitted exponents in words."""
    panels = {
        label: [(point[0], point[index]) for point in row["points"] if point[index] > 0]
        for index, label in ((1, "seconds"), (2, "bytes"))
    }
    panels = {label: points for label, points in panels.items() if len(points) > 1}
    path = draw(row["plot"], row["x"], panels, plots)
    names = {"seconds": "Time", "bytes": "Memory"}
    words = [in_words(names[label], row["size"], exponent(points)) for label, points in panels.items()]
    return f"**{row['row']}.** {' '.join(words)}\n\n![{row['row']}](plots/{path.name})"


def headlines(records: list[Record]) -> str:
    """The rows that speak for the project, each with its device, date and commit."""
    lines = []
    for record in records:
        for row in record["rows"]:
            if row.get("headline"):
                shown = columns(row)
                lines.append(
                    f"| {row['headline']} | {row['p50_ms']:.4g} | {shown.get('times as fast as', '')} "
                    f"| {shown.get('quality', '')} | {record['device']}, {record['date']}, {row['commit']} |"
                )
    heading = ["| | ms | times as fast as | quality | measured |", "|---|---:|---|---|---|"] if lines else []
    return "\n".join(heading + lines)


def quantity(number: float) -> str:
    """With the prefix that leaves one to three digits before the point."""
    for prefix, factor in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= factor:
            return f"{number / factor:.3g} {prefix}"
    return f"{number:.3g}"


if __name__ == "__main__":
    refresh()
