"""One iteration of each of the paper's three phases (Algorithm 1).

What other implementations got wrong and a test holds here: D's gradients from the generator's step never reach D's
optimiser, D sees completed images (generated inside the hole, the photo outside), phase 2 leaves C and its batch norm
statistics as they are, and alpha weighs the generator's adversarial term alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

import kernels
from engine.training.batches import TrainingBatch
from engine.training.config import TrainConfig
from engine.training.distributed import World
from engine.training.losses import adversarial_loss, discriminator_loss
from engine.training.phases import Phase

Losses = dict[str, Tensor]
"""Scalars of one iteration, detached, on the device and on this process."""


@dataclass(slots=True)
class Learner:
    """A network and the optimiser that trains it."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    world: World

    @contextmanager
    def update(self) -> Iterator[Callable[[Tensor], None]]:
        """Collect the gradients of the losses given to the yielded function; then take one step."""
        # Cleared here, right before they are computed: gradients from anywhere else cannot be in them.
        self.optimizer.zero_grad(set_to_none=True)
        yield lambda loss: self.scaler.scale(loss).backward()
        # A gradient that overflowed on one process is infinite in the average on all, so that all skip this step.
        self.world.average_gradients(self.network.parameters())
        self.scaler.step(self.optimizer)
        self.scaler.update()


class Steps:
    """The three steps over the two networks, their optimisers and what the config says of losses."""

    def __init__(
        self, completion: Learner, discriminator: Learner, mean_pixel: Tensor, config: TrainConfig, world: World
    ) -> None:
        self.completion = completion
        self.discriminator = discriminator
        self.mean_pixel = mean_pixel
        self.config = config
        self.world = world
        self.by_phase = {
            Phase.COMPLETION: self.completion_step,
            Phase.DISCRIMINATOR: self.discriminator_step,
            Phase.JOINT: self.joint_step,
        }

    def run(self, phase: Phase, batch: TrainingBatch) -> Losses:
        """One iteration of `phase`."""
        return self.by_phase[phase](batch)

    def completion_step(self, batch: TrainingBatch) -> Losses:
        """Phase 1: C alone, with the squared error in the hole (equation 2)."""
        with self.completion.update() as descend:
            loss = self.squared_error(self.generate(batch), batch)
            descend(loss)
        return {"mse": loss.detach()}

    def discriminator_step(self, batch: TrainingBatch) -> Losses:
        """Phase 2: D alone, against completions by the fixed C."""
        network = self.completion.network
        network.eval()  # neither uses nor moves the statistics of this batch
        with torch.no_grad():
            generated = self.generate(batch)
        network.train()
        return self.train_discriminator(generated, batch, weight=1.0)

    def joint_step(self, batch: TrainingBatch) -> Losses:
        """Phase 3: D, then C with the squared error and the adversarial loss of the D just trained.

        Both use one forward pass of C, which does not change in between.
        """
        config = self.config
        with self.completion.update() as descend:
            generated = self.generate(batch)
            weight = config.alpha if config.alpha_on_discriminator else 1.0
            losses = self.train_discriminator(generated.detach(), batch, weight)
            squared_error = self.squared_error(generated, batch)
            adversarial = adversarial_loss(self.judge_frozen(*self.composite(generated, batch)))
            descend(squared_error + config.alpha * adversarial)
        return {"mse": squared_error.detach(), "adversarial": adversarial.detach(), **losses}

    def train_discriminator(self, generated_N3SS: Tensor, batch: TrainingBatch, weight: float) -> Losses:
        """One step of D to tell photos from completions; `generated` carries no graph."""
        completed, patches = self.composite(generated_N3SS, batch)
        # As the composite's outside was made, so that D cannot tell the two by their rounding.
        real = (batch.image_N3SS / 255).to(generated_N3SS.dtype)
        real_patches = kernels.cut_patches(real, batch.real_centres_N2, self.config.patch_size)
        with self.discriminator.update() as descend:
            real_logits = self.discriminator.network(real_patches, real)
            fake_logits = self.discriminator.network(patches, completed)
            loss = discriminator_loss(real_logits, fake_logits)
            descend(weight * loss)
        return {
            "discriminator": loss.detach(),
            "real_accuracy": (real_logits.detach() > 0).float().mean(),
            "fake_accuracy": (fake_logits.detach() < 0).float().mean(),
        }

    def generate(self, batch: TrainingBatch) -> Tensor:
        """C's output for the holed images."""
        holed = kernels.fill_holes(batch.image_N3SS, batch.mask_N1SS, self.mean_pixel)
        return self.completion.network(holed)

    def composite(self, generated_N3SS: Tensor, batch: TrainingBatch) -> tuple[Tensor, Tensor]:
        """Completed images and their local patches, as D takes them: (patches come second here, first in D)."""
        return kernels.paste_crop(
            generated_N3SS, batch.image_N3SS, batch.mask_N1SS, batch.centres_N2, self.config.patch_size
        )

    def judge_frozen(self, completed_N3SS: Tensor, patches_N3PP: Tensor) -> Tensor:
        """D's logits, with gradients to the images only; D's batch norm statistics stay as they are."""
        network = self.discriminator.network
        state = {name: parameter.detach() for name, parameter in network.named_parameters()}
        state |= {name: buffer.clone() for name, buffer in network.named_buffers()}
        return functional_call(network, state, (patches_N3PP, completed_N3SS))

    def squared_error(self, generated_N3SS: Tensor, batch: TrainingBatch) -> Tensor:
        """Equation 2 with the configured reduction, over the batch of all processes together."""
        total = kernels.masked_mse(generated_N3SS, batch.image_N3SS, batch.mask_N1SS, reduction="sum")
        return total / self.divisor(batch)

    def divisor(self, batch: TrainingBatch) -> Tensor | float:
        """What the sum of squares of this process is divided by, so that the mean over processes is the reduction."""
        match self.config.reduction:
            case "hole_mean":
                return 3 * self.world.mean(batch.hole_pixels).clamp(min=1)
            case "all_mean":
                return float(batch.image_N3SS.numel())
            case _:
                return 1 / self.world.ranks
