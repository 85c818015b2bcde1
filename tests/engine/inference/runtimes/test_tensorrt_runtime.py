"""TensorRT on a GPU: agreement with PyTorch, CUDA graphs, the fallback, the cache. Run by `make gpu`."""

import logging

import numpy as np
import pytest
import torch

from engine.inference.completer import Completer
from engine.inference.graphs import engine_cache
from engine.inference.graphs.export import TOLERANCES
from engine.inference.runtimes.tensorrt_runtime import TensorrtRuntime
from engine.inference.windows.layer_plan import NO_MARGINS, Margins
from tests.engine.inference.conftest import random_network


def reason_to_skip() -> str:
    """Why TensorRT cannot run here, if it cannot."""
    try:
        TensorrtRuntime(random_network(2))
    except ValueError as error:
        return str(error)
    return ""


REASON = reason_to_skip()  # once: on a GPU this opens a runtime
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(bool(REASON), reason=REASON)]

WIDTH = 16
HALO = Margins(152, 152, 152, 152)


@pytest.fixture(scope="module")
def net():
    return random_network(WIDTH, "norm_act", "residual")


@pytest.fixture(scope="module", params=["fp16", "fp32", "bf16"])
def runtime(request, net):
    return TensorrtRuntime(net, precision=request.param)


@pytest.mark.parametrize(
    ("size", "margins"),
    [
        ((5, 372, 404), HALO),
        ((1, 236, 320), Margins(0, 152, 100, 152)),
        ((1, 256, 256), NO_MARGINS),
        ((2, 36, 8), NO_MARGINS),
    ],
    ids=["interior", "corner", "whole and static", "whole, in PyTorch"],
)
def test_windows_agree_with_pytorch(runtime, net, size, margins):
    batch, height, width = size
    holed_N4HW = torch.rand(batch, 4, height, width, generator=torch.Generator().manual_seed(1))
    expected_N3HW = margins.cut(net(holed_N4HW))
    for _ in range(2):  # the second is a replay
        generated_N3HW = runtime.run(holed_N4HW.cuda(), margins)
        assert generated_N3HW.is_cuda
        torch.testing.assert_close(generated_N3HW.cpu(), expected_N3HW, rtol=0, atol=TOLERANCES[runtime.precision])
    other_N3HW = runtime.run(1 - holed_N4HW.cuda(), margins)
    assert not torch.equal(generated_N3HW, other_N3HW), "a replay wrote into an earlier result"


def test_the_graph_is_captured_and_runs_in_torchs_stream(runtime):
    engine = runtime.engine("interior", (1, 4, 368, 368))
    assert engine.graph is not None
    with torch.cuda.stream(torch.cuda.Stream()):
        holed_N4HW = torch.ones(1, 4, 368, 368, device="cuda").mul_(0.5)
        replayed_N3HW = engine.run(holed_N4HW)
        engine.enqueue()
        torch.cuda.current_stream().synchronize()
        assert torch.equal(engine.generated_N3HW, replayed_N3HW)


def test_an_engine_opened_in_inference_mode_runs_outside(net):
    runtime = TensorrtRuntime(net, precision="fp32")
    holed_N4HW = torch.rand(1, 4, 368, 368, device="cuda")
    with torch.inference_mode():
        inside_N3HW = runtime.run(holed_N4HW, HALO)
    assert torch.equal(runtime.run(holed_N4HW, HALO), inside_N3HW)


def test_engines_are_closed_beyond_the_memory_limit(net):
    runtime = TensorrtRuntime(net, precision="fp32")
    first, second = (runtime.engine("interior", (1, 4, side, side)) for side in (368, 432))
    runtime.memory = first.memory + second.memory - 1
    runtime.engine("interior", (1, 4, 368, 368))
    assert runtime.engines == {("interior", (1, 4, 368, 368)): first}


def test_engines_and_timings_are_cached_and_damage_rebuilt(runtime, caplog):
    runtime.engine("padded", (1, 4, 368, 368))
    kinds = {entry.key["kind"] for entry in engine_cache.entries()}
    assert kinds >= ({"engine", "timings"} if runtime.trt.__name__ == "tensorrt" else {"engine"})
    path = engine_cache.entry_path(runtime.key("padded", (1, 4, 368, 368)))
    whole = path.read_bytes()
    path.write_bytes(whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:])
    with caplog.at_level(logging.WARNING):
        runtime.open_engine("padded", (1, 4, 368, 368))
    assert "it is damaged" in caplog.text


def test_a_photo(runtime, net, astronaut_HW3):
    mask_HW = np.zeros(astronaut_HW3.shape[:2], bool)
    mask_HW[230:280, 240:300] = True
    expected_HW3 = Completer.of(net, "torch", "fp32", "cpu", 1 << 28).complete(astronaut_HW3, mask_HW, texture="none")
    completed_HW3 = Completer(runtime).complete(astronaut_HW3, mask_HW, texture="none")
    assert np.array_equal(completed_HW3[~mask_HW], astronaut_HW3[~mask_HW])
    assert np.abs(completed_HW3.astype(int) - expected_HW3).max() <= 255 * TOLERANCES[runtime.precision] + 1
