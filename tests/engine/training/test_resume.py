"""What a resumed run takes over, and what it says of it."""

import itertools
import time
from dataclasses import replace

import pytest
import torch

from engine.commands.train import parse, resuming
from engine.training.distributed import World
from engine.training.launch import run
from engine.training.monitor import Monitor, drop_later_rows
from engine.training.trainer import Trainer
from engine.weights import load_weights
from tests.conftest import files_of_at_most
from tests.engine.training.tiny_runs import StopAt

CPU = World(torch.device("cpu"))

INFO = "INFO: the schedule was completion 4, discriminator 3, of 12 in all; now it is "


def test_a_moving_average_that_begins_at_a_resume_begins_as_the_network(tiny):
    """In the discriminator's phase it does not move either."""
    Trainer(tiny(), CPU).run(StopAt(5))
    resumed = Trainer(tiny(resume=True, ema=0.9), CPU)
    resumed.run(StopAt(1))
    network = resumed.state.completion.network.state_dict()
    exported = load_weights(tiny().weights_file).state_dict()
    assert all(tensor.equal(network[name]) for name, tensor in exported.items())


@pytest.mark.parametrize(("start", "shown"), [(3, [1, 2, 3, 4]), (0, [1, 2, 3, 4])])
def test_tensorboard_shows_each_iteration_of_a_resumed_run_once(tmp_path, monkeypatch, start, shown):
    """That at which it was resumed as well; and one that was killed before its first checkpoint begins anew."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    clock = itertools.count(time.time())  # events' files are told apart by the second
    for resumed_at, end in ((0, 4), (start, 4)):
        monkeypatch.setattr("time.time", lambda: next(clock))
        with Monitor(tmp_path, total=10, start=resumed_at) as monitor:
            for iteration in range(resumed_at + 1, end + 1):
                monitor.metrics(iteration, "completion", {"mse": 0.1 if resumed_at == 0 else 0.2})
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("mse")] == shown


@pytest.mark.parametrize("behind", [0, 3600])
def test_tensorboard_shows_a_run_that_is_resumed_with_the_clock_set_back(tmp_path, monkeypatch, behind):
    """Or within the same second; and twice."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for start in (0, 2, 3):
        now = 1_800_000_000.0 - (behind if start else 0)
        monkeypatch.setattr("time.time", lambda now=now: now)
        monkeypatch.setattr("os.getpid", lambda start=start: 9999 - start)  # which is part of the files' names
        with Monitor(tmp_path, total=10, start=start) as monitor:
            for iteration in range(start + 1, 5):
                monitor.metrics(iteration, "completion", {"mse": float(start)})
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("mse")] == [(1, 0), (2, 0), (3, 2), (4, 3)]
    assert all(event.wall_time <= 1_800_000_000 for event in events.Scalars("mse"))


def test_lines_that_are_no_metrics_do_not_keep_a_run_from_going_on(tmp_path, caplog):
    file = tmp_path / "metrics.jsonl"
    good = [b'{"iteration": 1}\n', b'{"iteration": 2}\n']
    bad = [b"\n", b"[1]\n", b"\xff\x00\n", b'{"mse": 1}\n', b'{"iteration": "3"}\n']
    file.write_bytes(b"".join([good[0], *bad, good[1], b'{"iteration": 3}\n', b'{"iterat']))
    drop_later_rows(file, 2)
    assert file.read_bytes() == b"".join(good)
    named = [number for number in range(1, 10) if f"{file}, line {number} is no row" in caplog.text]
    assert named == [2, 3, 4, 5, 6]


def test_options_that_are_others_than_before_are_told(tiny, caplog):
    Trainer(tiny(iterations=2), CPU).run(StopAt(9))
    assert "others than before" not in caplog.text
    Trainer(tiny(iterations=4, resume=True, alpha=0.5), CPU)
    assert "options that are others than before: --iterations 4 (was 2); --alpha 0.5 (was 0.0004)" in caplog.text


@pytest.mark.parametrize(("there", "said"), [(False, "does not exist"), (True, "holds no checkpoint")])
def test_nothing_to_resume_is_an_error_that_leaves_nothing_behind(tiny, tmp_path, there, said):
    config = tiny(out=tmp_path / "mistyped", resume=True)
    if there:
        config.run_folder.mkdir()
    with pytest.raises(ValueError, match=f"mistyped {said}; name the run's folder with --out, or leave out --resume"):
        run(config)
    assert list(tmp_path.rglob("*")) == ([config.run_folder] if there else [])


def test_resume_auto_begins_and_then_goes_on(tiny, caplog):
    caplog.set_level("INFO")
    config = tiny(resume="auto", iterations=4)
    assert run(config).iteration == 4
    assert "resuming from" not in caplog.text
    assert run(replace(config, iterations=6)).iteration == 6
    assert "resuming from" in caplog.text


@pytest.mark.parametrize("given", [[], ["--resume"], ["--resume", "auto"], ["--resume=on"], ["--no-resume"]])
def test_the_command_to_go_on_resumes_whatever_was_given(given):
    goes_on = resuming(["--preset", "lite", *given, "--out", "my run"])
    assert goes_on == "engine-train --preset lite --out 'my run' --resume"
    assert parse(goes_on.replace("'my run'", "run").split()[1:]).resume is True


def test_metrics_survive_a_full_disk(tmp_path):
    file = tmp_path / "metrics.jsonl"
    rows = "".join(f'{{"iteration": {number}}}\n' for number in range(100))
    file.write_text(rows)
    with files_of_at_most(100), pytest.raises(OSError, match=r"metrics.jsonl"):
        drop_later_rows(file, 50)
    assert file.read_text() == rows


def test_a_run_that_goes_back_in_its_schedule_says_so(tiny, caplog):
    """A split divides the iterations there are: with more of them, each phase is longer."""
    caplog.set_level("INFO")
    Trainer(tiny(), CPU).run(StopAt(100))
    for options, said in (
        ({}, ["INFO: all 12 iterations are done (12): to train on, give more with --iterations"]),
        ({"iterations": 8}, ["INFO: all 8 iterations are done (12): to"]),
        ({"iterations": 15, "split": None, "completion_iterations": 4, "discriminator_iterations": 3}, [INFO]),
        ({"iterations": 40}, [INFO, "WARNING: the run was in its joint phase, and goes back to the completion phase"]),
    ):
        caplog.clear()
        Trainer(tiny(resume=True, **options), CPU)
        said_of = ("schedule", "phase", "iterations")
        records = [r for r in caplog.records if not r.message.startswith("options that are others")]
        lines = [f"{r.levelname}: {r.message}" for r in records if any(word in r.message for word in said_of)]
        assert len(lines) == len(said)
        assert all(line.startswith(start) for line, start in zip(lines, said, strict=True))
