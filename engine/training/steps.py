"""One iteration of each of the paper's three phases (Algorithm 1).

What other implementations got wrong and a test holds here: D's gradients from the generator's step never reach D's
optimiser, D sees completed images (generated inside the hole, the photo outside), phase 2 leaves C and its batch norm
statistics as they are, and alpha weighs the generator's adversarial term alone.
"""

import torch
from torch import Tensor

from data.randomness import integers, key_of, random_bits
from engine.networks import CompletionNetwork
from engine.quality import LARGEST_STRIDE
from engine.training.batches import TrainingBatch
from engine.training.config import TrainConfig
from engine.training.distributed import World
from engine.training.learner import Learner
from engine.training.losses import adversarial_loss, blended, discriminator_loss, log_error, pattern_loss
from engine.training.perceptual import PerceptualLoss, load_features
from engine.training.phases import Phase
from kernels.fill_holes import fill_holes
from kernels.masked_mse import masked_mse
from kernels.paste_crop import cut_patches, paste_crop
from kernels.smooth_fill import smooth_fill
from kernels.unit_range import to_unit_range

PERCEPTUAL_SCALES = 3
"""Random stream of the scales that patches are seen at; 0 to 2 are those of holes."""

Losses = dict[str, Tensor]
"""Scalars of one iteration, detached, on the device and on this process."""

Composite = tuple[Tensor, Tensor]
"""Completed images as D sees them, and their patches around the holes."""


