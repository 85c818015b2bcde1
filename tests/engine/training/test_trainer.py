"""Whole runs: the same seed, resume after any stop, what is left on disk, what is refused."""

import json
import multiprocessing
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from engine.metrics import border_jump
from engine.training.batches import training_batches
from engine.training.checkpoint import checkpoints, load_newest
from engine.training.config import TrainConfig
from engine.training.distributed import World
from engine.training.launch import run
from engine.training.phases import Phase
from engine.training.pictures import picture
from engine.training.stopping import StopRequest
from engine.training.trainer import Trainer, train
from engine.weights import load_weights
from tests.conftest import files_of_at_most
from tests.engine.training.tiny_runs import StopAt, command, final_state, states_equal, wait_for


def test_a_run_leaves_all_that_it_should(tiny, tmp_path):
    config = tiny(picture_every=6, checkpoint_every=4, keep=2, ema=0.9)
    outcome = train(config)
    assert (outcome.iteration, outcome.total) == (12, 12)
    folder = config.run_folder
    assert [path.name for path in checkpoints(folder / "checkpoints")] == ["00000012.pt", "00000008.pt"]
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == list(range(1, 13))
    assert [row["phase"] for row in rows] == ["completion"] * 4 + ["discriminator"] * 3 + ["joint"] * 5
    assert {"mse", "adversarial", "discriminator", "images/s", "waiting"} <= rows[-1].keys()
    assert any((folder / "tensorboard").iterdir())
    assert json.loads((folder / "options.json").read_text())["checkpoint_every"] == 4
    network = load_weights(outcome.weights)
    assert network.spec.crop_size == 32
    assert network.spec.provenance["iterations"] == 12
    assert network.spec.mean_pixel != (0.5, 0.5, 0.5)
    rows, columns, _ = cv2.imread(str(folder / "pictures" / "00000012.png")).shape
    assert (rows % 32, columns) == (0, 3 * 32)


def test_pictures_show_completions_as_they_are_judged(tiny, tmp_path):
    world = World(torch.device("cpu"))
    jumps = {}
    for blended in (False, True):
        trainer = Trainer(tiny(out=tmp_path / str(blended), blended_loss=blended), world)
        with trainer.open_loader() as loader, training_batches(loader, trainer.config.holes, 0, world) as batches:
            batch = next(batches)
        rows = picture(trainer.state, trainer.steps, batch, Phase.COMPLETION)
        shown = len(rows) // 32
        original, _, completed = np.split(rows.reshape(shown, 32, 96, 3), 3, axis=2)
        hole = batch.mask_N1SS[:shown, 0].numpy().astype(bool)
        np.testing.assert_array_equal(completed[~hole], original[~hole])
        jumps[blended] = np.mean([border_jump(*pair) for pair in zip(completed, hole, strict=True)])
    assert jumps[True] < 0.5 * jumps[False]  # an untrained network's output shows its borders


def test_the_loss_falls_on_photographs(tiny):
    config = tiny(iterations=150, split=None, completion_iterations=150, discriminator_iterations=0, ema=0.0)
    train(config)
    rows = [json.loads(line)["mse"] for line in (config.run_folder / "metrics.jsonl").read_text().splitlines()]
    assert sum(rows[-20:]) < 0.7 * sum(rows[:20])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "adadelta", "learning_rate": None, "hole_kind": "mixed", "flip": True},
        {"amp": True, "ema": 0.9, "accumulate": 2, "workers": 1},
        {"fill": "smooth", "output": "residual"},
        {"fill": "learned", "ema": 0.9},
    ],
)
def test_stopped_and_resumed_runs_equal_undisturbed_ones_bit_for_bit(tiny, tmp_path, options):
    undisturbed = tiny(**options)
    train(undisturbed)
    stopped = tiny(out=tmp_path / "stopped", **options)
    world = World(torch.device("cpu"))
    for stops, resume in ((3, False), (3, True), (100, True)):  # in phase 1, in phase 2, to the end
        config = tiny(out=tmp_path / "stopped", resume=resume, **options)
        Trainer(config, world).run(StopAt(stops))
    assert states_equal(final_state(undisturbed), final_state(stopped))
    weights = [load_weights(c.weights_file).state_dict() for c in (undisturbed, stopped)]
    assert states_equal(*map(dict, weights))
    assert len((stopped.run_folder / "metrics.jsonl").read_text().splitlines()) == 12


