"""A training run from first to last iteration: set up or resume, step, report, save, stop."""

import logging
import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import kernels
from data.catalog import Catalog
from data.cpu_loader import CpuLoader
from data.mean_pixel import mean_pixel
from data.sampler import CropSampler
from engine.networks import CompletionNetwork, ContextDiscriminator
from engine.training.batches import TrainingBatch, training_batches
from engine.training.checkpoint import load_newest, save_checkpoint
from engine.training.config import TrainConfig
from engine.training.distributed import World, join_world
from engine.training.monitor import Meter, Monitor, comparison
from engine.training.phases import Phase
from engine.training.steps import Learner, Steps
from engine.training.stopping import StopRequest, stop_signals
from engine.weights import save_weights

log = logging.getLogger(__name__)

PICTURE_ROWS = 4


class Outcome(NamedTuple):
    """How a run ended: `iteration` of `total` are done; `weights` is the completion network's file."""

    iteration: int
    total: int
    weights: Path


def train(config: TrainConfig) -> Outcome:
    """Run `config` to its end, or to a stop by SIGTERM, SIGINT or its time limit, with a checkpoint to resume from.

    ValueError for what the user can mend before training; OSError if a checkpoint cannot be written.
    """
    with join_world(config.device) as world, stop_signals() as stop:
        return Trainer(config, world).run(stop)


