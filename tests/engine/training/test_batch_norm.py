"""Batch norm that trains on with the statistics that it came with."""

import pytest
import torch
from torch import nn

from engine.networks import CompletionNetwork
from engine.spec import CompletionSpec
from engine.training.batch_norm import fix_batch_norm
from engine.training.config import TrainConfig
from engine.training.trainer import train
from engine.weights import load_weights, save_weights


def statistics(network):
    return {name: value for name, value in network.state_dict().items() if "running" in name or "tracked" in name}


def test_in_training_the_network_gives_what_it_completes_with():
    torch.manual_seed(0)
    network = CompletionNetwork(CompletionSpec(base_width=4))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
    holed = torch.rand(2, 4, 32, 32)
    expected, names = network.eval()(holed), list(network.state_dict())
    assert not torch.equal(network.train()(holed), expected)
    network.eval()(holed)
    expected = network(holed)  # the statistics have moved
    fix_batch_norm(network)
    assert network.training is False
    torch.testing.assert_close(network.train()(holed), expected)
    assert list(network.state_dict()) == names


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_run_leaves_them_and_moves_the_rest(tiny, tmp_path, ema):
    torch.manual_seed(0)
    begun = CompletionNetwork(CompletionSpec(base_width=4))
    save_weights(tmp_path / "begun.safetensors", begun)
    # All three phases, and the pictures, which put the network into another mode and back.
    train(tiny(init=tmp_path / "begun.safetensors", fixed_batch_norm=True, ema=ema, picture_every=2))
    ended = load_weights(tmp_path / "run" / "weights.safetensors")
    before, after = statistics(begun), statistics(ended)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not torch.equal(begun.to_rgb.weight, ended.to_rgb.weight)


def test_there_must_be_statistics_to_keep():
    with pytest.raises(ValueError, match="--init"):
        TrainConfig(fixed_batch_norm=True)