class Steps:
    """The three steps over the two learners. Each works the batch off in chunks of equal size, usually one.

    Several chunks are gradient accumulation: their gradients add up to the whole batch's, but for batch norm, whose
    statistics are each chunk's own.
    """

    def __init__(
        self, completion: Learner, discriminator: Learner, mean_pixel: Tensor, config: TrainConfig, world: World
    ) -> None:
        self.completion = completion
        self.discriminator = discriminator
        self.mean_pixel = mean_pixel
        self.config = config
        self.world = world
        network = completion.network
        assert isinstance(network, CompletionNetwork)
        self.smooth = network.spec.fill == "smooth"
        self.perceptual: PerceptualLoss | None = None
        if config.perceptual != "none":
            one_size = config.perceptual_scale == (1, 1)  # each size would be compiled by itself
            mode = config.compile_mode if config.compile and one_size else None
            self.perceptual = PerceptualLoss(load_features(config), world.device, completion.dtype, mode)
        self.by_phase = {
            Phase.COMPLETION: self.completion_step,
            Phase.DISCRIMINATOR: self.discriminator_step,
            Phase.JOINT: self.joint_step,
        }

    def run(self, phase: Phase, batch: TrainingBatch) -> Losses:
        """One iteration of `phase`."""
        torch.compiler.cudagraph_mark_step_begin()
        return self.by_phase[phase](batch)

    def completion_step(self, batch: TrainingBatch) -> Losses:
        """Phase 1: C alone, with the squared error in the hole (equation 2)."""
        chunks, divisor = batch.chunks(self.config.accumulate), self.divisor(batch)
        totals: Losses = {}
        with self.completion.update() as descend:
            for chunk in chunks:
                loss, terms = self.generator_loss(self.generate(chunk), None, chunk, divisor, len(chunks))
                descend(loss)
                add(totals, terms)
        return totals

    def discriminator_step(self, batch: TrainingBatch) -> Losses:
        """Phase 2: D alone, against completions by the fixed C."""
        chunks = batch.chunks(self.config.accumulate)
        network = self.completion.network
        network.eval()  # neither uses nor moves the statistics of this batch
        with torch.no_grad():
            composites = [self.complete(chunk)[1] for chunk in chunks]
        network.train()
        return self.train_discriminator(composites, chunks, weight=1.0)

    def joint_step(self, batch: TrainingBatch) -> Losses:
        """Phase 3: D, then C with the squared error and the adversarial loss of the D just trained.

        C does not change in between, so both use what it completes at once: that spares a fifth of the arithmetic.
        """
        chunks, divisor = batch.chunks(self.config.accumulate), self.divisor(batch)
        totals: Losses = {}
        with self.completion.update() as descend:
            # Several chunks are there to spare memory: they keep no graph, and C runs on them once more below.
            keep = len(chunks) == 1
            with torch.set_grad_enabled(keep):
                completions = [self.complete(chunk) for chunk in chunks]
            weight = self.config.alpha if self.config.alpha_on_discriminator else 1.0
            losses = self.train_discriminator([composite for _, composite in completions], chunks, weight)
            for chunk in chunks:
                generated, composite = completions[0] if keep else self.complete(chunk)
                loss, terms = self.generator_loss(generated, composite, chunk, divisor, len(chunks))
                descend(loss)
                add(totals, terms)
        return totals | losses

    def generator_loss(
        self, generated_N3SS: Tensor, composite: Composite | None, chunk: TrainingBatch, divisor: Tensor, parts: int
    ) -> tuple[Tensor, Losses]:
        """C's loss on one of `parts` chunks, and the terms that it is made of; D is asked of the composite, if any."""
        loss = self.reconstruction(generated_N3SS, chunk, divisor)
        terms = {"log_mse" if self.config.reduction == "log_mean" else "mse": loss}
        if self.perceptual or self.config.pattern_weight:
            completed, patches = composite or self.composite(generated_N3SS, chunk)
        if self.perceptual:
            terms["perceptual"] = self.perceptual(patches, *self.patches_of(chunk), self.seen_side(chunk)) / parts
            loss = loss + self.config.weight_of_perceptual * terms["perceptual"]
        if self.config.pattern_weight:
            terms["pattern"] = pattern_loss(completed, chunk.image_N3SS, chunk.mask_N1SS) / parts
            loss = loss + self.config.pattern_weight * terms["pattern"]
        if composite:
            completed, patches = composite
            terms["adversarial"] = adversarial_loss(self.discriminator.forward_frozen(patches, completed)) / parts
            loss = loss + self.config.alpha * terms["adversarial"]
        return loss, terms

    def patches_of(self, batch: TrainingBatch) -> tuple[Tensor, Tensor]:
        """The photos' own patches around the holes, RGB in [0, 1], and the masks there."""
        mask_N3SS = batch.mask_N1SS.view(torch.uint8).expand(-1, 3, -1, -1)
        image, mask = (
            cut_patches(source, batch.centres_N2, self.config.patch_size) for source in (batch.image_N3SS, mask_N3SS)
        )
        return to_unit_range(image), mask[:, :1]

    def seen_side(self, batch: TrainingBatch) -> int | None:
        """The side in pixels of what the perceptual network sees, a function of the seed and the batch's samples.

        None if it is that of the patches.
        """
        if self.config.perceptual_scale == (1, 1):
            return None
        least, most = (round(self.config.patch_size * scale / LARGEST_STRIDE) for scale in self.config.perceptual_scale)
        bits = random_bits(key_of(self.config.seed, PERCEPTUAL_SCALES), batch.ids[:1], 1)
        return LARGEST_STRIDE * int(integers(bits[0, 0], max(least, 1), max(most, 1)))

    def train_discriminator(self, composites: list[Composite], chunks: list[TrainingBatch], weight: float) -> Losses:
        """One step of D to tell photos from composites; no gradient reaches C."""
        totals = torch.zeros(3, device=self.world.device)
        with self.discriminator.update() as descend:
            for (completed, patches), chunk in zip(composites, chunks, strict=True):
                # Rounded as the composite's outside is, so that D cannot tell the two by that.
                real = to_unit_range(chunk.image_N3SS).to(completed.dtype)
                real_patches = cut_patches(real, chunk.real_centres_N2, self.config.patch_size)
                real_logits = self.discriminator.forward(real_patches, real)
                fake_logits = self.discriminator.forward(patches.detach(), completed.detach())
                loss = discriminator_loss(real_logits, fake_logits)
                descend(weight * loss / len(chunks))
                accuracies = [(real_logits > 0).float().mean(), (fake_logits < 0).float().mean()]
                totals += torch.stack([loss.detach(), *accuracies]) / len(chunks)
        return dict(zip(("discriminator", "real_accuracy", "fake_accuracy"), totals, strict=True))

    def complete(self, batch: TrainingBatch) -> tuple[Tensor, Composite]:
        """C's output, and what D sees of it."""
        generated = self.generate(batch)
        return generated, self.composite(generated, batch)

    def generate(self, batch: TrainingBatch) -> Tensor:
        """C's output for the holed images, as all losses see it."""
        return self.blend(self.completion.forward(self.fill(batch)), batch)

    def blend(self, generated_N3SS: Tensor, batch: TrainingBatch) -> Tensor:
        """The network's output, blended if that is what is to be judged."""
        if self.config.blended_loss:
            return blended(generated_N3SS, batch.image_N3SS, batch.mask_N1SS)
        return generated_N3SS

    def fill(self, batch: TrainingBatch) -> Tensor:
        """The holed images as C takes them, `holed_N4SS`."""
        dtype = self.completion.dtype or torch.float32
        holed = fill_holes(batch.image_N3SS, batch.mask_N1SS, self.mean_pixel, dtype)
        return smooth_fill(holed) if self.smooth else holed

    def composite(self, generated_N3SS: Tensor, batch: TrainingBatch) -> Composite:
        return paste_crop(generated_N3SS, batch.image_N3SS, batch.mask_N1SS, batch.centres_N2, self.config.patch_size)

    def reconstruction(self, generated_N3SS: Tensor, batch: TrainingBatch, divisor: Tensor) -> Tensor:
        """Equation 2 with the configured reduction, this chunk's share."""
        if self.config.reduction == "log_mean":
            return log_error(generated_N3SS, batch.image_N3SS, batch.mask_N1SS) / divisor
        return masked_mse(generated_N3SS, batch.image_N3SS, batch.mask_N1SS, divisor)

    def divisor(self, batch: TrainingBatch) -> Tensor:
        """The divisor of sums over a batch, such that their mean over processes is the configured reduction."""
        match self.config.reduction:
            case "hole_mean":
                return 3 * self.world.mean(batch.mask_N1SS.sum(dtype=torch.float32)).clamp(min=1)
            case "all_mean":
                return torch.full((), batch.image_N3SS.numel(), device=self.world.device)
            case "log_mean":
                return torch.full((), len(batch.ids), device=self.world.device)
            case _:
                return torch.full((), 1 / self.world.ranks, device=self.world.device)


def add(totals: Losses, terms: Losses) -> None:
    """Add the terms of one chunk, without their graphs, to those of the chunks before."""
    for name, term in terms.items():
        totals[name] = totals.get(name, 0) + term.detach()
