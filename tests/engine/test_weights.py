"""Weights files: what is written is what is read, and nothing else is taken for it."""

import errno
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine import files
from engine.files import atomic_writer, write_atomically
from engine.networks import CompletionNetwork, CompletionSpec
from engine.weights import load_weights, save_weights


@pytest.fixture
def network() -> CompletionNetwork:
    torch.manual_seed(0)
    spec = CompletionSpec(base_width=4, mean_pixel=(0.4, 0.5, 0.6), provenance={"photos": 12})
    network = CompletionNetwork(spec).to(memory_format=torch.channels_last)
    network(torch.rand(2, 4, 16, 16))  # moves the batch norm statistics away from their start
    return network.eval()


def test_weights_come_back_with_their_spec(network, tmp_path):
    path = tmp_path / "deep" / "weights.safetensors"
    save_weights(path, network)
    loaded = load_weights(path)
    assert loaded.spec == network.spec
    assert not loaded.training
    x = torch.rand(1, 4, 32, 32)
    assert torch.equal(loaded(x), network.to(memory_format=torch.contiguous_format)(x))


def test_half_precision_files_are_read_as_fp32(network, tmp_path):
    save_weights(tmp_path / "half", network.half())
    assert next(load_weights(tmp_path / "half").parameters()).dtype == torch.float32


def test_what_is_not_a_weights_file_is_refused(network, tmp_path):
    missing, text, foreign, other = (tmp_path / name for name in ("missing", "text", "foreign", "other"))
    text.write_text("not tensors")
    save_file({"conv1.weight": torch.zeros(3)}, foreign)
    save_weights(other, network, CompletionSpec(base_width=8))
    for path, reason in ((missing, "no weights"), (text, "readable"), (foreign, "spec"), (other, "wrong or missing")):
        with pytest.raises(ValueError, match=reason):
            load_weights(path)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def disk_full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space"), atomic_writer(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_get_the_usual_permissions(tmp_path: Path):
    (tmp_path / "plain").write_bytes(b"")
    write_atomically(tmp_path / "atomic", b"")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode
