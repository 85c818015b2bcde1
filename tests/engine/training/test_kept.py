"""Files that earlier versions wrote, kept as they wrote them, are read as they were meant."""

import logging
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from engine import weights
from engine.training.checkpoint import load_checkpoint, load_newest, save_checkpoint
from engine.training.distributed import World
from engine.training.migration import FORMAT, migrate
from engine.training.stopping import StopRequest
from engine.training.trainer import Trainer
from engine.weights import load_weights

KEPT = Path(__file__).parents[1] / "kept"
CHECKPOINTS = sorted(KEPT.glob("checkpoint-*.pt"))
SAME = {"base_width": 2, "discriminator_width": 2, "discriminator_features": 4, "batch": 4, "ema": 0.9}
"""As the kept runs; iterations is what they had done."""


@pytest.fixture
def resumed(tiny, tmp_path):
    """Options that go on from a kept checkpoint."""

    def make(checkpoint: Path, **changes):
        folder = tmp_path / "run" / "checkpoints"
        folder.mkdir(parents=True)
        shutil.copy(checkpoint, folder / "00000003.pt")
        return tiny(resume=True, **SAME, **({"iterations": 5} | changes))

    return make


def test_there_is_a_file_of_this_version():
    assert CHECKPOINTS[-1].name == f"checkpoint-format-{FORMAT}.pt", "keep one of the new format"
    assert (KEPT / f"weights-format-{weights.FORMAT}.safetensors").exists(), "keep one of the new format"


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda path: path.stem)
def test_a_run_goes_on_from_a_checkpoint_of_each_format(resumed, checkpoint):
    config = resumed(checkpoint)
    trainer = Trainer(config, World(torch.device("cpu")))
    assert trainer.state.iteration == 3
    saved = load_checkpoint(checkpoint)["completion"]
    before = {name: value.clone() for name, value in trainer.state.completion.state_dict()["network"].items()}
    assert all(torch.equal(value, before[name]) for name, value in saved["network"].items())
    assert trainer.run(StopRequest()).iteration == 5
    assert load_newest(config.checkpoint_folder)[1]["format"] == FORMAT


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda path: path.stem)
def test_options_are_compared_whatever_the_format(resumed, checkpoint):
    with pytest.raises(ValueError, match=r"was trained with --crop-size 32, not 64; resume with that"):
        Trainer(resumed(checkpoint, crop_size=64, shorter_edge=(64, 64)), World(torch.device("cpu")))


def test_a_format_2_says_what_it_said():
    config = migrate(load_checkpoint(KEPT / "checkpoint-format-2.pt"), Path("old.pt"))["config"]
    assert (config["split"], config["ema"], config["resume"], config["init"]) == ([34, 33, 33], 0.9, False, None)
    assert (config["photos"], config["norm_order"]) == ("photos", "norm_act")


def test_an_option_that_came_later_has_its_default_and_one_that_is_gone_is_told(caplog):
    state = load_checkpoint(KEPT / "checkpoint-format-2.pt")
    del state["config"]["discriminator_leak"]
    state["config"]["steepness"] = "3"
    with caplog.at_level(logging.INFO):
        config = migrate(state, Path("old.pt"))["config"]
    assert config["discriminator_leak"] == 0.0
    assert "steepness" not in config
    assert "old.pt was trained with options that there are no longer: steepness" in caplog.text


@pytest.mark.parametrize("number", [1, FORMAT + 1])
def test_a_checkpoint_of_a_format_that_is_not_read_is_refused(resumed, tmp_path, number):
    config = resumed(CHECKPOINTS[-1])
    save_checkpoint(config.checkpoint_folder, 4, load_checkpoint(CHECKPOINTS[-1]) | {"format": number}, keep=2)
    with pytest.raises(ValueError, match=f"has checkpoint format {number}; this version reads 2 to {FORMAT}"):
        Trainer(config, World(torch.device("cpu")))


@pytest.mark.parametrize("file", sorted(KEPT.glob("weights-*.safetensors")), ids=lambda path: path.stem)
def test_weights_of_each_format(file):
    network = load_weights(file)
    assert (network.spec.base_width, network.spec.provenance["iterations"]) == (2, 3)


def test_weights_of_a_later_format_are_refused(tmp_path):
    path = tmp_path / "later.safetensors"
    path.write_bytes(save({}, metadata={weights.SPEC_KEY: '{"format": 9}'}))
    with pytest.raises(ValueError, match="weights format 9, and this version reads 1: upgrade"):
        load_weights(path)
