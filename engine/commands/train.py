"""engine-train: train the three phases on a folder of photographs.

    engine-train --photos DIR                 the paper's network and schedule
    engine-train --preset lite --photos DIR   a small network, hours on a CPU
    engine-train --preset lite --resume       continue where it stopped
    engine-train --plot runs/lite             draw its curves as metrics.png
    engine-train --help-all                   seldom needed options, too

Checkpoints, metrics, pictures and weights are left in runs/PRESET, unless --out names another folder.
"""

import argparse
import logging
import shlex
import sys
from dataclasses import make_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

import tyro

from engine.commands.ending import ends_in_a_line
from engine.torchrun import end_at_once, started_by_launcher
from engine.training.config import RARE, TrainConfig
from engine.training.distributed import is_first_rank
from engine.training.launch import run
from engine.training.plot import plot
from engine.training.presets import PRESETS
from engine.training.trainer import Outcome


def parse(arguments: list[str]) -> TrainConfig:
    """The command line over the defaults of the preset that it names; its learning rates are for its own optimizer."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", choices=sorted(PRESETS), default="places2")
    first.add_argument("--optimizer")
    named = first.parse_known_args(arguments)[0]
    preset = PRESETS[named.preset]
    if named.optimizer not in (None, preset.optimizer):
        preset = replace(preset, learning_rate=None, discriminator_learning_rate=None)
    if {"-h", "--help"} & set(arguments):
        tyro.cli(common_options(preset), prog="engine-train", args=["--help"], description=__doc__)
    renamed = {"--no-amp": "--amp=off", "--no-resume": "--resume=off", "--help-all": "--help"}
    words = [renamed.get(word, word) for word in arguments]
    return tyro.cli(TrainConfig, prog="engine-train", args=words, default=preset, description=__doc__)


def common_options(preset: TrainConfig) -> type[TrainConfig]:
    """The options with a preset's defaults, of which those that are rare are not shown."""
    hide: Any = tyro.conf.Suppress
    kinds = get_type_hints(TrainConfig, include_extras=True)
    options = [
        (name, hide[kind] if RARE in getattr(kind, "__metadata__", ()) else kind, getattr(preset, name))
        for name, kind in kinds.items()
    ]
    return make_dataclass("TrainConfig", options, bases=(TrainConfig,), kw_only=True)


@ends_in_a_line("engine-train", (ValueError, OSError, RuntimeError, FloatingPointError))
def main() -> None:
    logging.basicConfig(level=logging.INFO if is_first_rank() else logging.ERROR, format="%(message)s")
    arguments = sys.argv[1:]
    if (folder := to_plot(arguments)) is not None:
        print(plot(folder))
        return
    config = parse(arguments)
    outcome = run(config)
    if is_first_rank():
        tell(outcome, config, arguments)
    if started_by_launcher():
        end_at_once()


def to_plot(arguments: list[str]) -> Path | None:
    """The run folder of `--plot RUN`, None without it. ValueError if options of a training are given beside it."""
    plotting = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    plotting.add_argument("--plot", type=Path)
    try:
        named, others = plotting.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise ValueError("--plot names no run folder: give one, as in engine-train --plot runs/lite") from error
    if named.plot is None:
        return None
    if others:
        raise ValueError(f"--plot draws the metrics of a run and trains nothing: leave out {shlex.join(others)}")
    folder: Path = named.plot
    return folder


def tell(outcome: Outcome, config: TrainConfig, arguments: list[str]) -> None:
    """Print what is there now, and how to go on, to judge it and to use it."""
    if outcome.iteration < outcome.total:
        print(f"Stopped after iteration {outcome.iteration} of {outcome.total}. To continue:\n  {resuming(arguments)}")
    folder = outcome.weights.parent
    print(f"Curves:\n  {shlex.join(['engine-train', '--plot', str(folder)])}")
    if (folder / "tensorboard").is_dir():  # else it is not installed
        print(f"  {shlex.join(['tensorboard', '--logdir', str(folder)])}")
    weights = str(outcome.best or outcome.weights)
    others = str(config.validate or "OTHER_PHOTOS")
    print(f"Weights: {weights}\n  {shlex.join(['engine-evaluate', others, '--weights', 'default', weights])}")
    print(f"  {shlex.join(['engine-infer', 'PHOTO', '--mask', 'MASK', '--weights', weights])}")


def resuming(arguments: list[str]) -> str:
    """The command that goes on with the run of a command with these arguments."""
    given = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    given.add_argument("--resume", nargs="?")
    given.add_argument("--no-resume", action="store_true")
    return shlex.join(["engine-train", *given.parse_known_args(arguments)[1], "--resume"])


if __name__ == "__main__":
    main()
