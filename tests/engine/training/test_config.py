"""Options: the paper's numbers, presets, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.commands.train import parse
from engine.spec import STRIDE
from engine.training.config import TrainConfig
from engine.training.learner import note_on_precision, precision
from engine.training.phases import Phase, Schedule
from engine.training.presets import CELEBA, PLACES2, PRESETS


def test_the_default_is_the_paper():
    config = TrainConfig()
    assert (config.crop_size, config.shorter_edge, config.patch_size, config.hole_size) == (
        256,
        (256, 384),
        128,
        (96, 128),
    )
    assert (config.batch, config.optimizer, config.alpha, config.base_width) == (96, "adadelta", 4e-4, 64)
    assert config.schedule == Schedule(completion=90_000, discriminator=10_000, total=500_000)
    assert config == PLACES2
    assert (CELEBA.crop_size, CELEBA.patch_size, CELEBA.hole_size) == (160, 96, (48, 96))


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_has_three_phases_and_holes_that_fit(name):
    config = PRESETS[name]
    assert config.preset == name
    assert config.schedule.completion > 0
    assert config.schedule.discriminator > 0
    assert config.schedule.total > config.schedule.completion + config.schedule.discriminator
    assert config.hole_size[1] <= config.patch_size <= config.crop_size
    assert config.crop_size % STRIDE == 0


def test_the_phase_is_a_function_of_the_iteration():
    schedule = Schedule(completion=2, discriminator=1, total=5)
    assert [schedule.phase(t) for t in range(5)] == [Phase.COMPLETION] * 2 + [Phase.DISCRIMINATOR] + [Phase.JOINT] * 2


def test_a_split_divides_the_iterations():
    assert replace(PLACES2, iterations=1000, split=(18, 2, 80)).schedule == Schedule(180, 20, 1000)


def test_the_command_line_overrides_the_preset_it_names():
    config = parse(["--preset", "lite", "--batch", "4", "--photos", "here", "--split", "50", "10", "40"])
    assert config == replace(PRESETS["lite"], batch=4, photos=Path("here"), split=(50, 10, 40))
    assert parse(["--gpus", "4", "--amp"]) == replace(PLACES2, gpus=4, amp=True)


@pytest.mark.parametrize(
    ("words", "amp"),
    [
        ("", False),
        ("--amp", True),
        ("--amp auto", "auto"),
        ("--amp=auto", "auto"),
        ("--amp off", False),
        ("--no-amp", False),
    ],
)
def test_mixed_precision_is_on_or_off_or_decided_by_the_machine(words, amp):
    assert parse([*words.split(), "--compile"]) == replace(PLACES2, amp=amp, compile=True)


@pytest.mark.parametrize("has_bf16", [True, False])
@pytest.mark.parametrize(
    ("amp", "computes_in", "said"),
    [
        (False, (None, None), (None, None)),
        (True, (torch.bfloat16, torch.bfloat16), (None, "--amp makes it slower: this CPU has no instructions for")),
        ("auto", (torch.bfloat16, None), ("--amp auto: bfloat16 on this cpu", "--amp auto: fp32 on this cpu")),
    ],
)
def test_mixed_precision_on_a_cpu(monkeypatch, has_bf16, amp, computes_in, said):
    """One without instructions for bfloat16 is slower with it."""
    monkeypatch.setattr("engine.training.learner.cpu_has_bf16", lambda: has_bf16)
    config, cpu, case = replace(PLACES2, amp=amp), torch.device("cpu"), int(not has_bf16)
    assert precision(config, cpu) == computes_in[case]
    note = note_on_precision(config, cpu)
    assert note == said[case] or (note or "").startswith(said[case] or "nothing")


def test_a_preset_s_learning_rates_are_for_its_own_optimizer():
    def rates(*words: str) -> tuple[float | None, float | None]:
        config = parse(["--preset", "lite", *words])
        return config.learning_rate, config.discriminator_learning_rate

    assert rates("--optimizer", "adam") == rates() == (1e-3, 4e-4)
    assert rates("--optimizer", "adadelta") == rates("--optimizer=adadelta") == (None, None)
    assert rates("--optimizer", "adadelta", "--learning-rate", "0.5") == (0.5, None)


def test_photos_come_from_the_environment_where_none_are_named(monkeypatch):
    monkeypatch.delenv("ENGINE_PHOTOS", raising=False)
    assert TrainConfig().photos_folder == Path("places2")
    monkeypatch.setenv("ENGINE_PHOTOS", "")  # as in ENGINE_PHOTOS=$UNSET, which is no wish for the current folder
    assert TrainConfig().photos_folder == Path("places2")
    monkeypatch.setenv("ENGINE_PHOTOS", "/photos")
    assert TrainConfig().photos_folder == Path("/photos")
    assert TrainConfig(photos=Path("mine")).photos_folder == Path("mine")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"crop_size": 130}, "crop-size is 130"),
        ({"shorter_edge": (200, 300)}, "shorter-edge"),
        ({"patch_size": 512}, "patch-size is 512"),
        ({"hole_size": (96, 200)}, "200"),
        ({"batch": 1}, "batch is 1"),
        ({"split": (10, 10, 10)}, "add up to 100"),
        ({"iterations": 100}, "iterations"),
        ({"ema": 1.0}, "ema is 1.0"),
        ({"accumulate": 0}, "accumulate is 0"),
        ({"perceptual_weight": 0.0}, "perceptual-weight is 0"),
        ({"learning_rate": 0.0}, "--learning-rate is 0"),
        ({"discriminator_learning_rate": -1.0}, "--discriminator-learning-rate is -1"),
        ({"time_limit": float("nan")}, "--time-limit is nan"),
        ({"alpha": -0.1}, "--alpha is -0.1"),
        ({"split": (-10, 10, 100)}, "at least 0 and add up to 100"),
        ({"discriminator_leak": float("nan")}, "--discriminator-leak is nan"),
        ({"seed": 10**20}, "--seed is 100000000000000000000"),
        ({"discriminator_width": 0}, "--discriminator-width is 0"),
        ({"gpus": 0}, "--gpus is 0"),
        ({"gpus": -1}, "--gpus is -1"),
        ({"gpus": 2, "device": "cpu"}, "--gpus is 2 and --device cpu; .*: --processes"),
        ({"gpus": 1, "processes": 4}, "--gpus is 1 and --processes 4"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name_and_value(wrong, said):
    with pytest.raises(ValueError, match=said):
        TrainConfig(**wrong)


def test_gpus_and_processes_may_agree():
    assert TrainConfig(gpus=2, processes=2).gpus == 2
