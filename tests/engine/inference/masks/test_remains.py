"""Remains of what a mask covers: they are found and completed, and nothing else is, on made-up photos."""

import cv2
import numpy as np
import pytest
import torch

from engine.inference.graphs.encoder_decoder import STEP
from engine.inference.graphs.runners import open_in_onnxruntime
from engine.inference.holes.mask import thickness, widen
from engine.inference.masks import remains
from engine.inference.masks.remains import BAND, THICK, WEIGHTS, find_remains, prepare_hole, probability, remains_graph
from engine.inference.report import Report
from engine.remains.network import RemainsNetwork
from engine.weights import read_tensors


def sky(height=260, width=320):
    """A blue slope with some noise."""
    photo_HW3 = np.linspace((90, 140, 210), (170, 200, 230), height)[:, None].repeat(width, 1)
    return (photo_HW3 + np.random.default_rng(0).normal(0, 2, photo_HW3.shape)).clip(0, 255).astype(np.uint8)


def disc(radius, at=(130, 160), size=(260, 320)):
    return np.hypot(*np.ogrid[-at[0] : size[0] - at[0], -at[1] : size[1] - at[1]]) < radius


def balloon(colour=(150, 30, 20), photo_HW3=None, **place):
    """A photo with a balloon of radius 40, and a mask that misses a part of it."""
    photo_HW3 = sky() if photo_HW3 is None else photo_HW3
    thing_HW = disc(40, size=photo_HW3.shape[:2], **place)
    share_HW1 = cv2.GaussianBlur(thing_HW.astype(np.float32), (0, 0), 0.8)[..., None]
    texture_HW3 = np.array(colour) + np.random.default_rng(1).normal(0, 4, photo_HW3.shape)
    photo_HW3 = np.rint(photo_HW3 + share_HW1 * (texture_HW3 - photo_HW3)).clip(0, 255).astype(np.uint8)
    missed_HW = np.zeros_like(thing_HW)
    at = place.get("at", (130, 160))
    missed_HW[: at[0] - 30] = True
    return photo_HW3, thing_HW, thing_HW & ~missed_HW


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("colour", [(150, 30, 20), (20, 25, 20), (240, 240, 235)])
def test_what_a_mask_misses_is_completed_too(colour, dtype):
    photo_HW3, thing_HW, mask_HW = balloon(colour)
    report = Report()
    hole_HW = prepare_hole(photo_HW3.astype(dtype) * (257 if dtype == np.uint16 else 1), mask_HW, None, report)
    assert not (thing_HW & ~hole_HW).any(), "all of the thing is gone"
    assert np.count_nonzero(hole_HW & ~widen(thing_HW, 8)) == 0
    assert np.array_equal(hole_HW | widen(mask_HW, 4), hole_HW)
    (note,) = report.warnings
    found = np.count_nonzero(hole_HW & ~widen(mask_HW, 4))
    assert note.startswith(f"{found} pixels just outside the mask look like what it covers")
    assert "--mask-dilate 4" in note
    assert max(report.widened) > 4
    assert not (hole_HW & ~widen(mask_HW, max(report.widened))).any(), "the page sends so much of the photo"


def test_a_mask_that_is_taken_as_it_is_gets_no_more():
    photo_HW3, _, mask_HW = balloon()
    report = Report()
    assert np.array_equal(prepare_hole(photo_HW3, mask_HW, 3, report), widen(mask_HW, 3))
    assert report.widened == {3}
    assert not report.warnings


def test_nothing_is_found_where_nothing_is_left():
    photo_HW3, thing_HW, _ = balloon()
    whole_HW = widen(thing_HW, 2)
    assert find_remains(photo_HW3, whole_HW, widen(whole_HW, 4)) is None
    assert find_remains(sky(), whole_HW, widen(whole_HW, 4)) is None


def found_with(mask_HW, photo_HW3, **given):
    return find_remains(photo_HW3, mask_HW, widen(mask_HW, 4), **given)


