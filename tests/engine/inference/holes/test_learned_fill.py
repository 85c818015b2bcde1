"""A network that proposes its own fill is run like any other: exact windows, one graph for all sizes, one file."""

import numpy as np
import pytest
import torch

from engine.inference.completer import Completer
from engine.inference.graphs.export import export_onnx
from engine.inference.windows.layer_plan import Margins
from engine.inference.windows.network import WindowNetwork
from engine.weights import load_weights, save_weights
from tests.engine.inference.conftest import random_network

HALO = 216


def window_network(base_width: int, output: str) -> WindowNetwork:
    network = random_network(base_width, output=output, fill="learned")
    return WindowNetwork(network).to(memory_format=torch.channels_last)


def photo(height: int, width: int) -> torch.Tensor:
    """Noise with holes here and there."""
    holed_14HW = torch.rand(1, 4, height, width, generator=torch.Generator().manual_seed(0))
    holed_14HW[:, 3] = holed_14HW[:, 3].round()
    return holed_14HW.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("output", ["sigmoid", "clip", "residual"])
@pytest.mark.parametrize(
    ("size", "margins"),
    [
        ((4, 4), Margins()),
        ((8, 64), Margins()),
        ((448, 444), Margins(HALO, HALO, HALO, HALO)),  # no zeros added anywhere
        ((264, 180), Margins(0, HALO, 61, 0)),  # at the upper and right border
        ((220, 180), Margins(153, 10, 30, 0)),  # between the reach of the completion network and the halo
    ],
)
@torch.inference_mode()
def test_windows_equal_the_padded_network(output, size, margins):
    holed_14HW = photo(*size)
    expected = margins.cut(random_network(8, output=output, fill="learned")(holed_14HW))
    torch.testing.assert_close(window_network(8, output)(holed_14HW, margins), expected, atol=1e-6, rtol=0)


@torch.inference_mode()
def test_windows_are_bit_identical_to_the_whole_and_a_smaller_halo_would_show():
    network = window_network(16, "residual")
    assert network.network.spec.halo == HALO
    photo_14HW = photo(544, 600)
    expected = network(photo_14HW)[:, :, 232:312, 240:320]

    def window(halo: int) -> torch.Tensor:
        part_14HW = photo_14HW[:, :, 232 - halo : 312 + halo, 240 - halo : 320 + halo]
        return network(part_14HW.contiguous(memory_format=torch.channels_last), Margins(halo, halo, halo, halo))

    assert torch.equal(window(HALO), expected)
    assert not torch.equal(window(HALO - 8), expected)


def test_it_is_exported():
    """The export compares itself with PyTorch; the interior graph is the one that depends on the halo."""
    export_onnx(random_network(4, output="residual", fill="learned"), graph="interior")


def test_a_photo_is_completed_from_its_weights_file_alone(tmp_path, astronaut_HW3):
    path, network = tmp_path / "weights.safetensors", random_network(16, output="residual", fill="learned")
    save_weights(path, network)
    assert torch.equal(load_weights(path).fill.to_rgb.weight, network.fill.to_rgb.weight)
    photo_HW3, mask_HW = np.tile(astronaut_HW3, (2, 1, 1))[:600], np.zeros((600, 512), bool)
    mask_HW[200:240, 100:160] = True
    completer = Completer.load(path, precision="fp32")
    completed_HW3 = completer.complete(photo_HW3, mask_HW, texture="none")
    assert np.array_equal(completed_HW3, completer.complete(photo_HW3, mask_HW, texture="none", full_frame=True))
    assert np.array_equal(completed_HW3[~mask_HW], photo_HW3[~mask_HW])
    from_mean_HW3 = Completer.of(random_network(16, output="residual"), precision="fp32").complete(
        photo_HW3, mask_HW, texture="none"
    )
    assert not np.array_equal(completed_HW3, from_mean_HW3)