def test_a_run_goes_on_with_the_learning_rate_that_is_given_then(tiny):
    world = World(torch.device("cpu"))
    Trainer(tiny(), world).run(StopAt(3))
    resumed = Trainer(tiny(resume=True, learning_rate=2e-5, discriminator_learning_rate=3e-5), world)
    learners = (resumed.state.completion, resumed.state.discriminator)
    assert [learner.optimizer.param_groups[0]["lr"] for learner in learners] == [2e-5, 3e-5]
    assert resumed.state.completion.optimizer.state_dict()["state"][0]["step"] == 3
    before = {name: tensor.clone() for name, tensor in resumed.state.completion.network.named_parameters()}
    resumed.run(StopAt(1))
    moved = [(after - before[name]).abs().max() for name, after in resumed.state.completion.network.named_parameters()]
    assert 0 < max(moved) < 1e-4  # Adam's steps are about as long as its rate, which was 1e-3


def test_the_same_seed_gives_the_same_run_and_another_does_not(tiny, tmp_path):
    first, again, other = tiny(), tiny(out=tmp_path / "again"), tiny(out=tmp_path / "other", seed=1)
    for config in (first, again, other):
        train(config)
    assert states_equal(final_state(first), final_state(again))
    assert not states_equal(final_state(first), final_state(other))


