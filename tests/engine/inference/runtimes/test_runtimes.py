"""The runtimes that are not PyTorch's, through the same completer on the same photograph."""

import importlib.util
import logging
import sys

import numpy as np
import pytest
import torch

from engine.inference import runtimes
from engine.inference.completer import Completer
from engine.inference.graphs.export import GRAPHS, cached_onnx
from engine.inference.runtimes import open_runtime, pick_runtime
from engine.inference.runtimes.torch_runtime import fast_precision
from engine.inference.windows.layer_plan import NO_MARGINS, Margins
from engine.packages import import_optional
from tests.engine.inference.conftest import random_network

WIDTH = 6
OTHERS = ("onnx", "openvino")


@pytest.fixture(scope="module")
def net():
    """A network whose two graphs are in the cache."""
    network = random_network(WIDTH, "norm_act", "residual")
    for graph in GRAPHS:
        cached_onnx(network, "fp32", graph)
    return network


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    ("size", "margins", "graphs"),
    [
        ((2, 372, 404), Margins(152, 152, 152, 152), {"interior"}),
        ((1, 236, 320), Margins(0, 152, 100, 152), set()),  # PyTorch has half of the arithmetic
        ((1, 64, 96), Margins(0, 8, 0, 12), {"padded"}),
        ((3, 36, 8), NO_MARGINS, {"padded"}),
    ],
    ids=["interior", "corner", "little to cut", "whole"],
)
def test_windows_agree_with_pytorch(net, name, size, margins, graphs):
    batch, height, width = size
    holed_N4HW = torch.rand(batch, 4, height, width, generator=torch.Generator().manual_seed(1))
    holed_N4HW = holed_N4HW.contiguous(memory_format=torch.channels_last)  # as the completer gives them
    runtime = open_runtime(name, net, precision="fp32", memory=1 << 28)
    first_N3HW = runtime.run(holed_N4HW, margins)
    kept_N3HW = first_N3HW.clone()
    runtime.run(1 - holed_N4HW, margins)
    assert torch.equal(first_N3HW, kept_N3HW), "a later run wrote into an earlier result"
    torch.testing.assert_close(first_N3HW, margins.cut(net(holed_N4HW)), rtol=0, atol=1e-5)
    assert runtime.graphs.runners.keys() == graphs


@pytest.mark.parametrize("name", OTHERS)
def test_a_photo_completed_by_each_runtime(net, astronaut_HW3, name):
    mask_HW = np.zeros(astronaut_HW3.shape[:2], bool)
    mask_HW[230:280, 240:300] = True  # an interior window
    mask_HW[:30, 5:40] = True  # a window at the photo's corner
    expected_HW3 = Completer.of(net, "torch", "fp32", "cpu", 1 << 28).complete(astronaut_HW3, mask_HW, texture="none")
    completed_HW3 = Completer.of(net, name, memory=1 << 28).complete(astronaut_HW3, mask_HW, texture="none")
    assert np.array_equal(completed_HW3[~mask_HW], astronaut_HW3[~mask_HW])
    assert (completed_HW3[mask_HW] != astronaut_HW3[mask_HW]).mean() > 0.5
    assert np.abs(completed_HW3.astype(int) - expected_HW3).max() <= 1


def test_auto_says_what_it_takes_and_why(net, caplog):
    with caplog.at_level(logging.DEBUG, logger="engine"):
        assert open_runtime("auto", net, device="cpu").name == "openvino"
    fast = fast_precision(torch.device("cpu"))
    assert f"runtime openvino, {fast}: it is installed and this network is exported for it" in caplog.text
    never_exported = random_network(2)
    assert pick_runtime(never_exported, "auto", "cpu") == (
        "torch",
        "openvino is installed, but this network is not exported for it: --runtime openvino",
    )
    assert pick_runtime(net, "fp16", "cpu")[0] == "torch"
    assert pick_runtime(net, "auto", "cuda:0")[0] == "torch"


def test_auto_leaves_onnx_runtime_where_pytorch_computes_in_bf16(net, monkeypatch):
    there = importlib.util.find_spec("onnxruntime")
    monkeypatch.setattr(runtimes, "find_spec", lambda name: there if name == "onnxruntime" else None)
    for fast, expected in (("fp32", "onnx"), ("bf16", "torch")):
        monkeypatch.setattr(runtimes, "fast_precision", lambda device, fast=fast: fast)
        assert pick_runtime(net, "auto", "cpu")[0] == expected
        assert pick_runtime(net, "fp32", "cpu")[0] == "onnx"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "onnx", "precision": "fp16"}, "the onnx runtime computes in fp32, not in fp16"),
        ({"name": "openvino", "precision": "fp16"}, "no precision 'fp16'; choose one of: fp32, bf16, int8"),
        (
            {"name": "openvino", "precision": "int8"},
            "int8 needs a calibration beside the network.s weights file",
        ),
        ({"name": "openvino", "device": "cuda"}, "computes on the CPU, not on cuda"),
        ({"name": "auto", "precision": "int8", "device": "cpu"}, "int8 needs a calibration beside"),
        ({"name": "tensorrt", "device": "cpu"}, "TensorRT needs an NVIDIA GPU .* run without --trt"),
    ],
)
def test_requests_that_cannot_be_met(options, message):
    with pytest.raises(ValueError, match=message):
        open_runtime(network=random_network(2), **options)


def test_a_missing_package_names_the_line_that_installs_it(monkeypatch):
    with pytest.raises(ValueError, match=r"tensorrt is needed \(No module named 'tensorrt'\): pip install 'glcic-eng"):
        import_optional("tensorrt")
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)
    with pytest.raises(ValueError, match=r"^torchmetrics is needed .*: pip install 'glcic-engine\[evaluate\]'"):
        import_optional("torchmetrics.functional.image")
