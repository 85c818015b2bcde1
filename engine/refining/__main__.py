"""Trains the refinement network: `python -m engine.refining PHOTOS --out refinement.safetensors`.

Holes in the photos are completed and drawn from patches by the engine itself, with the weights that come with it, and
what they are refined to is compared with what was there. One core of a CPU draws 6,900 samples in 22 minutes, and two
take half an hour for 4,000 iterations.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import tyro
from numpy.typing import NDArray

from data.catalog import Catalog
from data.files import replacing
from engine.commands.ending import ends_in_a_line
from engine.commands.progress import progress
from engine.refining.samples import write_samples
from engine.refining.trainer import JUDGED, Trainer


@dataclass(frozen=True, kw_only=True)
class Config:
    """Options of the command."""

    photos: Annotated[Path, tyro.conf.Positional]
    """A folder of photos."""
    out: Path
    """The file for the weights, written whenever they have been judged."""
    samples: int = 12000
    """Holes that are drawn first."""
    drawn: Path | None = None
    """A file of samples, .npy, to be used if it is there and else to be written; without it they are forgotten."""
    init: Path | None = None
    """Weights to begin with."""
    iterations: int = 8000
    batch: int = 8
    learning_rate: float = 1e-3
    """The highest, which is reached in 100 iterations; from there it falls along a cosine."""
    judge_every: int = 400
    """Iterations between judgements."""
    seed: int = 0
    data: str = ""
    """A line on the photos and their licence, for the file."""


def main(config: Config) -> None:
    """Draw the samples, if they are not there, and train on them."""
    with TemporaryDirectory() as folder:
        path = config.drawn or Path(folder) / "drawn.npy"
        if not path.is_file():
            with replacing(path) as temporary, progress("holes drawn", config.samples) as advance:
                for _ in write_samples(Catalog.open(config.photos), temporary, config.samples, config.seed):
                    advance(1)
        samples_NSSC = np.load(path, mmap_mode="r")
        if len(samples_NSSC) <= JUDGED:
            raise SystemExit(
                f"{len(samples_NSSC)} samples are too few: {JUDGED} are kept to judge by, give --samples more"
            )
        train(config, samples_NSSC)


def train(config: Config, samples_NSSC: NDArray[np.uint8]) -> None:
    """Train on the samples, and write the weights and print their scores now and then."""
    trainer = Trainer(samples_NSSC, config.iterations, config.batch, config.learning_rate, config.seed)
    if config.init:
        trainer.begin_with(config.init)
    named = {name: value for name, value in asdict(config).items() if not isinstance(value, Path | None)}
    stage = named | {"samples": len(samples_NSSC)}
    started = time.monotonic()
    for done in range(1, config.iterations + 1):
        trainer.step(done - 1)
        if done % config.judge_every == 0 or done == config.iterations:
            left = (time.monotonic() - started) / done * (config.iterations - done)
            print(f"{done}/{config.iterations}  {trainer.summary()}  left {left:.0f} s", flush=True)
            trainer.save(config.out, stage)


if __name__ == "__main__":
    with ends_in_a_line("engine.refining"):
        main(tyro.cli(Config, description=__doc__))
