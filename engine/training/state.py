"""The state of a run between two iterations: all that decides the next one, saved and restored as a whole."""

import logging
from dataclasses import asdict, astuple, replace
from typing import Any

import torch

from engine.networks import CompletionNetwork
from engine.spec import CompletionSpec
from engine.training.batch_norm import fix_batch_norm
from engine.training.checkpoint import checkpoints, load_newest
from engine.training.config import TrainConfig
from engine.training.discriminator import ContextDiscriminator
from engine.training.distributed import World
from engine.training.learner import Learner
from engine.training.migration import migrate
from engine.training.moving_average import MovingAverage
from engine.training.phases import Phase
from engine.weights import load_weights

log = logging.getLogger(__name__)

LASTING = (
    *("seed", "optimizer", "base_width", "norm_order", "output", "fill"),
    *("crop_size", "patch_size", "discriminator_width", "discriminator_features", "discriminator_leak"),
)
"""Options that a run keeps to its end: what they decide is in the checkpoint, or would not fit it."""

SCHEDULE = ("iterations", "completion_iterations", "discriminator_iterations", "split")
"""Options that decide the lengths of the phases."""


class RunState:
    """Two learners, the moving average, and the iterations done; new networks depend on the seed alone.

    `completion` is the network to begin from, else there is a new one with `mean_pixel` as its fill.
    """

    def __init__(
        self,
        config: TrainConfig,
        world: World,
        mean_pixel: tuple[float, float, float],
        completion: CompletionNetwork | None = None,
    ) -> None:
        self.config = config
        self.iteration = 0
        torch.manual_seed(config.seed)
        completion = completion or CompletionNetwork(config.spec(mean_pixel))
        self.spec = completion.spec
        self.mean_pixel = torch.tensor(self.spec.mean_pixel, device=world.device)
        discriminator = ContextDiscriminator(
            config.crop_size,
            config.patch_size,
            config.discriminator_width,
            config.discriminator_features,
            config.discriminator_leak,
        )
        if config.fixed_batch_norm:
            fix_batch_norm(completion)
        self.completion = Learner(completion, config.learning_rate, config, world)
        rate = config.discriminator_learning_rate or config.learning_rate
        self.discriminator = Learner(discriminator, rate, config, world)
        self.average = MovingAverage(completion, config.ema) if config.ema else None

    def best_network(self) -> CompletionNetwork:
        """The moving average where there is one, else the network itself."""
        network = self.average.module if self.average else self.completion.network
        assert isinstance(network, CompletionNetwork)
        return network

    def state_dict(self) -> dict[str, Any]:
        """The state, and the options for whoever looks into the file."""
        return {
            "iteration": self.iteration,
            "completion": self.completion.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "spec": asdict(self.spec),
            "config": self.config.as_json(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`. ValueError if the configured networks are others."""
        try:
            self.completion.load_state_dict(state["completion"])
            self.discriminator.load_state_dict(state["discriminator"])
        except (RuntimeError, ValueError, KeyError) as error:
            folder = self.config.run_folder
            message = f"the checkpoint in {folder} is of another network; resume with the options it began with"
            raise ValueError(message) from error
        if self.average and state["average"]:
            self.average.load_state_dict(state["average"])
        elif self.average:  # it was copied from the network before that was loaded
            self.average.module.load_state_dict(self.completion.network.state_dict())
        self.iteration = state["iteration"]


def network_to_begin_from(config: TrainConfig, saved: dict[str, Any] | None) -> CompletionNetwork | None:
    """That of the checkpoint, whose weights are still to be loaded, or of --init; None for a new one.

    ValueError if the file of --init is not to be read.
    """
    if saved:
        network = CompletionNetwork(CompletionSpec.from_json(saved["spec"]))
        provenance = network.spec.provenance
    elif config.init:
        network = load_weights(config.init).train()
        provenance = {"began_as": network.spec.provenance}
    else:
        return None
    network.spec = replace(network.spec, crop_size=config.crop_size, hole_size=config.hole_size, provenance=provenance)
    return network


def find_checkpoint(config: TrainConfig) -> dict[str, Any] | None:
    """The state to resume from. ValueError if it and the options do not fit together."""
    saved = load_newest(config.checkpoint_folder)
    if saved is None:
        if list(config.checkpoint_folder.glob("*.damaged")):
            raise ValueError(
                f"no checkpoint in {config.run_folder} can be read; start anew with another --out, and --init "
                f"{config.weights_file} if the weights there are whole"
            )
        check_there_is_something_to_resume(config)
        return None
    path, state = saved
    before, now = migrate(state, path)["config"], config.as_json()
    if not config.resume:
        raise ValueError(f"{config.run_folder} holds a run already; add --resume to continue it, or give another --out")
    for name in LASTING:
        if before[name] != now[name]:
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{path} was trained with {option} {before[name]}, not {now[name]}; resume with that")
    log.info("resuming from %s", path)
    report_schedule(config, state)
    return state


def check_there_is_something_to_resume(config: TrainConfig) -> None:
    """ValueError if the run is to be resumed and its folder holds no checkpoint."""
    folder = config.checkpoint_folder
    if config.resume is True and not checkpoints(folder) and not any(folder.glob("*.damaged")):
        missing = "holds no checkpoint" if config.run_folder.is_dir() else "does not exist"
        raise ValueError(
            f"nothing to resume: the run folder {config.run_folder} {missing}; name the run's folder with --out, "
            "or leave out --resume to begin there (--resume auto does what fits)"
        )


def report_schedule(config: TrainConfig, state: dict[str, Any]) -> None:
    """Say it if there is nothing left to do, and if the phases have other lengths now, as with more iterations and
    --split, and if the run goes back."""
    changed = {name: state["config"][name] for name in SCHEDULE}
    before, now, iteration = replace(config, **changed).schedule, config.schedule, state["iteration"]
    if iteration >= now.total:
        log.info("all %d iterations are done (%d): to train on, give more with --iterations", now.total, iteration)
        return
    if before == now:
        return
    lengths = "completion %d, discriminator %d, of %d in all"
    log.info(f"the schedule was {lengths}; now it is {lengths}", *astuple(before), *astuple(now))
    phases = list(Phase)
    was, is_now = before.phase(max(iteration - 1, 0)), now.phase(iteration)
    if phases.index(is_now) < phases.index(was):
        log.warning(
            "the run was in its %s phase, and goes back to the %s phase with it; to choose where the phases end: "
            "--split None --completion-iterations N --discriminator-iterations N",
            was,
            is_now,
        )
