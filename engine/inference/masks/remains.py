"""Remains of what a mask covers, just outside of it: people paint over a thing, and miss a bit of it here and there.

Completions grow from what is left: a dark sliver of 5 px beside a sky makes a cloud of the hole. A small network
compares what is around the mask with what is under it, which nothing else looks at, and says for each pixel near the
mask if it belongs to that. It was trained on made-up things (`engine.remains`). docs/measurements.md has what it finds.
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
from engine.inference.graphs.window_graph import INPUT, OPSET, OUTPUT
from engine.inference.holes.mask import (
    WIDER,
    Mask,
    bounding_box,
    components,
    part_in,
    prepare_mask,
    thickness,
    widen,
    with_context,
)
from engine.inference.holes.scales import halve_mask
from engine.inference.pixels import Pixels, in_8_bits
from engine.inference.report import Report
from engine.weights import read_tensors

WEIGHTS = Path(__file__).parents[2] / "default_weights" / "remains.safetensors"

CHANNELS, WIDTH = 5, 16
"""Of its input: colours, the hole, and what is near it; and at 1/2 of the resolution."""

BAND, CONTEXT = 20, 64
"""Pixels outside of a hole in which remains are looked for, and that the network sees."""

THIN, THICK = 24, 256
"""Pixels across a hole up to which it is a stroke and not a thing, and about as many at most at the scale looked at."""

SURE, LIKELY = 0.9, 0.45
"""Probability that a place of remains has somewhere, and that all its pixels have."""

FEWEST = 12
"""Pixels of a place that are SURE, at least."""

EDGE = 2
"""Pixels by which remains are widened, for a thing's soft edge."""


