"""The refinement of drawings: the network that is trained, in tiles, and nothing but the hole."""

from functools import partial

import cv2
import numpy as np
import pytest
import torch

from engine.inference.graphs import encoder_decoder
from engine.inference.graphs.encoder_decoder import HALO, STEP, tiles
from engine.inference.graphs.runners import open_in_onnxruntime
from engine.inference.texture import refinement
from engine.inference.texture.refinement import (
    WEIGHTS,
    refine,
    refine_hole,
    refinement_graph,
    shade_from_border,
)
from engine.inference.texture.sources import Neighbourhood
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
    monkeypatch.setattr(refinement, "tiles", partial(tiles, tile=64))
    assert np.array_equal(refine(*images, ~images[2]), whole_HW3)
    monkeypatch.setattr(encoder_decoder, "HALO", HALO - 8)
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


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_refined_hole_meets_the_photo_as_it_was_drawn(opened, dtype):
    drawn_HW3, completed_HW3, hole_HW = scene(90, 120)
    known_HW = ~hole_HW
    known_HW[:30] = False
    most = np.iinfo(dtype).max
    pixels_HW3 = np.rint(completed_HW3 * most).astype(dtype)
    near = Neighbourhood((slice(0, 90), slice(0, 120)), pixels_HW3, hole_HW, known_HW, known_HW)
    refined_HW3 = (drawn_HW3 * most).astype(np.float64)
    before_HW3 = refined_HW3.copy()
    refine_hole(near, refined_HW3)
    change_HW3 = (refined_HW3 - before_HW3) / most
    shade_HW3 = shade_from_border(change_HW3.astype(np.float32), hole_HW, known_HW)
    beside_HW = hole_HW & (cv2.dilate(known_HW.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    assert np.abs(change_HW3[~hole_HW]).max() == 0
    assert np.abs(shade_HW3[beside_HW]).mean() < 0.2 * np.abs(change_HW3[hole_HW]).mean()


def test_a_shade_is_taken_inwards_from_the_border():
    _, _, hole_HW = scene(90, 120)
    plane_HW3 = (np.mgrid[:90, :120][1][..., None] / 120 + np.zeros(3)).astype(np.float32)
    noise_HW3 = np.random.default_rng(0).normal(0, 0.1, plane_HW3.shape).astype(np.float32)
    shade_HW3 = shade_from_border(np.where(hole_HW[..., None], plane_HW3 + noise_HW3, 0), hole_HW, ~hole_HW)
    assert np.abs(shade_HW3 - plane_HW3)[hole_HW].mean() < 0.03
    nothing_HW = np.zeros_like(hole_HW)
    assert np.abs(shade_from_border(plane_HW3, hole_HW, nothing_HW)).max() == 0, "a hole that fills what is seen"


def test_the_weights_that_come_with_the_engine_are_of_this_network():
    tensors = read_tensors(WEIGHTS)[1]
    shapes = {name: tuple(p.shape) for name, p in RefinementNetwork().state_dict().items()}
    assert {name: values.shape for name, values in tensors.items()} == shapes
