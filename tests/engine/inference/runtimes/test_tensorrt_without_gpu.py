"""What TensorRT's runtime decides, and builds with TensorRT-RTX, which needs no GPU for that."""

import logging
import re
import signal
import sys
import threading

import pytest
import torch
from rich.progress import Progress

from engine.inference.graphs import engine_cache
from engine.inference.graphs.export import cached_onnx
from engine.inference.graphs.tensorrt_build import build_engine, import_tensorrt, noted_interrupt
from engine.inference.runtimes.tensorrt_runtime import (
    TensorrtRuntime,
    advice,
    checked_windows,
    pick_precisions,
)
from engine.inference.windows.layer_plan import Margins
from tests.engine.inference.conftest import random_network

TURING, AMPERE = (7, 5), (8, 0)
SHAPE = (1, 4, 64, 64)


@pytest.fixture(scope="module")
def net():
    return random_network(4, "norm_act", "residual")


class WithoutGpu(TensorrtRuntime):
    """With PyTorch on the CPU, and builds that fail in all precisions but `buildable`."""

    buildable = ()

    def __init__(self, network, precision="auto", capability=AMPERE):
        self.network, self.device, self.capability = network, torch.device("cpu"), capability
        self.precision, *self.alternatives = pick_precisions(precision, capability)
        self.workspace, self.memory, self.max_batch_pixels = None, 1 << 28, 1 << 20
        self.in_pytorch, self.engines, self.failures, self.misfit_reported = {}, {}, {}, False
        self.builds = []

    def machine(self):
        return {"gpu": "none"}

    def build(self, graph, shape):
        self.builds.append((self.precision, graph, shape))
        if self.precision not in self.buildable:
            raise self.error
        return b"content", torch.nn.Identity()

    error = ValueError("it differs from PyTorch")


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ENGINE_CACHE", str(tmp_path))


def test_pytorch_runs_what_fits_no_static_shape_and_that_is_said_once(net, caplog):
    runtime = WithoutGpu(net, "fp32")
    holed_N4HW, margins = torch.rand(2, 4, 64, 300), Margins(0, 0, 0, 152)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            generated_N3HW = runtime.run(holed_N4HW, margins)
    torch.testing.assert_close(generated_N3HW, margins.cut(net(holed_N4HW)), rtol=0, atol=1e-5)
    assert runtime.builds == []
    (said,) = caplog.messages
    assert "a window of 64x300 fits none of TensorRT's static shapes" in said
    assert said.endswith("PyTorch runs it and others like it in fp32")


@pytest.mark.parametrize("error", [ValueError("it differs from PyTorch"), torch.OutOfMemoryError("no room")])
def test_a_build_that_failed_is_not_tried_again(net, empty_cache, error):
    runtime = WithoutGpu(net, "fp16")
    runtime.error = error
    for _ in range(3):
        with pytest.raises(type(error), match=str(error)):
            runtime.engine("padded", SHAPE)
    assert runtime.builds == [("fp16", "padded", SHAPE)]


def test_auto_goes_on_to_the_precision_that_is_exact_enough(net, empty_cache, caplog):
    runtime = WithoutGpu(net)
    runtime.buildable = ("fp32",)
    with caplog.at_level(logging.WARNING):
        runtime.engine("padded", SHAPE)
    assert [precision for precision, *_ in runtime.builds] == ["fp16", "bf16", "fp32"]
    assert runtime.precision == "fp32"
    assert "it differs from PyTorch. From here on TensorRT computes in bf16" in caplog.text


def test_precisions_and_advice_are_those_that_the_gpu_has():
    assert pick_precisions("auto", AMPERE) == ["fp16", "bf16", "fp32"]
    assert pick_precisions("auto", TURING) == ["fp16", "fp32"]
    assert pick_precisions("bf16", AMPERE) == ["bf16"]
    with pytest.raises(ValueError, match=r"capability 7\.5, and TensorRT's bf16 needs 8\.0: --precision fp16 or fp32"):
        pick_precisions("bf16", TURING)
    with pytest.raises(ValueError, match="TensorRT engines are fp16, bf16, fp32, not 'int8'"):
        pick_precisions("int8", AMPERE)
    assert advice("fp16", AMPERE) == "use --precision bf16 or fp32, or run without --trt"
    assert advice("fp16", TURING) == "use --precision fp32, or run without --trt"
    assert advice("fp32", AMPERE) == "run without --trt"


def test_an_engine_has_a_key_of_its_own(net):
    runtime, limited = WithoutGpu(net, "fp16"), WithoutGpu(net, "fp16")
    limited.workspace = 1 << 30
    keys = [
        runtime.key("padded", SHAPE),
        runtime.key("interior", SHAPE),
        runtime.key("padded", (4, *SHAPE[1:])),
        WithoutGpu(net, "fp32").key("padded", SHAPE),
        limited.key("padded", SHAPE),
        WithoutGpu(random_network(6), "fp16").key("padded", SHAPE),
    ]
    assert len({engine_cache.entry_path(key) for key in keys}) == len(keys)
    assert WithoutGpu(net, "fp16").key("padded", SHAPE) == keys[0]
    assert {key["kind"] for key in keys} == {"engine"}


def test_engines_are_checked_on_windows_of_all_kinds():
    windows = list(checked_windows((2, 4, 100, 60)))
    assert {window.shape for window in windows} == {(2, 4, 100, 60)}
    assert all(set(window[:, 3].unique().tolist()) == {0, 1} for window in windows)
    fields_N3HW = windows[-1][:, :3]
    assert set(fields_N3HW.unique().tolist()) == {0, 1}
    assert (fields_N3HW[:, :, :16, :16] == fields_N3HW[:, :, :1, :1]).all()


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
    with caplog.at_level(logging.INFO):
        build_engine(trt, cached_onnx(net, "fp32", "padded"), SHAPE)
    assert caplog.messages[-2] == "tensorrt_rtx 1x4x64x64: building the engine"
    assert re.fullmatch(r"built in \d+\.\d s", caplog.messages[-1])
    assert capfd.readouterr().err == ""


def test_a_tensorrt_that_does_not_load_leaves_the_one_that_does(tmp_path, monkeypatch):
    pytest.importorskip("tensorrt_rtx")
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    assert import_tensorrt().__name__ == "tensorrt_rtx"
    (tmp_path / "tensorrt_rtx.py").write_text("raise ImportError('no library either')")
    monkeypatch.delitem(sys.modules, "tensorrt_rtx")
    with pytest.raises(ValueError, match=r"libnvinfer.so is missing.*\[tensorrt\]'; .*no library either.*\[rtx\]'"):
        import_tensorrt()
