"""What TensorRT-RTX builds, which needs no GPU for that."""

import logging
import signal
import threading

import pytest
from rich.progress import Progress

from engine.inference.export import cached_onnx
from engine.inference.tensorrt_build import build_engine, noted_interrupt
from tests.engine.inference.conftest import random_network

TURING = (7, 5)
SHAPE = (1, 4, 64, 64)


@pytest.fixture(scope="module")
def net(exports_folder):
    return random_network(4, "norm_act", "residual")


def test_ctrl_c_ends_a_build(net, monkeypatch):
    trt = pytest.importorskip("tensorrt_rtx")
    content = cached_onnx(net, "fp32", "padded")
    calls = []

    def press(*_, **__):
        calls.append(signal.raise_signal(signal.SIGINT))

    monkeypatch.setattr(Progress, "update", press)  # which the monitor calls for each step of the build
    with pytest.raises(KeyboardInterrupt):
        build_engine(trt, content, SHAPE)
    assert calls
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_only_the_main_threads_ctrl_c_is_noted():
    entered = []

    def enter():
        with noted_interrupt():
            entered.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [signal.default_int_handler]


def test_tensorrt_rtx_builds_for_the_gpu_that_is_named(net):
    trt = pytest.importorskip("tensorrt_rtx")
    content = cached_onnx(net, "fp16", "padded")
    for capability in (TURING, (12, 0)):
        assert build_engine(trt, content, SHAPE, capability=capability, workspace=1 << 26).engine


def test_a_build_says_one_line_without_a_terminal(net, capfd, caplog):
    trt = pytest.importorskip("tensorrt_rtx")
    with caplog.at_level(logging.WARNING):
        build_engine(trt, cached_onnx(net, "fp32", "padded"), SHAPE)
    assert caplog.messages == ["tensorrt_rtx 1x4x64x64: building the engine; this may take minutes"]
    assert capfd.readouterr().err == ""
