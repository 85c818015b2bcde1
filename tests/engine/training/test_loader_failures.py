"""A run whose photos cannot be read on: what it has learned is kept."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from data.loading import Loader
from engine.training.checkpoint import load_newest
from engine.training.distributed import World
from engine.training.stopping import StopRequest
from engine.training.trainer import Trainer, train
from tests.engine.training.tiny_runs import final_state, states_equal

CPU = World(torch.device("cpu"))


def test_photos_that_cannot_be_used_end_a_run_with_a_checkpoint(tiny, tmp_path, monkeypatch):
    undisturbed, config = tiny(), tiny(out=tmp_path / "stopped")
    train(undisturbed)
    report = Loader._report

    def fail(loader: Loader, passed: list) -> None:
        report(loader, passed)
        if loader.next_sample == 5 * config.batch:
            raise ValueError("100 photos in a row cannot be used")

    monkeypatch.setattr(Loader, "_report", fail)
    with pytest.raises(RuntimeError) as raised:
        train(config)
    monkeypatch.undo()
    assert str(raised.value).startswith("100 photos in a row cannot be used\niteration 5 of 12 is saved")
    assert "--resume" in str(raised.value)
    assert load_newest(config.checkpoint_folder)[1]["iteration"] == 5
    train(tiny(out=tmp_path / "stopped", resume=True))
    assert states_equal(final_state(undisturbed), final_state(config))


def children() -> set[int]:
    return set(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()))


def test_a_killed_decoding_worker_ends_a_run_with_a_checkpoint(tiny, tmp_path, monkeypatch):
    """Between two steps, not in the midst of one: the run that goes on equals an undisturbed one."""
    options = {"workers": 1, "loader": "cpu", "iterations": 60}
    undisturbed, config = tiny(**options), tiny(out=tmp_path / "stopped", **options)
    train(undisturbed)
    trainer = Trainer(config, CPU)
    run_step, before = trainer.steps.run, children()

    def kill_at_the_third(phase, batch):
        if trainer.state.iteration == 2:
            for worker in children() - before:
                os.kill(worker, signal.SIGKILL)
        return run_step(phase, batch)

    monkeypatch.setattr(trainer.steps, "run", kill_at_the_third)
    with pytest.raises(RuntimeError, match=r"worker killed.*\n.* is saved; --resume goes on from it"):
        trainer.run(StopRequest())
    assert 3 <= load_newest(config.checkpoint_folder)[1]["iteration"] < 60
    train(replace(config, resume=True))
    assert states_equal(final_state(undisturbed), final_state(config))
