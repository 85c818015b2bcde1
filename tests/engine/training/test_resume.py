"""What a resumed run takes over, and what it says of it."""

import torch

from engine.training.distributed import World
from engine.training.trainer import Trainer
from engine.weights import load_weights
from tests.engine.training.test_trainer import StopAt

CPU = World(torch.device("cpu"))


def test_a_moving_average_that_begins_at_a_resume_begins_as_the_network(tiny):
    """In the discriminator's phase it does not move either."""
    Trainer(tiny(), CPU).run(StopAt(5))
    resumed = Trainer(tiny(resume=True, ema=0.9), CPU)
    resumed.run(StopAt(1))
    network = resumed.state.completion.network.state_dict()
    exported = load_weights(tiny().weights_file).state_dict()
    assert all(tensor.equal(network[name]) for name, tensor in exported.items())
