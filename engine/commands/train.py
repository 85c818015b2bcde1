"""engine-train: train the three phases on a folder of photographs.

    engine-train --photos DIR                 the paper's network and schedule
    engine-train --preset lite --photos DIR   a small network, hours on a CPU
    engine-train --preset lite --resume       continue where it stopped

Checkpoints, metrics, pictures and weights are left in runs/PRESET, unless --out names another folder.
"""

import argparse
import logging
import shlex
import sys
from dataclasses import replace

import tyro

from engine.commands.ending import ends_in_a_line
from engine.torchrun import end_at_once, started_by_launcher
from engine.training.config import TrainConfig
from engine.training.distributed import is_first_rank
from engine.training.launch import run
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
    words = [f"--{word[5:]}=off" if word in ("--no-amp", "--no-resume") else word for word in arguments]
    return tyro.cli(TrainConfig, prog="engine-train", args=words, default=preset, description=__doc__)


@ends_in_a_line("engine-train", (ValueError, OSError, RuntimeError, FloatingPointError))
def main() -> None:
    logging.basicConfig(level=logging.INFO if is_first_rank() else logging.ERROR, format="%(message)s")
    arguments = sys.argv[1:]
    outcome = run(parse(arguments))
    if is_first_rank():
        tell(outcome, arguments)
    if started_by_launcher():
        end_at_once()


def tell(outcome: Outcome, arguments: list[str]) -> None:
    """Print what is there now, and how to go on."""
    if outcome.iteration < outcome.total:
        print(f"Stopped after iteration {outcome.iteration} of {outcome.total}. To continue:\n  {resuming(arguments)}")
    print(f"Weights: {outcome.weights}\n  engine-infer PHOTO --mask MASK --weights {outcome.weights}")


def resuming(arguments: list[str]) -> str:
    """The command that goes on with the run of a command with these arguments."""
    given = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    given.add_argument("--resume", nargs="?")
    given.add_argument("--no-resume", action="store_true")
    return shlex.join(["engine-train", *given.parse_known_args(arguments)[1], "--resume"])


if __name__ == "__main__":
    main()
