"""A training run from first to last iteration: set up or resume, step, report, save, stop."""

import copy
import itertools
import logging
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.catalog import Catalog
from data.loading import Loader
from data.mean_pixel import mean_pixel
from data.open import open_loader
from data.sampler import CropSampler
from engine.torchrun import started_by_launcher
from engine.training.batches import TrainingBatch, fixed_batch, training_batches
from engine.training.config import TrainConfig
from engine.training.distributed import World, join_world
from engine.training.divergence import divergence
from engine.training.learner import note_on_precision
from engine.training.meter import Meter
from engine.training.monitor import Monitor
from engine.training.outlook import MEASURED, outlook, settle
from engine.training.phases import Phase
from engine.training.pictures import picture
from engine.training.run_lock import only_run_in
from engine.training.saving import save_network, saved_so_far, write_what_is_missing
from engine.training.setup import set_up_torch, write_options
from engine.training.state import RunState, find_checkpoint, network_to_begin_from
from engine.training.steps import Losses, Steps
from engine.training.stopping import StopRequest, stop_signals
from engine.training.validation import Validation, judgements, since_best

log = logging.getLogger(__name__)

SHOWN = 4
"""Photos in a picture."""


class Outcome(NamedTuple):
    """The end of a run: `iteration` of `total` are done; `weights` is the completion network's file, `best` that of the
    best judgement, if the run is judged."""

    iteration: int
    total: int
    weights: Path
    best: Path | None = None


def train(config: TrainConfig, started: float | None = None) -> Outcome:
    """Run `config` to its end, or to a stop by a signal or its time limit, with a checkpoint to resume from.

    The time limit counts from `started`, a time of this machine's monotonic clock, or from now; of processes that
    torchrun has started again, from their first start.

    ValueError for what the user can mend before training, OSError if a checkpoint cannot be written,
    FloatingPointError if the losses are no longer finite, RuntimeError if the photos cannot be read on.
    """
    started = time.monotonic() if started is None else started
    with ExitStack() as stack:
        world = stack.enter_context(join_world(config.device))
        stop = stack.enter_context(stop_signals(started_by_launcher()))
        if world.is_first:
            stack.enter_context(only_run_in(config.run_folder))
        return Trainer(config, world, started - world.earlier).run(stop)


