"""The moving average: the plain formula, torch's own bits and checkpoints, and a cost that is not of each tensor."""

import copy

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bench.counting import Moved
from engine.networks import CompletionNetwork
from engine.spec import CompletionSpec
from engine.training.moving_average import MovingAverage
from tests.engine.training.tiny_runs import states_equal


def trained(network: nn.Module) -> nn.Module:
    """Other weights and statistics."""
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor += torch.randn(tensor.shape) if tensor.is_floating_point() else 1
    return network


def network_and_averages(decay: float) -> tuple[nn.Module, MovingAverage, AveragedModel]:
    torch.manual_seed(0)
    network = CompletionNetwork(CompletionSpec(base_width=4)).to(memory_format=torch.channels_last)
    theirs = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay))
    return network, MovingAverage(network, decay), theirs


def test_it_is_the_plain_formula_and_torchs_average_bit_for_bit():
    network, ours, theirs = network_and_averages(0.9)
    expected = None
    for _ in range(4):
        trained(network)
        ours.follow(network)
        theirs.update_parameters(network)
        now = [parameter.detach().clone() for parameter in network.parameters()]
        expected = now if expected is None else [0.9 * a + 0.1 * b for a, b in zip(expected, now, strict=True)]
        torch.testing.assert_close([parameter.detach() for parameter in ours.module.parameters()], expected)
        assert states_equal(dict(ours.state_dict()), dict(theirs.state_dict()))
        assert all(map(torch.equal, ours.module.buffers(), network.buffers()))


def test_it_goes_on_from_a_checkpoint_that_torchs_average_is_in():
    network, ours, theirs = network_and_averages(0.9)
    theirs.update_parameters(trained(network))
    ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
    trained(network)
    theirs.update_parameters(network)
    ours.follow(network)
    assert states_equal(dict(ours.state_dict()), dict(theirs.state_dict()))


def test_a_step_is_a_few_operators_whatever_the_network():
    network, ours, _ = network_and_averages(0.9)
    ours.follow(network)
    with Moved() as moved:
        ours.follow(network)
    assert moved.operators <= 4  # the weights, the buffers, the count, and asking it
