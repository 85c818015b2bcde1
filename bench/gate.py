"""Does one commit cost more than another?

    python -m bench.gate HEAD~1 HEAD              # a table; exit status 1 if it does

Both commits are unpacked side by side and given this checkout's bench/, so that only what is measured differs. A
process in each runs the cases of `bench.gate_cases` in turns, base, head, base, head, in one thread, on the same core.
Head is slower if its fastest turn takes longer than base's slowest by more than the margin; it costs more if any number
counted grows by more than a hundredth. What fails is measured twice more, in new processes, before it is believed.

A cost that is meant is named in the commit's message, in a line of its own at the end: `Costs-more: joint step`.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, ignore_patterns, rmtree
from typing import Any, Self

ROOT = Path(__file__).parents[1]
CASES = "bench.gate_cases"
TURNS, CALLS = 7, 3
"""Turns of a case on each side, and calls in a turn, of which the fastest counts."""

CONFIRMATIONS = 2
"""Measurements that a failure must survive. With one, and each side on a core of its own, a commit compared with itself
has failed once."""

MARGIN = 0.25
"""Share by which head may be slower. On two cores that others used too (load 2 to 4), 80 comparisons of a commit with
itself came to -0.02 at most."""

TOLERANCE = 0.01
"""Of what is counted."""

ALLOWING = "Costs-more"


@dataclass(frozen=True, slots=True)
class Line:
    """One comparison. `base` and `head` are seconds of all turns, or one number; empty where it could not be had."""

    case: str
    what: str
    base: list[float]
    head: list[float]
    problem: str = ""
    """Why head fails, empty if it does not."""
    note: str = ""


class Worker:
    """A process that runs cases in a commit's tree."""

    def __init__(self, tree: Path, cases: str) -> None:
        environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
        words = [sys.executable, "-m", "bench.gate_worker", cases]
        self.process = subprocess.Popen(
            words, cwd=tree, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip

    def ask(self, *question: str | int) -> dict[str, Any]:
        """The worker's answer; {"error": ...} if it has none."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(json.dumps(question), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            return {"error": f"its process ended with status {self.process.wait()}"}
        return dict(json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@dataclass(frozen=True, slots=True)
class Gate:
    """Two trees to compare, with the cases of a module that both can import."""

    base: Path
    head: Path
    cases: str

    def lines(self) -> list[Line]:
        """All comparisons; those that failed, in the last measurement that confirmed or cleared them."""
        lines = list(self.compare(None))
        for _ in range(CONFIRMATIONS):
            failed = {line.case for line in lines if line.problem}
            if not failed:
                break
            again = {(line.case, line.what): line for line in self.compare(failed)}
            lines = [again.get((line.case, line.what), line) if line.problem else line for line in lines]
        return lines

    def compare(self, only: set[str] | None) -> Iterator[Line]:
        """Every case, or `only` those, in processes of their own."""
        with Worker(self.base, self.cases) as base, Worker(self.head, self.cases) as head:
            listed = head.ask("list")
            if "error" in listed:
                yield Line("", "cases", [], [], problem=f"head has none: {listed['error']}")
                return
            for case in listed["timed"]:
                if only is None or case in only:
                    yield self.compare_time(case, base, head)
            for case in listed["counted"]:
                if only is None or case in only:
                    yield from self.compare_counts(case, base, head)

    def compare_time(self, case: str, base: Worker, head: Worker) -> Line:
        """In turns."""
        turns = [(base.ask("prepare", case), head.ask("prepare", case))]
        for _ in range(TURNS):
            if any("error" in answer for answer in turns[-1]):
                break
            turns.append((base.ask("time", case, CALLS), head.ask("time", case, CALLS)))
        if any("error" in answer for answer in turns[-1]):
            return Line(case, "seconds", [], [], **cannot_run(*turns[-1]))
        taken = [[turn[side]["seconds"] for turn in turns[1:]] for side in (0, 1)]
        return judge_time(case, taken[0], taken[1])

    def compare_counts(self, case: str, base: Worker, head: Worker) -> Iterator[Line]:
        answers = base.ask("count", case), head.ask("count", case)
        if any("error" in answer for answer in answers):
            yield Line(case, "count", [], [], **cannot_run(*answers))
            return
        before, after = (answer["counts"] for answer in answers)
        for what, number in after.items():
            yield judge_count(case, what, before.get(what), number)


def cannot_run(base: dict[str, Any], head: dict[str, Any]) -> dict[str, str]:
    """A problem if head no longer runs what base runs; else a note, since there is nothing to compare with."""
    if "error" in base:
        return {"note": f"not compared, base cannot run it: {base['error']}"}
    return {"problem": f"head cannot run it: {head['error']}"}


def judge_time(case: str, base: list[float], head: list[float]) -> Line:
    """Slower only if head's fastest turn is slower than base's slowest by more than the margin."""
    slower = min(head) > (1 + MARGIN) * max(base)
    return Line(case, "seconds", base, head, problem="slower" if slower else "")


def judge_count(case: str, what: str, base: float | None, head: float) -> Line:
    """Worse if it grew by more than the tolerance."""
    if base is None:
        return Line(case, what, [], [head], note="not compared, base does not count it")
    return Line(case, what, [base], [head], problem="more" if head > (1 + TOLERANCE) * base else "")


def with_allowances(lines: Iterable[Line], allowed: set[str]) -> list[Line]:
    """The lines, with no problem in those whose case's cost is meant."""
    return [
        Line(line.case, line.what, line.base, line.head, note=f"{line.problem}, as the commit says")
        if line.problem and line.case in allowed
        else line
        for line in lines
    ]


def git(repository: Path, *arguments: str) -> str:
    run = subprocess.run(["git", *arguments], cwd=repository, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {run.stderr.strip()}")
    return run.stdout.strip()


def allowances(repository: Path, base: str, head: str) -> set[str]:
    """Cases that a commit between the two says will cost more."""
    values = git(repository, "log", f"--format=%(trailers:key={ALLOWING},valueonly)", f"{base}..{head}")
    return {case.strip() for line in values.splitlines() for case in line.split(",") if case.strip()}


@contextmanager
def unpacked(repository: Path, commit: str) -> Iterator[Path]:
    """A folder with the files of `commit` and this checkout's bench/."""
    with tempfile.TemporaryDirectory() as folder:
        archive, tree = Path(folder) / "files.tar", Path(folder) / "tree"
        git(repository, "archive", "--output", str(archive), commit)
        with tarfile.open(archive) as files:
            files.extractall(tree, filter="data")
        rmtree(tree / "bench", ignore_errors=True)
        copytree(ROOT / "bench", tree / "bench", ignore=ignore_patterns("__pycache__", "records", "plots"))
        yield tree


def run_gate(repository: Path, base: str, head: str, cases: str = CASES) -> list[Line]:
    """The comparisons of two commits. SystemExit if there is no such commit."""
    with ExitStack() as stack:
        trees = [stack.enter_context(unpacked(repository, commit)) for commit in (base, head)]
        lines = Gate(trees[0], trees[1], cases).lines()
    return with_allowances(lines, allowances(repository, base, head))


def table(lines: list[Line]) -> str:
    """Markdown: fit for a terminal and for a comment."""
    rows = ["| case | | base | head | head / base | |", "|---|---|---:|---:|---:|---|"]
    for line in lines:
        worst: float = max(line.base, default=0.0)
        ratio = f"{min(line.head) / worst:.2f}" if worst and line.head else ""
        said = f"**{line.problem}**" if line.problem else line.note
        rows.append(f"| {line.case} | {line.what} | {shown(line.base)} | {shown(line.head)} | {ratio} | {said} |")
    return "\n".join(rows)


def shown(values: list[float]) -> str:
    """One number, or the range of several."""
    ends = sorted({min(values), max(values)}) if values else []
    return "–".join(f"{value:.4g}" for value in ends)


def main() -> None:
    parser = argparse.ArgumentParser(description="Does one commit cost more than another?")
    parser.add_argument("base")
    parser.add_argument("head")
    options = parser.parse_args()
    commits = {name: git(ROOT, "rev-parse", "--short", getattr(options, name)) for name in ("base", "head")}
    lines = run_gate(ROOT, commits["base"], commits["head"])
    failed = [line for line in lines if line.problem]
    print(f"Performance of {commits['head']} (head) against {commits['base']} (base), in turns on this machine:\n")
    print(table(lines))
    print("\nhead / base is head's best over base's worst: what the verdict is about.")
    print("\nHead costs more." if failed else "\nHead costs no more.")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
