"""The refinement of what patches have drawn: a small network keeps what fits, and mends what does not.

It sees the drawing and the network's completion, and says for each pixel which share of the completion is mixed in and
what is added. It was trained to make drawings look like the photo to EfficientNet-Lite0 and to a discriminator, and as
sharp as they were (`engine.refining`). It runs in ONNX Runtime on the CPU, in fp32 and one thread.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.inference.graphs.encoder_decoder import STEP, encoder_decoder, tiles
from engine.inference.graphs.onnx_file import Graph, value_info
from engine.inference.graphs.runners import GraphRunner, open_in_onnxruntime
from engine.inference.graphs.window_graph import INPUT, OPSET, OUTPUT, slice_axes
from engine.inference.holes.harmonic import CROSS, Floats, harmonic
from engine.inference.holes.mask import Mask, bounding_box
from engine.inference.texture.sources import Neighbourhood
from engine.weights import read_tensors

WEIGHTS = Path(__file__).parents[2] / "default_weights" / "refinement.safetensors"

CHANNELS = 7
"""Of its input: the drawing, the completion's difference from it in the hole, and the hole."""

WIDTH = 32
"""Channels at 1/2 of the resolution; twice as many at 1/4."""

COLOUR = 5
"""Pixels a side over which what it adds in colour is averaged: photos have few finer colours, and grain may be grey."""

CONTEXT = 32
"""Pixels around the hole that it sees."""

BAND, SMOOTHED = np.ones((5, 5), np.uint8), 4.0
"""What counts as the border, and the deviation of the weights, in pixels, by which shades along it are averaged."""

STRENGTH = 0.85
"""Share of its changes that is made: all of them soften the edge of a thing that patches have drawn sharply."""


def refine_hole(near: Neighbourhood, drawn_HW3: Floats) -> None:
    """Refine the hole of a neighbourhood as patches have drawn it (`drawn_HW3`, in the photo's units), in place.

    The drawing meets the photo without a seam, and still does: along the hole's border shades are as drawn.
    """
    low, high = near.range()
    box = bounding_box(near.hole_HW, CONTEXT)
    hole_hw, known_hw = near.hole_HW[box], near.known_HW[box]
    drawn_hw3, completed_hw3 = ((pixels_HW3[box] - low) / (high - low) for pixels_HW3 in (drawn_HW3, near.pixels_HW3))
    change_hw3 = (refine(drawn_hw3, completed_hw3, hole_hw, known_hw) - drawn_hw3).astype(np.float32)
    change_hw3 -= shade_from_border(change_hw3, hole_hw, known_hw)
    drawn_HW3[box] += np.where(hole_hw[..., None], STRENGTH * (high - low) * change_hw3, 0).astype(drawn_HW3.dtype)


def shade_from_border(change_hw3: NDArray[np.float32], hole_hw: Mask, known_hw: Mask) -> Floats:
    """The change along the border of a hole to what is known, without its detail, and smoothly inwards from there."""
    band_hw, border_hw = (hole_hw & (cv2.dilate(known_hw.view(np.uint8), near) > 0) for near in (BAND, CROSS))
    sum_hw3, weight_hw = (
        cv2.GaussianBlur(values, (0, 0), SMOOTHED)
        for values in (change_hw3 * band_hw[..., None], band_hw * np.float32(1))
    )
    shade_hw3 = sum_hw3 / np.maximum(weight_hw, 1e-6)[..., None]
    return np.where(border_hw[..., None], shade_hw3, harmonic(shade_hw3, border_hw, hole_hw & ~border_hw))


def refine(drawn_HW3: Floats, completed_HW3: Floats, hole_HW: Mask, known_HW: Mask) -> NDArray[np.float32]:
    """`refined_HW3`, fp32: the drawing with its hole refined, of any size.

    `drawn_HW3` and `completed_HW3` are RGB of 0 to 1 and alike outside the hole; what is neither in the hole nor known
    is not looked at. The same bits whatever the number of threads.
    """
    height, width = hole_HW.shape
    ends = ((0, -height % STEP), (0, -width % STEP))
    hole_HW1 = np.pad(hole_HW, ends)[..., None]
    drawn_HW3 = np.pad(drawn_HW3, (*ends, (0, 0))).astype(np.float32)
    difference_HW3 = np.where(hole_HW1, np.pad(completed_HW3, (*ends, (0, 0))) - drawn_HW3, 0).astype(np.float32)
    mean_3 = completed_HW3[hole_HW].mean(0, dtype=np.float64)
    centred_HW3 = np.where(hole_HW1 | np.pad(known_HW, ends)[..., None], drawn_HW3 - mean_3.astype(np.float32), 0)
    seen_HWC = np.concatenate((centred_HW3, difference_HW3, hole_HW1 - np.float32(0.5)), axis=2, dtype=np.float32)
    refined_HW3 = drawn_HW3.copy()
    for seen, wanted, within in tiles(hole_HW1.shape[:2]):
        seen_1CHW = np.ascontiguousarray(seen_HWC[seen].transpose(2, 0, 1)[None])
        answer_HW4 = opened()(seen_1CHW)[0].transpose(1, 2, 0)[within]
        change_HW3 = answer_HW4[..., 3:] * difference_HW3[wanted] + answer_HW4[..., :3]
        refined_HW3[wanted] += np.where(hole_HW1[wanted], change_HW3, 0)
    return refined_HW3[:height, :width]


@cache
def opened() -> GraphRunner:
    """The network that comes with the engine, opened when first used."""
    return open_in_onnxruntime(refinement_graph(read_tensors(WEIGHTS)[1]), threads=1)


def refinement_graph(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """The content of an ONNX file of the network with these weights, named as in `RefinementNetwork.state_dict()`.

    Input: fp32, N x CHANNELS x H x W, H and W multiples of STEP. Output: N x 4 x H x W, what is added to RGB and the
    share of the completion.
    """
    graph = Graph()
    answer = encoder_decoder(graph, INPUT, tensors)
    answer = graph.add("DepthToSpace", answer, blocksize=2, mode="CRD")
    added, share = slice_axes(graph, answer, {1: (0, 3)}), slice_axes(graph, answer, {1: (3, 4)})
    brightness = graph.add("ReduceMean", added, graph.constant(np.array([1])), keepdims=1)
    window, around = (COLOUR, COLOUR), [COLOUR // 2] * 4
    colour = graph.add("AveragePool", graph.add("Sub", added, brightness), kernel_shape=window, pads=around)
    graph.add("Concat", graph.add("Add", brightness, colour), graph.add("Sigmoid", share), axis=1, output=OUTPUT)
    ends = value_info(INPUT, ("n", CHANNELS, "4*h", "4*w")), value_info(OUTPUT, ("n", 4, "4*h", "4*w"))
    return graph.file(*ends, OPSET, {})
