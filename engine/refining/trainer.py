"""The training of the refinement network: against a discriminator, judged as it goes on."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn

from data.files import write_atomically
from engine.efficientnet import LiteFeatures
from engine.refining.losses import ADVERSARIAL, Terms, distance, held, taken_for, terms
from engine.refining.network import Discriminator, RefinementNetwork
from engine.refining.shades import shade_from_border
from engine.small_networks import load_into
from engine.training.moving_average import MovingAverage

CROP = 160
"""Side in pixels of the part of a sample that is seen: somewhere else each time, as features depend on where they
begin."""

JUDGED = 64
"""Samples, the first ones, that training does not see and the network is judged by."""

WARM_UP, LEAST_RATE = 100, 0.02
"""Iterations until the learning rate is at its highest, and the share of it at the end of the cosine."""

BETAS = (0.5, 0.99)
"""Adam's, for both networks: they forget sooner than its defaults what the other one has done."""

EMA = 0.998
"""Decay of the moving average of the weights, which is what is judged and written."""

STAGES = "glcic_engine_refining"
"""The entry of a file's metadata that says how its weights were trained, call after call."""


class Trainer:
    """A refinement network in training, its discriminator, and its samples."""

    def __init__(self, samples_NSSC: NDArray[np.uint8], iterations: int, batch: int, rate: float, seed: int) -> None:
        torch.manual_seed(seed)
        self.samples_NSSC = samples_NSSC
        self.iterations, self.batch, self.rate = iterations, batch, rate
        self.generator = np.random.default_rng(seed)
        self.features = LiteFeatures.load()
        self.network, self.discriminator = RefinementNetwork(), Discriminator()
        for network in (self.network, self.discriminator):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = MovingAverage(self.network, EMA)
        self.optimisers = [
            torch.optim.Adam(network.parameters(), rate, BETAS) for network in (self.network, self.discriminator)
        ]
        self.stages: list[dict[str, Any]] = []

    def begin_with(self, path: Path) -> None:
        """Take the weights of a file of `save`. ValueError if it is none."""
        metadata = load_into(self.network, path)
        self.stages = json.loads(metadata.get(STAGES, "[]"))

    def step(self, iteration: int) -> None:
        """One iteration: the discriminator learns, then the network."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.rate * schedule(iteration, self.iterations)
        chosen = np.sort(self.generator.integers(JUDGED, len(self.samples_NSSC), self.batch))
        drawn, completed, original, hole = parts(cropped(as_tensor(self.samples_NSSC[chosen]), self.generator))
        refined = refine(self.network, drawn, completed, hole)
        learner, judge = self.optimisers
        judge.zero_grad()
        told_apart = taken_for(True, self.discriminator, original, hole)
        (told_apart + taken_for(False, self.discriminator, refined.detach(), hole)).backward()
        judge.step()
        learner.zero_grad()
        self.discriminator.requires_grad_(False)
        loss = terms(self.features, refined, drawn, original, hole).loss()
        (loss + ADVERSARIAL * taken_for(True, self.discriminator, refined, hole)).backward()
        self.discriminator.requires_grad_(True)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        learner.step()
        self.average.follow(self.network)

    @torch.no_grad()
    def summary(self) -> str:
        """Scores on the samples that the network is judged by, beside those of the untrained one."""
        feature_N, before_N, psnr_N, sharpness_N, stipple_N = torch.cat(list(self.scores())).T
        return (
            f"feature distance {feature_N.mean():.3f} (untrained {before_N.mean():.3f})  PSNR in the hole "
            f"{psnr_N.mean():.2f} dB  sharpness {sharpness_N.median():.3f}, most {sharpness_N.max():.2f}  "
            f"stipple {stipple_N.mean():.3f}"
        )

    def scores(self) -> Iterator[Tensor]:
        """Feature distance, that of the untrained network, PSNR, sharpness and stipple, for some samples each time."""
        untrained = RefinementNetwork()
        for first in range(0, min(JUDGED, len(self.samples_NSSC)), self.batch):
            drawn, completed, original, hole = parts(as_tensor(self.samples_NSSC[first : first + self.batch]))
            found: Terms = terms(
                self.features, refine(self.average.module, drawn, completed, hole), drawn, original, hole
            )
            before_N = distance(self.features, refine(untrained, drawn, completed, hole), original, hole)
            psnr_N = -10 * torch.log10(found.error_N)
            yield torch.stack((found.features_N, before_N, psnr_N, found.sharpness_N, found.stipple_N), dim=1)

    def save(self, path: Path, stage: dict[str, Any]) -> None:
        """Write the weights in fp16, with what was done to get them, whole or not at all."""
        tensors = {name: values.half().contiguous() for name, values in self.average.module.state_dict().items()}
        write_atomically(path, save(tensors, metadata={STAGES: json.dumps([*self.stages, stage])}))


def schedule(iteration: int, iterations: int) -> float:
    """The share of the highest learning rate: rising over the first iterations, and falling along a cosine."""
    falling = 0.5 + 0.5 * math.cos(math.pi * iteration / iterations)
    return min(1.0, (iteration + 1) / WARM_UP) * max(LEAST_RATE, falling)


def as_tensor(samples_NSSC: NDArray[np.uint8]) -> Tensor:
    """`samples_NCSS`, fp32: colours in [0, 1], and the hole, 0 or 1."""
    samples_NCSS = torch.from_numpy(samples_NSSC.astype(np.float32)).permute(0, 3, 1, 2)
    samples_NCSS[:, :9] /= 255
    return samples_NCSS


def parts(samples_NCSS: Tensor) -> tuple[Tensor, ...]:
    """The drawing, the completion, the original, RGB and alike outside the hole, and the hole."""
    return samples_NCSS.split((3, 3, 3, 1), dim=1)


def cropped(samples_NCSS: Tensor, generator: np.random.Generator) -> Tensor:
    """The same part of each sample, mirrored half of the time."""
    y, x = (int(generator.integers(samples_NCSS.shape[2] - CROP + 1)) for _ in range(2))
    part = samples_NCSS[..., y : y + CROP, x : x + CROP]
    part = part.flip(3) if generator.random() < 0.5 else part
    return part.contiguous(memory_format=torch.channels_last)


def refine(network: nn.Module, drawn_N3HW: Tensor, completed_N3HW: Tensor, hole_N1HW: Tensor) -> Tensor:
    """`refined_N3HW`, RGB in [0, 1], with the border's shades as drawn; in bf16 where that is enough."""
    with torch.autocast(drawn_N3HW.device.type, torch.bfloat16):
        refined_N3HW = network(drawn_N3HW, completed_N3HW, hole_N1HW)
    shade_N3HW = shade_from_border(refined_N3HW - drawn_N3HW, hole_N1HW)
    return held(refined_N3HW - shade_N3HW * hole_N1HW)
