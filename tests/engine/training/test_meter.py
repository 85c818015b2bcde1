"""What is measured between two reports."""

import pytest
import torch

from engine.training.distributed import World
from engine.training.meter import Meter


def test_means_of_all_losses_over_all_processes_are_one_message(monkeypatch):
    meter, messages = Meter(8), []
    meter.add(0, [0], {"mse": torch.tensor(1.0)})
    meter.add(1, [1], {"mse": torch.tensor(2.0), "adversarial": torch.tensor(5.0)})
    monkeypatch.setattr(World, "mean", lambda world, value: messages.append(value) or value + 1)
    means = meter.take(World(torch.device("cpu")))
    assert len(messages) == 1
    assert means["mse"] == pytest.approx(2.5)
    assert means["adversarial"] == pytest.approx(6.0)
    assert meter.iterations == []
