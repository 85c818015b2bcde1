"""Weights files: what is written is what is read, and nothing else is taken for it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine import weights
from engine.networks import CompletionNetwork
from engine.spec import CompletionSpec, tensor_shapes
from engine.weights import NetworkWeights, load_weights, save_weights


@pytest.mark.parametrize("fill", ["mean", "smooth", "learned"])
@pytest.mark.parametrize("base_width", [2, 16])
def test_shapes_are_those_of_the_network(fill, base_width):
    spec = CompletionSpec(base_width=base_width, fill=fill)
    state = CompletionNetwork(spec).state_dict()
    assert tensor_shapes(spec) == {name: tuple(tensor.shape) for name, tensor in state.items()}


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


def test_the_same_network_gives_the_same_bytes(network, tmp_path):
    files = set()
    for _ in range(20):
        save_weights(tmp_path / "weights.safetensors", network)
        files.add((tmp_path / "weights.safetensors").read_bytes())
    assert len(files) == 1


def test_paths_may_be_strings(network, tmp_path):
    save_weights(str(tmp_path / "weights"), network)
    assert load_weights(str(tmp_path / "weights")).spec == network.spec
    assert load_weights("default").spec == load_weights(weights.DEFAULT_WEIGHTS).spec


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_files_of_every_precision_are_read_as_fp32(network, tmp_path, dtype):
    network.to(dtype)
    save_weights(tmp_path / "file", network)
    read = load_weights(tmp_path / "file").state_dict()
    for name, tensor in network.state_dict().items():
        expected = tensor if name.endswith("tracked") else tensor.float()
        assert torch.equal(read[name], expected) and read[name].dtype == expected.dtype  # noqa: PT018


def test_files_of_other_numbers_are_refused(network, tmp_path):
    save_weights(tmp_path / "file", network, network.spec)
    tensors = load_file(tmp_path / "file") | {"to_rgb.bias": torch.zeros(3, dtype=torch.uint8)}
    save_file(tensors, tmp_path / "file")
    with pytest.raises(ValueError, match="numbers of type 'U8'; this version reads F64, F32"):
        load_weights(tmp_path / "file")


def test_a_network_in_memory_is_its_own_weights(network):
    held = NetworkWeights.of(network)
    assert held.network is network
    assert {name: array.shape for name, array in held.tensors.items()} == tensor_shapes(network.spec)
    in_bf16 = NetworkWeights.of(network.to(torch.bfloat16))
    assert in_bf16.tensors["to_rgb.weight"].dtype == np.float32


def test_weights_are_read_without_torch():
    script = (
        "import sys; from engine.weights import read_weights; read_weights('default'); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"False\n"


def test_default_names_the_weights_that_come_with_the_engine(tmp_path, monkeypatch):
    assert load_weights(Path("default")).spec == load_weights(weights.DEFAULT_WEIGHTS).spec
    monkeypatch.setattr(weights, "DEFAULT_WEIGHTS", tmp_path / "left-out.safetensors")
    with pytest.raises(ValueError, match=r"no weights of its own \(no .*left-out.*engine-train, or name a file"):
        load_weights(Path("default"))


def test_what_is_not_a_weights_file_is_refused(network, tmp_path):
    missing, text, foreign, other = (tmp_path / name for name in ("missing", "text", "foreign", "other"))
    text.write_text("not tensors")
    save_file({"conv1.weight": torch.zeros(3)}, foreign)
    save_weights(other, network, CompletionSpec(base_width=8))
    for path, reason in ((missing, "no weights"), (text, "readable"), (foreign, "spec"), (other, "wrong or missing")):
        with pytest.raises(ValueError, match=reason):
            load_weights(path)
