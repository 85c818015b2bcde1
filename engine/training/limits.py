"""The limits of a run's options, with what to say where one is not kept."""

import math
from typing import TYPE_CHECKING

from engine.quality import LARGEST_STRIDE
from engine.spec import STRIDE

if TYPE_CHECKING:
    from engine.training.config import TrainConfig

AT_LEAST = {
    "crop_size": 16,
    "workers": 0,
    "iterations": 1,
    "completion_iterations": 0,
    "discriminator_iterations": 0,
    "batch": 2,
    "log_every": 1,
    "validate_every": 1,
    "picture_every": 1,
    "checkpoint_every": 1,
    "keep": 1,
    "processes": 1,
    "accumulate": 1,
    "max_restarts": 0,
    "mean_pixel_photos": 1,
    "discriminator_width": 1,
    "discriminator_features": 1,
}
"""Least values of options that are counts."""


def check_limits(config: "TrainConfig") -> None:
    """ValueError for the first option that is outside its limits, or does not go with another."""
    for name, least in AT_LEAST.items():
        if getattr(config, name) < least:
            raise ValueError(f"--{name.replace('_', '-')} is {getattr(config, name)}; it must be at least {least}")
    if config.gpus is not None and config.gpus < 1:
        raise ValueError(f"--gpus is {config.gpus}; it must be at least 1 (for the CPU: --device cpu)")
    if config.gpus is not None and config.device == "cpu":
        raise ValueError(f"--gpus is {config.gpus} and --device cpu; for several processes on the CPU: --processes")
    if config.gpus is not None and config.processes not in (1, config.gpus):
        raise ValueError(f"--gpus is {config.gpus} and --processes {config.processes}; each GPU has one: give the GPUs")
    if config.crop_size % STRIDE:
        raise ValueError(f"--crop-size is {config.crop_size}; it must be a multiple of {STRIDE}")
    if config.shorter_edge[0] < config.crop_size or config.shorter_edge[1] < config.shorter_edge[0]:
        raise ValueError(
            f"--shorter-edge is {config.shorter_edge}; it must rise, from at least the crop's {config.crop_size}"
        )
    if not 0 <= config.ema < 1:
        raise ValueError(f"--ema is {config.ema}; it must be at least 0 and below 1")
    if not 8 <= config.patch_size <= config.crop_size:
        raise ValueError(f"--patch-size is {config.patch_size}; it must be within 8 and the crop's {config.crop_size}")
    for name in ("learning_rate", "discriminator_learning_rate", "perceptual_weight", "time_limit"):
        value = getattr(config, name)
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"--{name.replace('_', '-')} is {value}; it must be above 0")
    if config.split is not None and (sum(config.split) != 100 or min(config.split) < 0):
        raise ValueError(f"--split is {config.split}; its three parts must be at least 0 and add up to 100")
    if not 0 <= config.discriminator_leak < 1:
        raise ValueError(f"--discriminator-leak is {config.discriminator_leak}; it must be at least 0 and below 1")
    if not 0 <= config.seed < 2**63:
        raise ValueError(f"--seed is {config.seed}; it must be at least 0 and below 2^63")
    if config.fixed_batch_norm and not config.init:
        raise ValueError("--fixed-batch-norm keeps the statistics of weights to begin from: give them with --init")
    if config.patience is not None and config.patience < 1:
        raise ValueError(f"--patience is {config.patience}; it must be at least 1")
    if config.patience and not config.validate:
        raise ValueError("--patience counts the judgements of --validate: name a folder of other photos with it")
    if config.validate and config.crop_size < LARGEST_STRIDE:
        raise ValueError(f"--crop-size is {config.crop_size}; the features of --validate see {LARGEST_STRIDE} at least")
    check_losses(config)
    _ = config.holes, config.schedule  # they check their own values


def check_losses(config: "TrainConfig") -> None:
    """The same for the options of the losses."""
    for name in ("alpha", "pattern_weight"):
        if not 0 <= getattr(config, name) < math.inf:
            raise ValueError(f"--{name.replace('_', '-')} is {getattr(config, name)}; it must be at least 0")
    if not 0.25 <= config.perceptual_scale[0] <= config.perceptual_scale[1] <= 4:
        raise ValueError(f"--perceptual-scale is {config.perceptual_scale}; it must rise, within 0.25 and 4")
    if config.perceptual == "efficientnet-lite0" and config.patch_size < LARGEST_STRIDE:
        raise ValueError(f"--patch-size is {config.patch_size}; {config.perceptual} sees {LARGEST_STRIDE} at least")
    if bool(config.perceptual_weights) != (config.perceptual == "vgg16"):
        raise ValueError(
            f"--perceptual is {config.perceptual} and --perceptual-weights {config.perceptual_weights}; a file of "
            "weights is for vgg16, which needs one"
        )
