"""Saving and loading what a run of the paper's networks needs to go on, and weights: against the disk's own speed.

python -m bench bench/test_checkpoints.py
"""

import os
from pathlib import Path

import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench import limits
from bench.rows import measure
from engine.networks import CompletionNetwork
from engine.spec import CompletionSpec
from engine.training.checkpoint import load_newest, save_checkpoint
from engine.training.discriminator import ContextDiscriminator
from engine.weights import load_weights, save_weights

ROUNDS = 3


def state_of_a_run() -> dict[str, object]:
    """Both networks and as much again twice over, which is what Adadelta keeps."""
    networks = {"completion": CompletionNetwork(CompletionSpec()), "discriminator": ContextDiscriminator()}
    state: dict[str, object] = {}
    for name, network in networks.items():
        tensors = network.state_dict()
        kept = [{key: torch.ones_like(tensor) for key, tensor in tensors.items()} for _ in range(2)]
        state[name] = {"network": tensors, "optimizer": kept}
    return state


def forget(path: Path) -> None:
    """Drop a file's pages from the kernel's cache."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_through(value: object) -> float:
    """Touch every tensor: what is mapped is not yet read."""
    if isinstance(value, torch.Tensor):
        return float(value.sum())
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(read_through(part) for part in parts)


def test_saving_a_checkpoint(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    state = state_of_a_run()
    path = save_checkpoint(tmp_path, 1, state, keep=1)
    measure(
        benchmark,
        "Checkpoints",
        "saving the paper's run: whole, flushed, renamed",
        lambda: save_checkpoint(tmp_path, 1, state, keep=1),
        {"torch.save, not flushed": lambda: torch.save(state, tmp_path / "plain")},
        limit=limits.writing_disk(),
        rounds=ROUNDS,
        moved=path.stat().st_size,
    )


def test_loading_a_checkpoint(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 1, state_of_a_run(), keep=1)

    def ours() -> None:
        forget(path)
        found = load_newest(tmp_path)
        assert found is not None
        read_through(found[1])

    def plain() -> None:
        forget(path)
        read_through(torch.load(path, map_location="cpu", weights_only=True))

    measure(
        benchmark,
        "Checkpoints",
        "loading it, from the disk",
        ours,
        {"torch.load": plain},
        limit=limits.reading_disk(),
        rounds=ROUNDS,
        moved=path.stat().st_size,
    )


def test_weights(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    network, path = CompletionNetwork(CompletionSpec()), tmp_path / "weights.safetensors"

    def ours() -> None:
        save_weights(path, network)
        load_weights(path)

    def plain() -> None:
        torch.save(network.state_dict(), tmp_path / "plain.pt")
        CompletionNetwork(CompletionSpec()).load_state_dict(torch.load(tmp_path / "plain.pt", weights_only=True))

    row = "weights of the paper's network: saving, then loading into a network"
    measure(benchmark, "Checkpoints", row, ours, {"torch.save, torch.load": plain}, rounds=ROUNDS)