class Trainer:
    """The state of a run: two learners, the moving average, and the iterations done."""

    def __init__(self, config: TrainConfig, world: World) -> None:
        if config.kernels != "auto":
            kernels.set_backend(config.kernels)
        self.config, self.world, self.schedule = config, world, config.schedule
        self.folder = config.run_folder
        self.catalog = Catalog.open(config.photos_folder)
        self.iteration = 0
        saved = self.find_checkpoint()
        self.spec = config.spec(tuple(saved[1]["mean_pixel"]) if saved else self.measure_mean_pixel())
        torch.manual_seed(config.seed)
        self.completion = self.learner(CompletionNetwork(self.spec))
        self.discriminator = self.learner(
            ContextDiscriminator(
                config.crop_size,
                config.patch_size,
                config.discriminator_width,
                config.discriminator_features,
                config.discriminator_leak,
            )
        )
        averaging = get_ema_multi_avg_fn(config.ema)
        self.average = AveragedModel(self.completion.network, multi_avg_fn=averaging) if config.ema else None
        if saved:
            self.load_state(saved[1])
        mean = torch.tensor(self.spec.mean_pixel, device=world.device)
        self.steps = Steps(self.completion, self.discriminator, mean, config, world)

    def learner(self, network: torch.nn.Module) -> Learner:
        """The network on the device, channels-last, with its optimiser."""
        config = self.config
        network = network.to(self.world.device, memory_format=torch.channels_last)
        optimizer: torch.optim.Optimizer
        if config.optimizer == "adadelta":
            optimizer = kernels.Adadelta(network.parameters(), lr=config.learning_rate or 1.0)
        else:
            optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate or 2e-4)
        scaler = torch.amp.GradScaler(self.world.device.type, enabled=False)
        return Learner(network, optimizer, scaler, self.world)

    def find_checkpoint(self) -> tuple[Path, dict[str, Any]] | None:
        """The checkpoint to resume from. ValueError if that and the run folder do not fit together."""
        saved = load_newest(self.folder / "checkpoints")
        if saved is not None and not self.config.resume:
            raise ValueError(f"{self.folder} holds a run already; add --resume to continue it, or give another --out")
        if saved is None and self.config.resume:
            log.warning("nothing to resume in %s: starting from iteration 0", self.folder)
        if saved is not None and self.world.is_first:
            log.info("resuming from %s", saved[0])
        return saved

    def measure_mean_pixel(self) -> tuple[float, float, float]:
        """The mean colour of the training photos, or of a sample of them."""
        rgb, _ = mean_pixel(self.catalog, sample=self.config.mean_pixel_photos, seed=self.config.seed)
        red, green, blue = rgb.tolist()
        return red, green, blue

    def state(self) -> dict[str, Any]:
        """All that decides the next step."""
        return {
            "completion": self.completion.network.state_dict(),
            "discriminator": self.discriminator.network.state_dict(),
            "completion_optimizer": self.completion.optimizer.state_dict(),
            "discriminator_optimizer": self.discriminator.optimizer.state_dict(),
            "completion_scaler": self.completion.scaler.state_dict(),
            "discriminator_scaler": self.discriminator.scaler.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "mean_pixel": list(self.spec.mean_pixel),
            "config": {name: str(value) for name, value in asdict(self.config).items()},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`. ValueError if the configured networks are others."""
        try:
            for learner, name in ((self.completion, "completion"), (self.discriminator, "discriminator")):
                learner.network.load_state_dict(state[name])
                learner.optimizer.load_state_dict(state[f"{name}_optimizer"])
                learner.scaler.load_state_dict(state[f"{name}_scaler"])
        except RuntimeError as error:
            message = f"the checkpoint in {self.folder} is of another network; resume with its own options"
            raise ValueError(message) from error
        if self.average and state["average"]:
            self.average.load_state_dict(state["average"])
        self.iteration = state["iteration"]

    def run(self, stop: StopRequest) -> Outcome:
        """Iterate to the end of the schedule or to a stop; the last thing done is a checkpoint."""
        config, total = self.config, self.schedule.total
        with ExitStack() as stack:
            monitor = stack.enter_context(Monitor(self.folder, total, self.iteration)) if self.world.is_first else None
            loader = stack.enter_context(self.open_loader())
            batches = training_batches(loader, config.holes, config.seed, self.world)
            meter = Meter(config.batch)
            while self.iteration < total and not self.world.any(stop.requested or self.out_of_time(meter)):
                with meter.waiting():
                    batch = next(batches)
                phase = self.schedule.phase(self.iteration)
                losses = self.steps.run(phase, batch)
                self.iteration += 1
                if self.average and phase is not Phase.DISCRIMINATOR:
                    self.average.update_parameters(self.completion.network)
                meter.add(losses)
                if monitor and self.is_due(config.log_every):
                    monitor.metrics(self.iteration, phase, meter.take())
                if monitor and self.is_due(config.picture_every):
                    monitor.picture(self.iteration, self.picture(batch, phase))
                if self.is_due(config.checkpoint_every):
                    self.save()
            return Outcome(self.iteration, total, self.save())

    def open_loader(self) -> CpuLoader:
        """Crops from the first sample of the current iteration on."""
        config, world = self.config, self.world
        sampler = CropSampler(self.catalog, config.seed, config.crop_size, config.shorter_edge, config.flip)
        return CpuLoader(
            self.catalog,
            sampler,
            config.batch // world.ranks,
            rank=world.rank,
            ranks=world.ranks,
            workers=config.workers,
            start=self.iteration * config.batch,
        )

    def is_due(self, every: int) -> bool:
        return self.iteration % every == 0 or self.iteration == self.schedule.total

    def out_of_time(self, meter: Meter) -> bool:
        limit = self.config.time_limit
        return limit is not None and time.monotonic() - meter.started > 60 * limit

    def save(self) -> Path:
        """Write the checkpoint and the weights; the weights' path."""
        weights = self.folder / "weights.safetensors"
        if self.world.is_first:
            save_checkpoint(self.folder / "checkpoints", self.iteration, self.state(), self.config.keep)
            provenance = {
                "preset": self.config.preset,
                "iterations": self.iteration,
                "batch": self.config.batch,
                "photos": len(self.catalog),
                "seed": self.config.seed,
            }
            network = self.best_network()
            save_weights(weights, network, replace(self.spec, provenance=provenance))
        self.world.barrier()
        return weights

    def best_network(self) -> CompletionNetwork:
        """The moving average where there is one, else the network itself."""
        network = self.average.module if self.average else self.completion.network
        assert isinstance(network, CompletionNetwork)
        return network

    @torch.no_grad()
    def picture(self, batch: TrainingBatch, phase: Phase) -> Any:
        """Input | holed | completed for the first photos of `batch`, with D's opinion once D is trained."""
        few = TrainingBatch(
            *(part[:PICTURE_ROWS] if part.ndim else part for part in batch[:5]), batch.ids[:PICTURE_ROWS]
        )
        network, judge = self.best_network(), self.discriminator.network
        was_training = network.training
        network.eval()
        judge.eval()
        holed = kernels.fill_holes(few.image_N3SS, few.mask_N1SS, self.steps.mean_pixel)
        completed, patches = self.steps.composite(network(holed), few)
        image = few.image_N3SS / 255
        judged: tuple[Tensor, Tensor] | None = None
        if phase is not Phase.COMPLETION:
            real_patches = kernels.cut_patches(image, few.centres_N2, self.config.patch_size)
            judged = judge(real_patches, image).sigmoid()[:, 0], judge(patches, completed).sigmoid()[:, 0]
        network.train(was_training)
        judge.train()
        return comparison(image, holed[:, :3], completed, judged)