def prepare_hole(
    photo_HW3: Pixels, mask_HW: NDArray[Any], dilate: int | None, report: Report, hidden_HW: Mask | None = None
) -> Mask:
    """The hole: the mask, widened as `prepare_mask` says, and unless `dilate` is given by the remains beside it.

    `hidden_HW` is True where the photo's colours mean nothing. The report has by how much, and a note on remains.
    ValueErrors as `prepare_mask`.
    """
    hole_HW, widened = prepare_mask(mask_HW, photo_HW3.shape[:2], dilate)
    report.widened |= widened
    if dilate is not None:
        return hole_HW
    remains_HW = find_remains(photo_HW3, np.asarray(mask_HW) != 0, hole_HW, hidden_HW)
    if remains_HW is None or (hole_HW | remains_HW).all():
        return hole_HW
    near = with_context(bounding_box(remains_HW), hole_HW.shape, BAND, multiple=1)
    away_HW = cv2.distanceTransform((~hole_HW[near]).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    reach = int(np.ceil(away_HW[remains_HW[near]].max()))
    report.warnings.append(
        f"{np.count_nonzero(remains_HW)} pixels just outside the mask look like what it covers, and are completed, "
        f"too: up to {reach} px from the hole (--mask-dilate {max(widened)} leaves them)"
    )
    report.widened.add(max(widened) + reach)
    return hole_HW | remains_HW


def find_remains(photo_HW3: Pixels, mask_HW: Mask, hole_HW: Mask, hidden_HW: Mask | None = None) -> Mask | None:
    """The pixels of the things that `mask_HW` covers which lie outside of `hole_HW`; None if there are none.

    The hole is the mask, widened. The same bits whatever the number of threads.
    """
    found_HW = None
    if not has_square(mask_HW, THIN // 2):  # as of a thousand specks
        return None
    for where, part_HW in components(mask_HW):
        thick = thickness(np.pad(part_HW, 1))
        if thick <= THIN or not is_thing(photo_HW3[where], part_HW, None if hidden_HW is None else hidden_HW[where]):
            continue
        octaves = max(0, round(np.log2(thick / THICK)))
        crop = with_context(where, hole_HW.shape, CONTEXT << octaves, multiple=1)
        known_HW = ~hole_HW[crop] if hidden_HW is None else ~(hole_HW[crop] | hidden_HW[crop])
        covered_HW = widen(part_in(part_HW, where, crop), WIDER[-1][1]) & hole_HW[crop]
        here_HW = remains_of(in_8_bits(photo_HW3[crop]), covered_HW, known_HW, octaves)
        if here_HW.any():
            found_HW = np.zeros_like(hole_HW) if found_HW is None else found_HW
            found_HW[crop] |= here_HW
    return found_HW


def has_square(mask_HW: Mask, side: int) -> bool:
    """True if so large a square lies in the mask."""
    where = bounding_box(mask_HW)
    return bool(cv2.erode(mask_HW[where].view(np.uint8), np.ones((side, side), np.uint8)).any())


def is_thing(photo_HW3: Pixels, part_HW: Mask, hidden_HW: Mask | None) -> bool:
    """True if a part of the mask may be a thing that was painted over, and this can be seen.

    Boxes are drawn around things, with nothing left outside. What is covered was erased before where nobody sees it, or
    it has one colour.
    """
    if part_HW[bounding_box(part_HW)].all():
        return False
    inside_P3 = photo_HW3[part_HW]
    erased = (inside_P3 == inside_P3[0]).all() or (hidden_HW is not None and hidden_HW[part_HW].any())
    return not erased


def remains_of(photo_HW3: Pixels, hole_HW: Mask, known_HW: Mask, octaves: int) -> Mask:
    """The known pixels that belong to what one hole covers, looked for at 1/2^octaves of the resolution."""
    small_hole_HW, small_known_HW = hole_HW, known_HW
    for _ in range(octaves):
        small_hole_HW, small_known_HW = halve_mask(small_hole_HW), ~halve_mask(~small_known_HW)
    size = small_hole_HW.shape[::-1]
    likely_HW = probability(cv2.resize(photo_HW3, size, interpolation=cv2.INTER_AREA), small_hole_HW, small_known_HW)
    count, labels_HW = cv2.connectedComponents((likely_HW > LIKELY).view(np.uint8), connectivity=8)
    beside = np.unique(labels_HW[widen(small_hole_HW, EDGE)])
    sure = np.bincount(labels_HW[likely_HW > SURE], minlength=count) >= FEWEST
    sure[np.setdiff1d(np.arange(count), beside)] = sure[0] = False
    if not sure.any():
        return np.zeros_like(hole_HW)
    found_HW = widen(sure[labels_HW], EDGE)
    for _ in range(octaves):
        found_HW = found_HW.repeat(2, 0).repeat(2, 1)
    remains_HW: Mask = found_HW[: hole_HW.shape[0], : hole_HW.shape[1]] & known_HW
    return remains_HW


def probability(photo_HW3: Pixels, hole_HW: Mask, known_HW: Mask) -> NDArray[np.float32]:
    """For each known pixel within BAND of the hole the probability that it belongs to what is under it; 0 elsewhere."""
    height, width = hole_HW.shape
    near_HW = cv2.dilate(hole_HW.view(np.uint8), np.ones((2 * BAND + 1, 2 * BAND + 1), np.uint8)) > 0
    wanted_HW = near_HW & known_HW
    mean_3 = np.array(cv2.mean(photo_HW3, known_HW.view(np.uint8))[:3]) / 255
    likely_HW = np.zeros((height, width), np.float32)
    # Made tile by tile: for a long hole across a large photo, the numbers of all would be many times the photo's size.
    for seen, wanted, within in tiles((height, width)):
        if wanted_HW[wanted].any():
            there_hw1 = (hole_HW[seen] | known_HW[seen])[..., None]
            colours_hw3 = np.where(there_hw1, photo_HW3[seen] / np.float32(255) - mean_3.astype(np.float32), 0)
            masks_hw2 = np.stack((hole_HW[seen], near_HW[seen]), axis=2) - np.float32(0.5)
            seen_hwC = np.concatenate((colours_hw3, masks_hw2), axis=2)
            ends = [(0, -side % STEP) for side in seen_hwC.shape[:2]]
            seen_1Chw = np.ascontiguousarray(np.pad(seen_hwC, (*ends, (0, 0))).transpose(2, 0, 1)[None])
            likely_HW[wanted] = opened()(seen_1Chw)[0, 0][within]
    return likely_HW * wanted_HW


@cache
def opened() -> GraphRunner:
    """The network that comes with the engine, opened when first used."""
    return open_in_onnxruntime(remains_graph(read_tensors(WEIGHTS)[1]), threads=1)


def remains_graph(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """The content of an ONNX file of the network with these weights, named as in `RemainsNetwork.state_dict()`.

    Input: fp32, N x CHANNELS x H x W, H and W multiples of STEP. Output: N x 1 x H x W, probabilities.
    """
    graph = Graph()
    answer = graph.add("DepthToSpace", encoder_decoder(graph, INPUT, tensors), blocksize=2, mode="CRD")
    graph.add("Sigmoid", answer, output=OUTPUT)
    ends = value_info(INPUT, ("n", CHANNELS, "4*h", "4*w")), value_info(OUTPUT, ("n", 1, "4*h", "4*w"))
    return graph.file(*ends, OPSET, {})
