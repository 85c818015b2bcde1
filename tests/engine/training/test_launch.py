"""Starting several processes for real: by torchrun as the README says, and by the command's own launcher."""

import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engine.training.launch import run
from tests.engine.training.test_trainer import command, final_state, states_equal

README = Path(__file__).parents[3] / "README.md"
PROGRAMS = Path(sys.executable).parent


def test_torchrun_starts_it_as_the_readme_says(tiny):
    """But for one node in place of two, and two processes in place of four."""
    text = " ".join(README.read_text().split())
    (said,) = re.findall(r"`(torchrun [^`]* --no-python) engine-train [^`]*`", text)
    here = said.replace("--nnodes 2", "--nnodes 1").replace("--nproc-per-node 4", "--nproc-per-node 2")
    torchrun, *words = shlex.split(here.replace("HOST:29500", "localhost:0"))
    assert words[:4] == ["--nnodes", "1", "--nproc-per-node", "2"]
    config = tiny()
    *_, first = command(config)[:3]
    assert first == "engine.commands.train"
    words = [str(PROGRAMS / torchrun), *words, str(PROGRAMS / "engine-train"), *command(config)[3:], "--amp"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stderr
    assert final_state(config)["iteration"] == 12
    rows = (config.run_folder / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == 12  # of one process, not of each


def test_compiled_in_mixed_precision_on_two_processes_a_resumed_run_equals_an_undisturbed_one(tiny, tmp_path):
    lengths = {"split": None, "completion_iterations": 2, "discriminator_iterations": 1}
    options = {"processes": 2, "amp": True, "compile": True, "iterations": 6, **lengths}
    undisturbed, stopped = tiny(**options), tiny(out=tmp_path / "stopped", **options)
    assert run(undisturbed).iteration == 6
    assert run(replace(stopped, iterations=4)).iteration == 4  # the schedule's beginning is the same
    assert run(replace(stopped, resume=True)).iteration == 6
    assert states_equal(final_state(undisturbed), final_state(stopped))


def test_restarts_do_not_go_on_with_a_run_that_is_there(tiny):
    config = tiny(iterations=4, max_restarts=2)
    assert run(config).iteration == 4
    with pytest.raises(ValueError, match="holds a run already"):
        run(replace(config, iterations=12))
    assert final_state(config)["iteration"] == 4


def test_what_the_next_start_would_end_in_as_well_is_not_tried_again(tiny, caplog):
    with pytest.raises(ValueError, match="--batch is 8; it must be a multiple of"):
        run(tiny(processes=2, accumulate=3, max_restarts=5))
    with pytest.raises(FloatingPointError, match="are not finite"):
        run(tiny(learning_rate=1e30, processes=2, max_restarts=5))
    assert "restart 1" not in caplog.text
