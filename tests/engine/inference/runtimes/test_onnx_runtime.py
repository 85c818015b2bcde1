"""The network on windows in ONNX Runtime: PyTorch's to rounding, and the whole photo's bit for bit, without PyTorch."""

import subprocess
import sys
from functools import cache
from itertools import product

import numpy as np
import onnx
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from engine.inference.graphs.window_graph import INPUT, OUTPUT, window_graph
from engine.inference.runtimes.onnx_runtime import OnnxRuntime
from engine.inference.windows.layer_plan import MIN_REGION, NO_MARGINS, Borders, Margins
from engine.inference.windows.network import WindowNetwork
from engine.networks import CompletionNetwork
from engine.spec import STRIDE, CompletionSpec
from engine.weights import NetworkWeights
from tests.engine.inference.conftest import random_network

ALL_BORDERS = [Borders(*borders) for borders in product((True, False), repeat=4)]


@cache
def runtime_of(threads: int, *arguments) -> OnnxRuntime:
    return OnnxRuntime(NetworkWeights.of(random_network(*arguments)), threads=threads)


def made_photo(height: int, width: int, batch: int = 1) -> np.ndarray:
    """`holed_N4HW` of noise, with a hole."""
    holed_N4HW = np.random.default_rng(0).random((batch, 4, height, width), np.float32)
    holed_N4HW[:, 3] = 0
    holed_N4HW[:, 3, height // 4 : -height // 4, width // 4 : -width // 4] = 1
    return holed_N4HW


@pytest.mark.parametrize("fill", ["mean", "learned"])
@pytest.mark.parametrize("output", ["sigmoid", "clip", "residual"])
@pytest.mark.parametrize("norm_order", ["norm_act", "act_norm"])
@torch.inference_mode()
def test_equals_pytorchs_networks(norm_order, output, fill):
    network = random_network(8, norm_order, output, fill)
    runtime, halo = runtime_of(2, 8, norm_order, output, fill), network.spec.halo
    windowed = WindowNetwork(network)
    for size, margins in (
        ((4, 4), NO_MARGINS),  # the smallest photo
        ((8, 64), NO_MARGINS),
        ((2 * halo + 96, 2 * halo + 12), Margins(halo, halo, halo, halo)),
        ((halo + 48, 2 * halo + 16), Margins(0, halo, halo, halo)),
        ((220, 180), Margins(30, 10, 61, 0)),  # smaller than the halo, and odd
        ((2 * halo + 60, 2 * halo + 12), Margins(halo + 9, halo, 3, halo + 1)),
    ):
        holed_N4HW = made_photo(*size, batch=2)
        found = runtime.run(holed_N4HW, margins)
        assert found.dtype == np.float32
        for expected in (
            margins.cut(network(torch.from_numpy(holed_N4HW))),
            windowed(torch.from_numpy(holed_N4HW), margins),
        ):
            np.testing.assert_allclose(found, expected.numpy(), atol=1e-6, rtol=0)


@torch.inference_mode()
def test_input_of_foreign_weights_is_shifted_and_scaled():
    spec = CompletionSpec(base_width=4, input_shift=(0.4, 0.5, 0.6), input_scale=2.5)
    network = CompletionNetwork(spec).eval()
    holed_N4HW = made_photo(24, 40)
    found = OnnxRuntime(NetworkWeights.of(network)).run(holed_N4HW)
    np.testing.assert_allclose(found, network(torch.from_numpy(holed_N4HW)).numpy(), atol=1e-6, rtol=0)


@torch.inference_mode()
def test_a_residual_networks_largest_changes_are_its_sigmoids():
    network = CompletionNetwork(CompletionSpec(base_width=4, output="residual")).eval()
    network.to_rgb.bias.copy_(torch.tensor((-120.0, 120.0, -9.0)))
    holed_N4HW = made_photo(24, 40)
    holed_N4HW[:, :3, :, ::3] = 0
    holed_N4HW[:, :3, :, 1::3] = 1
    found = OnnxRuntime(NetworkWeights.of(network)).run(holed_N4HW)
    np.testing.assert_allclose(found, network(torch.from_numpy(holed_N4HW)).numpy(), atol=1e-6, rtol=0)
    assert found.min() == 0
    assert found.max() == 1


@pytest.mark.parametrize("borders", ALL_BORDERS, ids=lambda borders: "".join("ib"[border] for border in borders))
def test_graphs_are_valid_and_say_what_they_cut(borders):
    runtime = runtime_of(1, 2, "act_norm", "residual", "learned")
    model = onnx.load_from_string(window_graph(runtime.folded, borders))
    onnx.checker.check_model(model, full_check=True)
    assert ([value.name for value in model.graph.input], [value.name for value in model.graph.output]) == (
        [INPUT],
        [OUTPUT],
    )
    margins = borders.margins(runtime.spec.halo)
    size = (2, 4, margins.top + 8 + margins.bottom, margins.left + 16 + margins.right)
    assert runtime.run(np.zeros(size, np.float32), margins).shape == (2, 3, 8, 16)


sides = st.integers(MIN_REGION // STRIDE, 90).map(lambda quarters: STRIDE * quarters)
networks = st.sampled_from([
    (8, "norm_act", "sigmoid", "learned"),
    (16, "norm_act", "residual", "smooth"),
    (16, "act_norm", "clip", "learned"),
    (32, "norm_act", "residual", "mean"),
])  # fmt: skip


@settings(max_examples=15, deadline=None, phases=[Phase.explicit, Phase.generate])  # each example runs a network
@given(sides, sides, networks, st.data(), st.integers(1, 3), st.integers(1, 4))
def test_windows_are_bit_identical_to_the_whole(height, width, network, data, batch, threads):
    """Whatever the size of the photo, the size and place of the region, the batch and the number of threads."""
    halo = random_network(*network).spec.halo
    region_height, region_width = min(data.draw(sides), height), min(data.draw(sides), width)
    top = STRIDE * data.draw(st.integers(0, (height - region_height) // STRIDE), "top")
    left = STRIDE * data.draw(st.integers(0, (width - region_width) // STRIDE), "left")
    bottom, right = top + region_height, left + region_width
    y0, x0, y1, x1 = max(top - halo, 0), max(left - halo, 0), min(bottom + halo, height), min(right + halo, width)

    photo_14HW = made_photo(height, width)
    window_N4HW = np.repeat(photo_14HW[:, :, y0:y1, x0:x1], batch, axis=0)
    margins = Margins(top - y0, y1 - bottom, left - x0, x1 - right)
    found = runtime_of(threads, *network).run(window_N4HW, margins)
    whole = runtime_of(1, *network).run(photo_14HW)[:, :, top:bottom, left:right]
    for one in found:
        assert np.array_equal(one, whole[0])


def test_windows_are_bit_identical_at_the_papers_width():
    photo_14HW = made_photo(480, 540)
    whole = runtime_of(1, 64).run(photo_14HW)
    middle = runtime_of(2, 64).run(photo_14HW[:, :, 48:448, 64:464], Margins(152, 152, 152, 152))
    assert np.array_equal(middle, whole[:, :, 200:296, 216:312])
    corner = runtime_of(2, 64).run(photo_14HW[:, :, :216, :280], Margins(0, 152, 0, 152))
    assert np.array_equal(corner, whole[:, :, :64, :128])


def test_a_smaller_halo_would_show():
    """So that the tests above can fail."""
    photo_14HW = made_photo(480, 540)
    narrow = runtime_of(1, 16).run(photo_14HW[:, :, 56:440, 64:464], Margins(144, 144, 152, 152))
    assert not np.array_equal(narrow, runtime_of(1, 16).run(photo_14HW)[:, :, 200:296, 216:312])


WITHOUT_TORCH = """
import sys
import numpy as np
from engine.inference.runtimes.onnx_runtime import OnnxRuntime
from engine.weights import read_weights
runtime = OnnxRuntime(read_weights("default"))
assert runtime.generate(np.zeros((1, 64, 64, 3), np.uint8), np.ones((1, 64, 64), bool)).shape == (1, 64, 64, 3)
loaded = {"torch", "onnx"} & set(sys.modules)
assert not loaded, loaded
"""


def test_the_engines_weights_run_without_torch():
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH], check=True)
