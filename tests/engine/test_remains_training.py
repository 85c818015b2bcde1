"""The training of the network that finds remains: what it is shown, and that it learns and goes on."""

import json

import numpy as np
import pytest

from data.catalog import Catalog
from engine.inference.holes.mask import widen
from engine.remains import __main__ as command
from engine.remains.samples import SIDE, sample
from engine.weights import DEFAULT_WEIGHTS, read_tensors


@pytest.fixture(scope="module")
def photos(shipped_photos, tmp_path_factory):
    """Three of scikit-image's photographs."""
    folder = tmp_path_factory.mktemp("remains")
    for name in ("astronaut", "coffee", "chelsea"):
        (folder / f"{name}.png").symlink_to(shipped_photos / f"{name}.png")
    return folder


def test_samples_are_functions_of_their_numbers_and_remains_lie_at_their_holes(photos):
    catalog = Catalog.open(photos)
    samples = [sample(catalog, 3, number) for number in range(40)]
    assert all(np.array_equal(sample(catalog, 3, number), samples[number]) for number in (0, 7))
    for one_SS5 in samples:
        hole_SS, left_SS = one_SS5[..., 3] > 0, one_SS5[..., 4] > 0
        assert one_SS5.shape == (SIDE, SIDE, 5)
        assert hole_SS.any()
        assert not (hole_SS & left_SS).any()
        assert not left_SS.any() or (widen(hole_SS, 2) & left_SS).any()
    with_remains = sum(bool(one_SS5[..., 4].any()) for one_SS5 in samples)
    assert 8 <= with_remains <= 30, "some have none"


def test_the_command_trains_and_goes_on_from_its_weights(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "JUDGED", 2)
    config = {"photos": photos, "samples": 4, "iterations": 2, "batch": 2, "judge_every": 2}
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    command.main(command.Config(**config, out=first))
    command.main(command.Config(**config, out=second, init=first, data="noise"))
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("2/2")]
    assert len(said) == 2
    stages = json.loads(read_tensors(second)[0][command.STAGES])
    assert [stage["data"] for stage in stages] == ["", "noise"]
    assert not np.array_equal(read_tensors(first)[1]["near.weight"], read_tensors(second)[1]["near.weight"])
    with pytest.raises(ValueError, match="does not hold the weights of such a network"):
        command.main(command.Config(**config, out=second, init=DEFAULT_WEIGHTS))
