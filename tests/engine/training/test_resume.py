"""What a resumed run takes over, and what it says of it."""

import itertools
import time

import pytest
import torch

from engine.training.distributed import World
from engine.training.monitor import Monitor
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
