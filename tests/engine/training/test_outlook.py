"""What a run says that it will take."""

import re

import pytest
import torch

from engine.training.checkpoint import checkpoints
from engine.training.config import TrainConfig
from engine.training.distributed import World
from engine.training.outlook import checkpoint_bytes, in_words, outlook, seconds_left
from engine.training.trainer import Trainer, train
from tests.engine.training.tiny_runs import StopAt

CPU = World(torch.device("cpu"))


def test_a_run_says_once_what_it_takes(tiny, capsys):
    config = tiny()
    train(config)
    said = re.findall(
        r"^24 photos, 7 iterations to go: about \d+ seconds \(.* s each in this phase\); "
        r"memory: [\d.]+ GB taken so far, [\d.]+ GB free; checkpoints: 0.0\d GB at most, [\d.]+ GB free$",
        capsys.readouterr().out,
        re.MULTILINE,
    )
    assert len(said) == 1
    Trainer(tiny(resume=True, iterations=30), CPU).run(StopAt(5))
    assert "photos, 13 iterations to go" in capsys.readouterr().out


def test_a_time_limit_is_reckoned_with(tiny):
    config = tiny(iterations=1000, time_limit=0.5)
    state = Trainer(config, CPU).state
    assert "; --time-limit 0.5 ends it after some 15); memory: " in outlook(config, state, 24, 2.0, CPU.device)
    assert "--time-limit" not in outlook(tiny(iterations=10, time_limit=0.5), state, 24, 2.0, CPU.device)


@pytest.mark.parametrize("optimizer", ["adam", "adadelta"])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_the_size_of_a_checkpoint_is_foreseen(tiny, optimizer, ema):
    sizes = {"base_width": 16, "discriminator_width": 16, "discriminator_features": 64}
    config = tiny(optimizer=optimizer, learning_rate=None, ema=ema, iterations=3, **sizes)
    foreseen = checkpoint_bytes(Trainer(config, CPU).state)
    train(config)
    assert checkpoints(config.checkpoint_folder)[0].stat().st_size == pytest.approx(foreseen, rel=0.05)


def test_the_other_phases_take_their_own_time():
    config = TrainConfig(iterations=1000, split=(20, 10, 70))
    assert seconds_left(config, 100, 2.0) == pytest.approx(2 * (100 + 0.6 * 100 + 1.4 * 700))
    assert seconds_left(config, 600, 2.0) == pytest.approx(2 * 400)
    assert seconds_left(config, 1000, 2.0) == 0


def test_times_are_told_in_their_largest_unit():
    times = (30, 90, 5400, 200_000)
    assert list(map(in_words, times)) == ["30 seconds", "1.5 minutes", "1.5 hours", "2.3 days"]