def test_boxes_strokes_and_what_was_erased_are_as_they_are():
    photo_HW3, thing_HW, mask_HW = balloon()
    assert found_with(mask_HW, photo_HW3) is not None
    box_HW, stroke_HW = np.zeros_like(mask_HW), np.zeros_like(mask_HW)
    box_HW[105:160, 130:190] = True
    stroke_HW[120:140, 120:200] = True
    stroke_HW[140:143, 160:170] = True
    assert found_with(box_HW, photo_HW3) is None
    assert found_with(stroke_HW, photo_HW3) is None
    for colour in (0, 255):
        assert found_with(mask_HW, np.where(mask_HW[..., None], np.uint8(colour), photo_HW3)) is None
    assert found_with(mask_HW, photo_HW3, hidden_HW=mask_HW) is None
    beyond_HW = thing_HW & ~mask_HW
    assert found_with(mask_HW, photo_HW3, hidden_HW=widen(beyond_HW, 8) & ~mask_HW) is None, "what nobody sees"


def test_a_thing_is_found_whatever_lies_elsewhere():
    photo_HW3, _, mask_HW = balloon(photo_HW3=sky(500, 700), at=(300, 500))
    alone_HW = found_with(mask_HW, photo_HW3)
    both_HW = mask_HW.copy()
    both_HW[40:80, 60:110] = True
    assert np.array_equal(found_with(both_HW, photo_HW3), alone_HW)


def test_large_things_are_looked_at_at_half_the_scale():
    photo_HW3, thing_HW, _ = balloon(photo_HW3=sky(200, 240), at=(100, 120))
    photo_HW3, thing_HW = (cv2.resize(one.astype(np.uint8), (1440, 1200)) for one in (photo_HW3, thing_HW))
    thing_HW = thing_HW > 0
    mask_HW = thing_HW & (np.arange(1200)[:, None] > 390)
    assert thickness(mask_HW) > 1.5 * THICK
    missed_HW = thing_HW & ~widen(mask_HW, 4)
    found_HW = found_with(mask_HW, photo_HW3)
    assert np.count_nonzero(found_HW & missed_HW) > 0.9 * np.count_nonzero(missed_HW) > 0


@torch.inference_mode()
def test_the_graph_is_the_network_that_is_trained(monkeypatch):
    torch.manual_seed(0)
    network = RemainsNetwork()
    torch.nn.init.normal_(network.leave.weight, std=0.1)
    runner = open_in_onnxruntime(remains_graph({name: p.numpy() for name, p in network.state_dict().items()}), 1)
    monkeypatch.setattr(remains, "opened", lambda: runner)
    photo_HW3 = np.random.default_rng(2).integers(0, 256, (92, 120, 3), np.uint8)
    hole_HW = disc(20, (46, 60), (92, 120))
    image_13HW = torch.from_numpy(photo_HW3.astype(np.float32) / 255).permute(2, 0, 1)[None]
    hole_11HW = torch.from_numpy(hole_HW.astype(np.float32))[None, None]
    wanted_HW = torch.sigmoid(network(image_13HW, hole_11HW))[0, 0].numpy()
    likely_HW = probability(photo_HW3, hole_HW, ~hole_HW)
    near_HW = cv2.dilate(hole_HW.astype(np.uint8), np.ones((2 * BAND + 1, 2 * BAND + 1), np.uint8)) > 0
    assert all(side % STEP == 0 for side in hole_HW.shape)
    assert np.abs(likely_HW - wanted_HW)[near_HW & ~hole_HW].max() < 1e-5
    assert likely_HW[near_HW & ~hole_HW].std() > 0.005
    assert not likely_HW[hole_HW | ~near_HW].any()
    assert np.abs(probability(photo_HW3[:91, :117], hole_HW[:91, :117], ~hole_HW[:91, :117])).max() > 0, "any size"


def test_the_weights_that_come_with_the_engine_are_of_this_network():
    shapes = {name: tuple(p.shape) for name, p in RemainsNetwork().state_dict().items()}
    assert {name: values.shape for name, values in read_tensors(WEIGHTS)[1].items()} == shapes