def test_sigterm_ends_well_and_says_how_to_go_on(tiny):
    config = tiny(iterations=100_000)
    process = subprocess.Popen(command(config), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(config.run_folder / "metrics.jsonl", process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    assert "engine-train" in out
    assert "--resume" in out
    saved = load_newest(config.checkpoint_folder)
    assert saved is not None
    assert 0 < saved[1]["iteration"] < 100_000
    assert load_weights(config.weights_file)


def train_on_one_thread(config: TrainConfig) -> None:
    """As this process does: sums over threads round differently."""
    torch.set_num_threads(1)
    train(config)


def test_killed_twenty_times_a_run_ends_with_the_same_weights(tiny, tmp_path):
    """SIGKILL at any moment: while it starts, in every phase, while it writes a checkpoint."""
    options = {"iterations": 60, "checkpoint_every": 1, "log_every": 60}
    undisturbed, killed = tiny(**options), tiny(out=tmp_path / "killed", **options, resume="auto")
    train(undisturbed)
    folder = killed.checkpoint_folder
    random = np.random.default_rng(0)
    for kill in range(21):
        process = multiprocessing.get_context("forkserver").Process(target=train_on_one_thread, args=(killed,))
        process.start()
        if kill < 20:
            before = checkpoints(folder)[:1]
            while checkpoints(folder)[:1] == before:  # so that each life gets somewhere
                assert process.is_alive()
                time.sleep(0.001)
            time.sleep(random.uniform(0, 0.05))  # a few iterations, each with its checkpoint
            process.kill()
        process.join(100)
        assert process.exitcode == (-signal.SIGKILL if kill < 20 else 0)
    assert states_equal(final_state(undisturbed), final_state(killed))
    assert not list(folder.glob(".*.tmp"))  # what the killed runs were writing


def test_a_run_can_begin_from_other_weights(tiny, tmp_path):
    """Their network, fill and mean pixel, with this run's crops; resumed as any other run."""
    options = {"output": "residual", "fill": "smooth", "base_width": 6, "iterations": 4}
    train(tiny(**options))
    weights = tmp_path / "run" / "weights.safetensors"
    changes = {"init": weights, "iterations": 6, "checkpoint_every": 3, "hole_size": (8, 10)}
    begun, stopped = (tiny(out=tmp_path / name, **changes) for name in ("begun", "stopped"))
    trainer = Trainer(begun, World(torch.device("cpu")))
    first = load_weights(weights)
    assert states_equal(dict(trainer.state.completion.network.state_dict()), dict(first.state_dict()))
    trainer.run(StopRequest())
    trained = load_weights(begun.weights_file)
    assert replace(trained.spec, hole_size=first.spec.hole_size, provenance=first.spec.provenance) == first.spec
    assert trained.spec.hole_size == (8, 10)
    assert trained.spec.provenance["began_as"] == first.spec.provenance
    assert not states_equal(dict(trained.state_dict()), dict(first.state_dict()))
    Trainer(stopped, World(torch.device("cpu"))).run(StopAt(3))
    train(replace(stopped, resume=True, init=None))  # the checkpoint knows what it began from
    assert load_weights(stopped.weights_file).spec == trained.spec
    assert states_equal(final_state(begun), final_state(stopped))


def test_weights_to_begin_from_that_are_not_there_are_refused(tiny):
    with pytest.raises(ValueError, match="no weights file at nowhere"):
        train(tiny(init=Path("nowhere")))


def test_a_run_that_passed_over_a_damaged_checkpoint_leaves_a_good_one(tiny):
    """Even where only one is kept, and where it ends at the damaged one's iteration."""
    config = tiny(checkpoint_every=4, keep=2)
    train(config)
    folder = config.checkpoint_folder
    newest = checkpoints(folder)[0]
    newest.write_bytes(newest.read_bytes()[:1000])
    train(replace(config, resume=True, keep=1))
    path, state = load_newest(folder)
    assert (path, state["iteration"]) == (newest, config.iterations)


def test_a_run_without_a_checkpoint_that_can_be_read_is_not_begun_anew(tiny):
    config = tiny()
    train(config)
    weights = config.weights_file.read_bytes()
    for path in checkpoints(config.checkpoint_folder):
        path.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"no checkpoint in .* can be read; start anew with another --out"):
            train(replace(config, resume=True))
    assert config.weights_file.read_bytes() == weights


def test_weights_that_are_gone_are_written_again(tiny):
    config = tiny()
    train(config)
    weights = config.weights_file
    content = weights.read_bytes()
    weights.unlink()
    train(replace(config, resume=True))
    assert weights.read_bytes() == content


def test_a_full_disk_is_reported_and_leaves_the_last_good_checkpoint(tiny, tmp_path):
    undisturbed, config = tiny(), tiny(out=tmp_path / "full", resume="auto")
    train(undisturbed)
    Trainer(config, World(torch.device("cpu"))).run(StopAt(4))
    folder = config.checkpoint_folder
    weights = config.weights_file.read_bytes()
    for size, said in (
        (100_000, "weights.safetensors"),
        (len(weights) + 1000, r"cannot write the checkpoint .*00000012.pt.* MB are free"),
    ):
        with files_of_at_most(size), pytest.raises(OSError, match=said):
            train(config)
    assert [path.name for path in folder.iterdir()] == ["00000004.pt"]
    train(config)
    assert states_equal(final_state(undisturbed), final_state(config))


def test_a_run_folder_that_cannot_be_written_is_reported_before_anything_else(tiny, tmp_path):
    (tmp_path / "file").touch()
    config = tiny(out=tmp_path / "file" / "run")
    with pytest.raises(ValueError, match=r"cannot write into the run folder.*--out"):
        Trainer(config, World(torch.device("cpu")))
    with files_of_at_most(10), pytest.raises(ValueError, match=r"cannot write into the run folder.*options.json"):
        Trainer(tiny(), World(torch.device("cpu")))


@pytest.mark.parametrize("amp", [False, True])
def test_a_batch_that_is_not_finite_ends_the_run_with_a_diagnosis(tiny, monkeypatch, amp):
    config = tiny(log_every=4, checkpoint_every=3, amp=amp)
    trainer = Trainer(config, World(torch.device("cpu")))
    fill = trainer.steps.fill

    def poisoned(batch):
        return fill(batch) * (torch.nan if batch.ids[0] == 32 else 1)

    monkeypatch.setattr(trainer.steps, "fill", poisoned)
    with pytest.raises(FloatingPointError, match="iteration 4 are not finite"):
        trainer.run(StopRequest())
    report = json.loads((config.run_folder / "diverged-0.json").read_text())
    assert report["iteration"] == 4
    assert report["samples"] == list(range(32, 40))
    assert load_newest(config.checkpoint_folder)[1]["iteration"] == 3
    assert all(torch.isfinite(w).all() for w in load_weights(config.weights_file).parameters())


def test_what_cannot_run_is_refused(tiny, photos, tmp_path):
    def refused(said: str, **options: object) -> None:
        with pytest.raises(ValueError, match=said):
            run(tiny(**options))

    refused("missing", photos=tmp_path / "missing")
    refused("multiple", batch=7, accumulate=2)
    refused("--gpus is 64, and torch sees", gpus=64, device="auto")
    if not torch.cuda.is_available():
        refused("no CUDA GPU", device="cuda")
    config = tiny()
    train(config)
    refused("--resume")
    refused("--seed 0", resume=True, seed=5)
    refused("--optimizer adam, not adadelta", resume=True, optimizer="adadelta")
    refused("--base-width 4, not 8", resume=True, base_width=8)
    refused("--output sigmoid, not clip", resume=True, output="clip")
    refused("--fill mean, not smooth", resume=True, fill="smooth")
    before = (config.run_folder / "options.json").read_text()
    refused("--discriminator-width 4, not 5", resume=True, discriminator_width=5)
    assert (config.run_folder / "options.json").read_text() == before


def test_the_command_says_what_is_wrong_without_a_traceback(tmp_path):
    words = [sys.executable, "-m", "engine.commands.train", "--photos", str(tmp_path / "none"), "--out", str(tmp_path)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("engine-train: ")
    assert "Traceback" not in ended.stderr
