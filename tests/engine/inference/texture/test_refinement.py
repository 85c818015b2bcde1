"""The refinement of drawings: the network that is trained, in tiles, and nothing but the hole."""

import numpy as np
import pytest
import torch

from engine.inference.graphs.runners import open_in_onnxruntime
from engine.inference.texture import refinement
from engine.inference.texture.refinement import HALO, STEP, WEIGHTS, refine, refinement_graph
from engine.refining.network import RefinementNetwork
from engine.weights import read_tensors


def scene(height, width, seed=0):
    """A drawing, a completion of the same photo, and the hole, an ellipse."""
    generator = np.random.default_rng(seed)
    down_HW, right_HW = np.mgrid[:height, :width]
    hole_HW = (down_HW / height - 0.5) ** 2 + (right_HW / width - 0.5) ** 2 < 0.13
    drawn_HW3, completed_HW3 = generator.random((2, height, width, 3), dtype=np.float32)
    return drawn_HW3, np.where(hole_HW[..., None], completed_HW3, drawn_HW3), hole_HW


@pytest.fixture
def opened(monkeypatch):
    """Has a network with random weights refine; returns it."""
    torch.manual_seed(0)
    network = RefinementNetwork()
    torch.nn.init.normal_(network.leave.weight, std=0.02)
    runner = open_in_onnxruntime(refinement_graph({name: p.numpy() for name, p in network.state_dict().items()}), 1)
    monkeypatch.setattr(refinement, "opened", lambda: runner)
    return network


@pytest.mark.parametrize("size", [(64, 96), (61, 90), (133, 50)])
@torch.inference_mode()
def test_the_graph_is_the_network_that_is_trained(opened, size):
    drawn_HW3, completed_HW3, hole_HW = scene(*size)
    refined_HW3 = refine(drawn_HW3, completed_HW3, hole_HW, ~hole_HW)
    ends = ((0, -size[0] % STEP), (0, -size[1] % STEP), (0, 0))
    # Beyond the photo nothing is known, and to the network it has the completion's mean colour.
    padded = [np.pad(image, ends) for image in (drawn_HW3, completed_HW3, hole_HW[..., None].astype(np.float32))]
    padded[0][size[0] :] = padded[0][:, size[1] :] = completed_HW3[hole_HW].mean(0)
    tensors = [torch.from_numpy(image).permute(2, 0, 1)[None] for image in padded]
    wanted_HW3 = opened(*tensors)[0].permute(1, 2, 0).numpy()[: size[0], : size[1]]
    assert np.abs(wanted_HW3 - refined_HW3).max() < 1e-5
    assert np.abs(refined_HW3 - drawn_HW3)[hole_HW].mean() > 0.01


def test_tiles_are_the_whole_bit_for_bit(opened, monkeypatch):
    images = scene(300, 340)
    whole_HW3 = refine(*images, ~images[2])
    monkeypatch.setattr(refinement, "TILE", 64)
    assert np.array_equal(refine(*images, ~images[2]), whole_HW3)
    monkeypatch.setattr(refinement, "HALO", HALO - 8)
    assert not np.array_equal(refine(*images, ~images[2]), whole_HW3), "and see no more than they need"


def test_nothing_but_the_hole_is_changed_and_what_is_unknown_is_not_seen(opened):
    drawn_HW3, completed_HW3, hole_HW = scene(90, 120)
    known_HW = ~hole_HW
    known_HW[:, 100:] = False
    refined_HW3 = refine(drawn_HW3, completed_HW3, hole_HW, known_HW)
    assert np.array_equal(refined_HW3[~hole_HW], drawn_HW3[~hole_HW])
    drawn_HW3, completed_HW3 = drawn_HW3.copy(), completed_HW3.copy()
    drawn_HW3[~hole_HW & ~known_HW] = completed_HW3[~hole_HW & ~known_HW] = np.nan
    again_HW3 = refine(drawn_HW3, completed_HW3, hole_HW, known_HW)
    assert np.array_equal(again_HW3[hole_HW], refined_HW3[hole_HW])


def test_the_weights_that_come_with_the_engine_are_of_this_network():
    tensors = read_tensors(WEIGHTS)[1]
    shapes = {name: tuple(p.shape) for name, p in RefinementNetwork().state_dict().items()}
    assert {name: values.shape for name, values in tensors.items()} == shapes
