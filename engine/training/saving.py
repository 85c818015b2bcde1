"""The files that a run goes on from and leaves: its checkpoint, and its completion network's weights."""

from dataclasses import replace
from pathlib import Path

from engine.training.checkpoint import checkpoints, iteration_of, save_checkpoint
from engine.training.config import TrainConfig
from engine.training.state import RunState
from engine.weights import save_weights


def saved_so_far(config: TrainConfig) -> str:
    """One sentence on the iteration from which a failed run would resume."""
    saved = checkpoints(config.checkpoint_folder)
    if not saved:
        return "nothing is saved yet"
    return f"iteration {iteration_of(saved[0])} of {config.iterations} is saved; --resume goes on from it"


def write_what_is_missing(config: TrainConfig, state: RunState, photos: int) -> None:
    """Write the checkpoint and the weights of this iteration, unless they are there."""
    newest = checkpoints(config.checkpoint_folder)[:1]
    is_new = not (newest and iteration_of(newest[0]) == state.iteration)
    if is_new or not config.weights_file.exists():
        save_network(config.weights_file, config, state, photos)
    if is_new:  # last: with it, this iteration counts as saved
        save_checkpoint(config.checkpoint_folder, state.iteration, state.state_dict(), config.keep)


def save_network(path: Path, config: TrainConfig, state: RunState, photos: int) -> None:
    """Write the completion network, which says in its spec where it comes from."""
    provenance = state.spec.provenance | {
        "preset": config.preset,
        "iterations": state.iteration,
        "batch": config.batch,
        "photos": photos,
        "seed": config.seed,
    }
    save_weights(path, state.best_network(), replace(state.spec, provenance=provenance))
