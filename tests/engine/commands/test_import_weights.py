"""engine-import as people call it: what it writes and says, and what it refuses."""

import json

import pytest
import torch

from engine.commands import import_weights
from engine.weights import load_weights
from tests.engine.foreign_networks import MEAN, GlcicPyTorch, agrees, randomised


@pytest.fixture
def run(run_main, capsys):
    """engine-import with these arguments: all that it printed, and the error that ended it."""

    def call(*arguments):
        error = ""
        try:
            run_main(import_weights.main, *arguments)
        except SystemExit as stopped:
            error = str(stopped.code)
        printed = capsys.readouterr()
        return " ".join((printed.out + printed.err + error).split())

    return call


def test_weights_are_written_with_the_config_or_the_mean_given_for_them(tmp_path, run):
    foreign = randomised(GlcicPyTorch())
    torch.save(foreign.state_dict(), tmp_path / "model_cn")
    out = tmp_path / "new" / "ours.safetensors"
    config = {"mpv": MEAN, "cn_input_size": 128, "hole_min_w": 24, "hole_max_w": 40, "hole_min_h": 30, "hole_max_h": 48}
    (tmp_path / "config.json").write_text(json.dumps(config))
    told = run(tmp_path / "model_cn", "--out", out, "--config", tmp_path / "config.json")
    assert str(out) in told
    assert "published under MIT" in told
    agrees(foreign, load_weights(out))
    assert load_weights(out).spec.hole_size == (24, 48)
    assert load_weights(out).spec.crop_size == 128
    assert "--overwrite" in run(tmp_path / "model_cn", "--out", out, "--mean", "0.1,0.2,0.3")
    run(tmp_path / "model_cn", "--out", out, "--mean", "0.1,0.2,0.3", "--overwrite")
    assert load_weights(out).spec.mean_pixel == (0.1, 0.2, 0.3)


def test_options_that_are_missing_or_wrong_are_named(tmp_path, run):
    torch.save(randomised(GlcicPyTorch()).state_dict(), tmp_path / "model_cn")
    arguments = (tmp_path / "model_cn", "--out", tmp_path / "ours.safetensors")
    assert "--config" in run(*arguments)
    assert "R,G,B" in run(*arguments, "--mean", "0.5")
    assert "between 0 and 1" in run(*arguments, "--mean", "120,110,100")
    assert "one of them" in run(*arguments, "--mean", "0,0,0", "--config", tmp_path / "none.json")
    assert "none.json" in run(*arguments, "--config", tmp_path / "none.json")
    (tmp_path / "config.json").write_text('{"mpv": [1, 2]}')
    assert "mpv" in run(*arguments, "--config", tmp_path / "config.json")
    assert not (tmp_path / "ours.safetensors").exists()
