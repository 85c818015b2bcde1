"""The runtimes that are not PyTorch's, through the same completer on the same photograph."""

import logging
import sys

import numpy as np
import pytest
import torch

from engine.inference.completer import Completer
from engine.inference.graphs.export import GRAPHS, cached_onnx
from engine.inference.runtimes import open_runtime, picking
from engine.inference.runtimes.picking import NARROW, has_nvidia_gpu, pick_runtime
from engine.inference.runtimes.torch_runtime import fast_precision, holed_tensor
from engine.inference.windows.layer_plan import NO_MARGINS, Margins
from engine.packages import import_optional
from engine.weights import NetworkWeights
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
    ("size", "margins"),
    [
        ((2, 372, 404), Margins(152, 152, 152, 152)),
        ((1, 236, 320), Margins(0, 152, 100, 152)),
        ((1, 64, 96), Margins(0, 8, 0, 12)),
        ((3, 36, 8), NO_MARGINS),
    ],
    ids=["interior", "corner", "little to cut", "whole"],
)
def test_windows_agree_with_pytorch(net, name, size, margins):
    random = np.random.default_rng(1)
    pixels_NHW3 = random.integers(0, 256, (*size, 3), np.uint8)
    mask_NHW = random.random(size) < 0.2
    runtime = open_runtime(name, NetworkWeights.of(net), precision="fp32", memory=1 << 28)
    first_NHW3 = runtime.generate(pixels_NHW3, mask_NHW, margins)
    kept_NHW3 = first_NHW3.copy()
    runtime.generate(255 - pixels_NHW3, mask_NHW, margins)
    assert np.array_equal(first_NHW3, kept_NHW3), "a later run wrote into an earlier result"
    expected_N3HW = margins.cut(net(holed_tensor(pixels_NHW3, mask_NHW, net.spec)))
    np.testing.assert_allclose(first_NHW3, expected_N3HW.permute(0, 2, 3, 1).numpy(), rtol=0, atol=1e-5)


def test_openvino_leaves_to_pytorch_what_that_computes_faster(net):
    runtime = open_runtime("openvino", NetworkWeights.of(net), precision="fp32", memory=1 << 28)
    pixels_NHW3, mask_NHW = np.zeros((1, 236, 320, 3), np.uint8), np.zeros((1, 236, 320), bool)
    runtime.generate(pixels_NHW3, mask_NHW, Margins(0, 152, 100, 152))  # PyTorch has half of the arithmetic
    assert not runtime.runners
    runtime.generate(pixels_NHW3, mask_NHW, Margins(0, 8, 0, 12))
    assert runtime.runners.keys() == {"padded"}


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


def test_auto_says_what_it_takes_and_why(net, caplog, monkeypatch):
    with caplog.at_level(logging.DEBUG, logger="engine"):
        assert open_runtime("auto", NetworkWeights.of(net), device="cpu").name == "openvino"
        for there in ([], [None]):  # entries of the cache, none of which is of this network
            monkeypatch.setattr("engine.inference.graphs.engine_cache.entries", lambda there=there: there)
            assert open_runtime("auto", NetworkWeights.of(random_network(2)), device="cpu").name == "onnx"
    assert caplog.text.count("runtime onnx, fp32: the network is narrow") == 2
    fast = fast_precision("cpu")
    assert f"runtime openvino, {fast}: it is installed and this network is exported for it" in caplog.text


@pytest.fixture
def never_exported():
    """The weights of a network that is not narrow."""
    return NetworkWeights.of(random_network(NARROW))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"precision": "fp16"}, "torch"),
        ({"precision": "fp16", "once": True}, "torch"),
        ({"precision": "int8"}, "openvino"),
        ({"device": "cuda:0"}, "torch"),
        ({"device": "cuda:0", "once": True}, "torch"),
        ({"once": True}, "onnx"),
        ({"precision": "fp32", "once": True, "device": "auto"}, "onnx"),
        ({"precision": "bf16", "once": True}, "torch"),
        ({"precision": "fp32"}, "onnx"),
    ],
)
def test_auto_without_an_export_of_the_network(never_exported, asked, expected):
    asked = {"precision": "auto", "device": "cpu", "once": False} | asked
    assert pick_runtime(never_exported, **asked)[0] == expected


@pytest.mark.parametrize(("fast", "expected"), [("fp32", "onnx"), ("bf16", "torch")])
def test_auto_leaves_onnx_runtime_where_pytorch_computes_many_photos_in_bf16(
    never_exported, fast, expected, monkeypatch
):
    monkeypatch.setattr("engine.inference.runtimes.torch_runtime.fast_precision", lambda device: fast)
    assert pick_runtime(never_exported, "auto", "cpu", once=False)[0] == expected
    assert pick_runtime(never_exported, "auto", "cpu", once=True)[0] == "onnx"


def test_auto_asks_pytorch_where_there_is_a_gpu(never_exported, monkeypatch):
    assert not has_nvidia_gpu() or torch.version.cuda is None or torch.cuda.is_available()
    monkeypatch.setattr(picking, "has_nvidia_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_runtime(never_exported, "auto", "auto", once=True)[0] == "torch"
    assert pick_runtime(never_exported, "auto", "cpu", once=True)[0] == "onnx"


def test_without_pytorch_auto_takes_onnx_runtime_and_all_else_names_what_to_install(never_exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert pick_runtime(never_exported, "auto", "auto", once=False)[0] == "onnx"
    for options in ({"precision": "fp16"}, {"name": "torch"}, {"name": "openvino"}, {"device": "cuda"}):
        with pytest.raises(ValueError, match=r"torch is needed .*: pip install 'glcic-engine\[torch\]'"):
            open_runtime(**{"name": "auto", "weights": never_exported} | options)


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
        open_runtime(weights=NetworkWeights.of(random_network(2)), **options)


def test_a_missing_package_names_the_line_that_installs_it(monkeypatch):
    with pytest.raises(ValueError, match=r"tensorrt is needed \(No module named 'tensorrt'\): pip install 'glcic-eng"):
        import_optional("tensorrt")
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)
    with pytest.raises(ValueError, match=r"^torchmetrics is needed .*: pip install 'glcic-engine\[evaluate\]'"):
        import_optional("torchmetrics.functional.image")
