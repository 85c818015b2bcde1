"""The gate lets equal commits pass however noisy the machine, and stops what costs more."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench import gate, gate_cases
from bench.gate import Line, judge_count, judge_time, run_gate
from engine.inference.texture import field

CASES = """
import time
import engine_under_test as engine

def busy():
    return lambda: sum(range(engine.ADDITIONS))

def waiting():
    return lambda: time.sleep(engine.SECONDS)

TIMED = {"busy": busy, "waiting": waiting}
COUNTED = {"work": lambda: {"steps": engine.STEPS, "breaks": engine.BREAKS}}
"""
ENGINE = {"ADDITIONS": 100_000, "SECONDS": 0.001, "STEPS": 1000, "BREAKS": 0}

Commit = Callable[..., str]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    gate.git(folder, "init", "--quiet")
    gate.git(folder, "config", "user.name", "a test")
    gate.git(folder, "config", "user.email", "test@example.com")
    (folder / "synthetic_cases.py").write_text(CASES)
    return folder


@pytest.fixture(scope="module")
def commit(repository: Path) -> Commit:
    """Commit an engine with some of its figures changed; `None` leaves one out."""

    def make(message: str = "An engine", **changes: float | None) -> str:
        figures = {name: value for name, value in (ENGINE | changes).items() if value is not None}
        (repository / "engine_under_test.py").write_text("".join(f"{n} = {v}\n" for n, v in figures.items()))
        gate.git(repository, "add", ".")
        gate.git(repository, "commit", "--quiet", "--allow-empty", "--message", message)
        return gate.git(repository, "rev-parse", "HEAD")

    return make


def problems(repository: Path, base: str, head: str) -> dict[str, str]:
    lines = run_gate(repository, base, head, "synthetic_cases")
    return {f"{line.case}, {line.what}": line.problem for line in lines if line.problem}


def test_equal_commits_pass_in_either_order(repository: Path, commit: Commit) -> None:
    base, head = commit(), commit()
    assert problems(repository, base, head) == {}
    assert problems(repository, head, base) == {}


def test_twice_the_time_fails(repository: Path, commit: Commit) -> None:
    # Waiting, not computing: a machine that is busy with something else lengthens it least.
    base, head = commit(SECONDS=0.02), commit(SECONDS=0.04)
    assert problems(repository, base, head) == {"waiting, seconds": "slower"}
    assert problems(repository, head, base) == {}


def test_one_more_graph_break_and_two_percent_more_steps_fail(repository: Path, commit: Commit) -> None:
    base, head = commit(), commit(BREAKS=1, STEPS=1020)
    assert problems(repository, base, head) == {"work, breaks": "more", "work, steps": "more"}


def test_a_commit_can_say_that_it_costs_more(repository: Path, commit: Commit) -> None:
    base, other = commit(), commit(BREAKS=1)
    meant = commit("Better pictures\n\nThey take a break.\n\nCosts-more: work, another case", BREAKS=1)
    assert problems(repository, base, meant) == {}
    assert problems(repository, base, other) == {"work, breaks": "more"}
    (line,) = [line for line in run_gate(repository, base, meant, "synthetic_cases") if line.what == "breaks"]
    assert line.note == "more, as the commit says"


def test_what_base_lacks_is_said_and_passes(repository: Path, commit: Commit) -> None:
    older, newer = commit(STEPS=None), commit()
    (line,) = [line for line in run_gate(repository, older, newer, "synthetic_cases") if line.case == "work"]
    assert not line.problem
    assert line.note.startswith("not compared, base cannot run it: AttributeError")
    assert "STEPS" in line.note
    assert list(problems(repository, newer, older)) == ["work, count"]


def test_a_process_that_dies_is_a_problem(repository: Path, commit: Commit) -> None:
    base = commit()
    (repository / "engine_under_test.py").write_text("import os\nos._exit(7)\n")
    gate.git(repository, "commit", "--quiet", "--all", "--message", "Dies")
    assert problems(repository, base, "HEAD") == {", cases": "head has none: its process ended with status 7"}


def test_an_unknown_commit_is_named(repository: Path, commit: Commit) -> None:
    with pytest.raises(SystemExit, match="no-such-commit"):
        run_gate(repository, "no-such-commit", commit(), "synthetic_cases")


def is_slower(base: list[float], head: list[float]) -> bool:
    return bool(judge_time("", base, head).problem)


def turns_on_a_noisy_machine(random: np.random.Generator) -> list[list[float]]:
    """Of equal work on both sides: up to three times as long, and one process slower than the other all its life."""
    noise = random.uniform(0.1, 1)
    return [list(random.uniform(1, 1.2) * random.uniform(1, 3, gate.TURNS) ** noise) for _ in range(2)]


def test_equal_work_on_10_000_noisy_machines_is_never_slower() -> None:
    random = np.random.default_rng(0)
    assert not any(is_slower(*turns_on_a_noisy_machine(random)) for _ in range(10_000))


def test_twice_the_work_on_1000_quiet_machines_is_always_slower() -> None:
    random = np.random.default_rng(0)
    some = [random.uniform(1, 1.2, gate.TURNS) for _ in range(1000)]
    assert all(is_slower(list(base), list(2 * head)) for base, head in zip(some, some[::-1], strict=True))


@pytest.mark.parametrize(("base", "head", "worse"), [(0, 0, False), (0, 1, True), (100, 101, False), (100, 102, True)])
def test_counters_are_held_tightly(base: float, head: float, worse: bool) -> None:
    assert bool(judge_count("", "", base, head).problem) == worse
    assert not judge_count("", "", None, head).problem


def test_the_table_says_what_is_wrong() -> None:
    lines = [
        Line("step", "seconds", [1.0, 1.1], [2.3, 2.5], problem="slower"),
        Line("step", "breaks", [0], [0]),
        Line("graph", "nodes", [], [34], note="not compared"),
    ]
    assert gate.table(lines).splitlines()[2:] == [
        "| step | seconds | 1–1.1 | 2.3–2.5 | 2.09 | **slower** |",
        "| step | breaks | 0 | 0 |  |  |",
        "| graph | nodes |  | 34 |  | not compared |",
    ]


def test_the_worker_keeps_what_cases_print_apart(tmp_path: Path) -> None:
    (tmp_path / "chatty.py").write_text("import os\nprint('hello')\nos.system('echo hi')\nTIMED = COUNTED = {}\n")
    run = subprocess.run(
        [sys.executable, gate.ROOT / "bench" / "gate_worker.py", "chatty"],
        input='["list"]\n', env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(run.stdout) == {"timed": [], "counted": []}
    assert "hello" in run.stderr


def test_the_texture_case_repeats_and_tells_of_work_done_twice(monkeypatch):
    """In the stage's inner loop, which tries another source for each patch, and nowhere else."""
    before = gate_cases.COUNTED["texture"]()
    assert gate_cases.COUNTED["texture"]() == before
    tries = field.nearer_patches

    def twice(*arguments):
        tries(*arguments)
        return tries(*arguments)

    monkeypatch.setattr(field, "nearer_patches", twice)
    after = gate_cases.COUNTED["texture"]()
    for what in ("operators", "bytes moved"):
        assert judge_count("texture", what, before[what], after[what]).problem == "more"


@pytest.mark.parametrize("case", ["completion", "texture"])
def test_the_gate_counts_the_network(case):
    """A hole in smooth surroundings would be filled without it, and nothing be watched."""
    assert gate_cases.COUNTED[case]()["FLOPs"] > 1e8
