"""Trains the network that finds remains of what is painted out: `python -m engine.remains PHOTOS --out FILE`.

Things are made up from the photos themselves, and so are masks that miss bits of them (`engine.remains.samples`).
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from safetensors.torch import save
from torch import nn

from data.catalog import Catalog
from data.files import write_atomically
from engine.commands.ending import ends_in_a_line
from engine.commands.progress import progress
from engine.refining.trainer import EMA, schedule
from engine.remains.network import RemainsNetwork, loss_of
from engine.remains.samples import SIDE, sample
from engine.small_networks import load_into
from engine.training.moving_average import MovingAverage

CROP = 128
"""Side in pixels of the part of a sample that is seen, on the edge of the hole, or 7 times of 10 on what remains."""

ERASED = 0.15
"""Share of the samples whose hole has one colour, as of photos that were erased before."""

JUDGED = 200
"""Samples, the first ones, that training does not see and the network is judged by."""

STAGES = "glcic_engine_remains"
"""The entry of a file's metadata that says how its weights were trained, call after call."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Options of the command."""

    photos: Annotated[Path, tyro.conf.Positional]
    """A folder of photos."""
    out: Path
    """The file for the weights, written whenever they have been judged."""
    samples: int = 20000
    """Things and masks that are made up first."""
    init: Path | None = None
    """Weights to begin with."""
    iterations: int = 15000
    batch: int = 10
    learning_rate: float = 2e-3
    """The highest, which is reached in 100 iterations; from there it falls along a cosine."""
    judge_every: int = 500
    """Iterations between judgements."""
    seed: int = 0
    data: str = ""
    """A line on the photos and their licence, for the file."""


def part_of(sample_SS5: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """A part of a sample, turned and mirrored at random, at times with nothing left in the hole."""
    hole_SS, left_SS = sample_SS5[..., 3], sample_SS5[..., 4]
    shown_SS = left_SS if left_SS.any() and generator.random() < 0.7 else hole_SS
    y_P, x_P = np.nonzero(shown_SS)
    chosen = generator.integers(len(y_P))
    top, left = (
        (int(p[chosen]) - generator.integers(CROP // 4, 3 * CROP // 4)).clip(0, SIDE - CROP) for p in (y_P, x_P)
    )
    part_CC5 = sample_SS5[top : top + CROP, left : left + CROP].copy()
    if generator.random() < ERASED:
        colour_3 = generator.choice([0, 255]) if generator.random() < 0.6 else generator.integers(0, 256, 3)
        part_CC5[part_CC5[..., 3] > 0, :3] = colour_3
    part_CC5 = part_CC5[:: generator.choice([-1, 1]), :: generator.choice([-1, 1])]
    return part_CC5.transpose(1, 0, 2) if generator.random() < 0.5 else part_CC5


@torch.no_grad()
def summary(network: nn.Module, samples_NSS5: NDArray[np.uint8]) -> str:
    """The share of what is found that remains, and of what remains that is found, at the probability 0.5."""
    loss, found, right, wanted = 0.0, 0, 0, 0
    for sample_1SS5 in np.split(samples_NSS5, len(samples_NSS5)):
        one_loss, logits_P, left_P = loss_of(network, sample_1SS5)
        found_P, is_left_P = logits_P > 0, left_P > 0
        loss += float(one_loss) / len(samples_NSS5)
        found, wanted = found + int(found_P.sum()), wanted + int(is_left_P.sum())
        right += int((found_P & is_left_P).sum())
    return f"loss {loss:.4f}  right {right / max(found, 1):.3f}  found {right / max(wanted, 1):.3f}"


def main(config: Config) -> None:
    """Make the samples up and train on them; write the weights and print their scores now and then."""
    catalog, generator = Catalog.open(config.photos), np.random.default_rng(config.seed)
    samples_NSS5 = np.empty((config.samples + JUDGED, SIDE, SIDE, 5), np.uint8)
    with progress("samples made up", len(samples_NSS5)) as advance:
        for number in range(len(samples_NSS5)):
            samples_NSS5[number] = sample(catalog, config.seed, number)
            advance(1)
    torch.manual_seed(config.seed)
    network = RemainsNetwork()
    before: list[dict[str, Any]] = []
    if config.init:
        before = json.loads(load_into(network, config.init).get(STAGES, "[]"))
    average, optimiser = MovingAverage(network, EMA), torch.optim.Adam(network.parameters(), betas=(0.9, 0.98))
    stage = {name: value for name, value in asdict(config).items() if not isinstance(value, Path | None)}
    started = time.monotonic()
    for done in range(1, config.iterations + 1):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * schedule(done - 1, config.iterations)
        chosen = generator.integers(JUDGED, len(samples_NSS5), config.batch)
        loss, _, _ = loss_of(network, np.stack([part_of(samples_NSS5[number], generator) for number in chosen]))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average.follow(network)
        if done % config.judge_every == 0 or done == config.iterations:
            left = (time.monotonic() - started) / done * (config.iterations - done)
            scores = summary(average.module, samples_NSS5[:JUDGED])
            print(f"{done}/{config.iterations}  {scores}  left {left:.0f} s", flush=True)
            tensors = {name: p.half().contiguous() for name, p in average.module.state_dict().items()}
            write_atomically(config.out, save(tensors, metadata={STAGES: json.dumps([*before, stage])}))


if __name__ == "__main__":
    with ends_in_a_line("engine.remains"):
        main(tyro.cli(Config, description=__doc__))