class Trainer:
    """A run: its state, its photos, and the steps that take it on."""

    def __init__(self, config: TrainConfig, world: World, started: float | None = None) -> None:
        self.started = time.monotonic() if started is None else started
        set_up_torch(config)
        if config.batch % (world.ranks * config.accumulate):
            raise ValueError(
                f"--batch is {config.batch}; it must be a multiple of {world.ranks} processes x "
                f"{config.accumulate} chunks"
            )
        self.config, self.world, self.schedule = config, world, config.schedule
        self.folder = config.run_folder
        if world.is_first and (note := note_on_precision(config, world.device)):
            log.warning(note)
        self.catalog = Catalog.open(config.photos_folder)
        saved = find_checkpoint(config)
        if world.is_first:
            write_options(config)
        begun = network_to_begin_from(config, saved)
        # Asked by all, also by one that has begun where another has not: check_shared will tell.
        mean = world.from_first(lambda: begun.spec.mean_pixel if begun else self.measure_mean_pixel())
        self.state = RunState(config, world, mean, begun)
        self.steps = Steps(self.state.completion, self.state.discriminator, self.state.mean_pixel, config, world)
        if saved:
            self.state.load_state_dict(saved)
        self.check_shared()
        self.validation: Validation | None = None
        if config.validate and world.is_first:
            self.validation = Validation(config.validate, config, world.device)
        self.has_stalled = False
        self.shown: TrainingBatch | None = None

    def check_shared(self) -> None:
        """ValueError on all processes if they do not go on with the same state and photos."""
        if self.world.ranks == 1:  # the names of Places2's photos are 195 MB on disk, read for nothing then
            return
        columns = self.catalog.columns
        photos = [sha256(np.ascontiguousarray(columns[key]).data).hexdigest() for key in ("names", "length")]
        values = {
            "the iteration they begin at": self.state.iteration,
            "the number of photos": len(self.catalog),
            "the photos' names": photos[0][:12],
            "the photos' sizes in bytes": photos[1][:12],
            "the mean pixel": tuple(round(value, 3) for value in self.state.spec.mean_pixel),
        }
        self.world.check_same(values, "--out and --photos must be on a disk that all nodes share")

    def measure_mean_pixel(self) -> tuple[float, float, float]:
        """The mean colour of the training photos, or of a sample of them."""
        sample, threads = self.config.mean_pixel_photos, max(1, self.config.workers)
        rgb, _ = mean_pixel(self.catalog, sample=sample, seed=self.config.seed, threads=threads)
        red, green, blue = rgb.tolist()
        return red, green, blue

    def run(self, stop: StopRequest) -> Outcome:
        """Iterate to the end of the schedule or to a stop; the last thing done is a checkpoint."""
        config, state, total = self.config, self.state, self.schedule.total
        with ExitStack() as stack:
            monitor = stack.enter_context(Monitor(self.folder, total, state.iteration)) if self.world.is_first else None
            loader = stack.enter_context(self.open_loader())
            batches = stack.enter_context(training_batches(loader, config.holes, config.seed, self.world))
            # A worker's death is then told by the next batch: torch's handler would raise in the midst of a step.
            chained = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            stack.callback(signal.signal, signal.SIGCHLD, chained or signal.SIG_DFL)
            if config.compile:
                batches = self.warm_up(monitor, batches)
            meter = Meter(config.batch)
            trouble: Exception | None = None
            while state.iteration < total:
                try:
                    with meter.waiting():
                        batch = next(batches)
                except Exception as error:  # whatever has become of the photos, what is learned so far is good
                    trouble = error
                # Not before the batch is there: processes that got theirs would wait for one that did not.
                if self.world.any(stop.requested or self.is_out_of_time() or self.has_stalled or trouble is not None):
                    break
                phase = self.schedule.phase(state.iteration)
                meter.add(state.iteration, batch.ids, self.step(phase, batch))
                state.iteration += 1
                if monitor:
                    self.look_ahead(monitor)
                if self.is_due(config.log_every):
                    self.report(monitor, phase, meter)
                if monitor:
                    self.show(monitor, phase)
                if self.is_due(config.checkpoint_every):
                    self.save(meter)
            self.save(meter)
            if loader.replaced:
                log.warning("%d samples were replaced, for these photos: %s", loader.replaced, ", ".join(loader.bad))
            if trouble:
                # What a killed worker leaves behind ("connection reset") does not say what it is about.
                why = trouble if isinstance(trouble, ValueError) else f"the loader failed (a worker killed?): {trouble}"
                raise RuntimeError(f"{why}\n{saved_so_far(config)}") from trouble
        is_judged = config.validate and config.best_file.exists()
        return Outcome(state.iteration, total, config.weights_file, config.best_file if is_judged else None)

    def is_out_of_time(self) -> bool:
        limit = self.config.time_limit
        return limit is not None and time.monotonic() - self.started > 60 * limit

    def step(self, phase: Phase, batch: TrainingBatch) -> Losses:
        """One iteration of both networks and of the moving average."""
        if phase is Phase.DISCRIMINATOR and self.state.iteration == self.schedule.completion:
            # From here on C completes with its statistics, which each process has gathered from its own photos.
            self.world.copy_buffers_from_first(self.state.completion.network)
        losses = self.steps.run(phase, batch)
        if self.state.average and phase is not Phase.DISCRIMINATOR:
            self.state.average.follow(self.state.completion.network)
        return losses

    def open_loader(self) -> Loader:
        """Crops from the first sample of the current iteration on."""
        config, world = self.config, self.world
        sampler = CropSampler(self.catalog, config.seed, config.crop_size, config.shorter_edge, config.flip)
        return open_loader(
            config.loader,
            self.catalog,
            sampler,
            config.batch // world.ranks,
            device=world.device,
            rank=world.rank,
            ranks=world.ranks,
            workers=config.workers,
            start=self.state.iteration * config.batch,
        )

    def warm_up(self, monitor: Monitor | None, batches: Iterator[TrainingBatch]) -> Iterator[TrainingBatch]:
        """Compile what the phases still to come will run, on all processes at the same time, and change nothing.

        Returns the batches with the first, which this looks at, still in front.
        """
        if monitor:
            monitor.say("compiling ...")
        started = time.monotonic()
        first = next(batches)
        before = copy.deepcopy(self.state.state_dict())
        for phase in dict.fromkeys(map(self.schedule.phase, range(self.state.iteration, self.schedule.total))):
            self.steps.run(phase, first)
        self.state.load_state_dict(before)
        self.world.barrier()
        if monitor:
            monitor.say(f"compiled in {time.monotonic() - started:.0f} s")
        return itertools.chain([first], batches)

    def look_ahead(self, monitor: Monitor) -> None:
        """Count the iteration; once the first ones are measured, say what the run will take."""
        measured = monitor.measured(self.state.iteration)
        if measured in (None, MEASURED):
            settle(self.world.device)
        monitor.finished(self.state.iteration)
        if measured == MEASURED:
            each = monitor.seconds_each(self.state.iteration)
            monitor.say(outlook(self.config, self.state, len(self.catalog), each, self.world.device))

    def show(self, monitor: Monitor, phase: Phase) -> None:
        """Once in a while: pictures, and what is measured on other photos. The photos are the same each time."""
        state, config = self.state, self.config
        if self.validation and self.is_due(config.validate_every):
            monitor.validation(state.iteration, phase, self.validation.measure(state, self.steps))
            self.look_back(monitor)
        if self.is_due(config.picture_every):
            if self.shown is None:
                catalog = Catalog.open(config.validate) if config.validate else self.catalog
                self.shown = fixed_batch(catalog, config, SHOWN, self.world.device)
            monitor.picture(state.iteration, picture(state, self.steps, self.shown, phase))

    def look_back(self, monitor: Monitor) -> None:
        """Keep the network if no judgement before was better; stop soon if too many were no better than one before."""
        worse, patience = since_best(judgements(monitor.metrics_file)), self.config.patience
        if worse == 0:
            with monitor.reporting():
                save_network(self.config.best_file, self.config, self.state, len(self.catalog))
        elif patience and worse >= patience:
            self.has_stalled = True
            monitor.say(f"the last {worse} judgements were no better than one before (--patience {patience})")

    def is_due(self, every: int) -> bool:
        return self.state.iteration % every == 0 or self.state.iteration == self.schedule.total

    def report(self, monitor: Monitor | None, phase: Phase, meter: Meter) -> None:
        """Look at the losses since the last report, and show them."""
        self.check_finite(meter)
        values = meter.take(self.world)
        if monitor:
            monitor.metrics(self.state.iteration, phase, values)

    def check_finite(self, meter: Meter) -> None:
        """FloatingPointError on all processes if on one of them a loss since the last report is not finite."""
        trouble = divergence(self.state, meter, self.folder / f"diverged-{self.world.rank}.json")
        if self.world.any(trouble is not None):  # one that left alone would leave the others waiting for it
            raise FloatingPointError(trouble or "the losses of another process are not finite; it says which")

    def save(self, meter: Meter) -> None:
        """Write the checkpoint and the weights, unless they are there or the losses are not finite.

        OSError, saying where a resumed run would begin, if they cannot be written.
        """
        self.check_finite(meter)
        if self.world.is_first:
            try:
                write_what_is_missing(self.config, self.state, len(self.catalog))
            except OSError as error:
                raise OSError(f"{error}\n{saved_so_far(self.config)}") from error
        self.world.barrier()
