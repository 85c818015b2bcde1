"""The graph of the small networks beside the completion network: one refines drawings, one finds remains.

An encoder and decoder with dilated convolutions at 1/4 of the resolution; `engine.small_networks` is the same in
PyTorch, for training. They run in ONNX Runtime on the CPU, in fp32 and one thread, in tiles.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.inference.graphs.onnx_file import Graph
from engine.inference.holes.mask import Where

DILATIONS = (1, 2, 4, 8, 1)
"""Of the convolutions at 1/4 of the resolution."""

STEP = 4
"""Pixels between two places at 1/4: the sides of the input are multiples of it."""

TILE, HALO = 512, 88
"""Pixels a side that are computed at once, and how far the network sees around them."""


def encoder_decoder(graph: Graph, x: str, tensors: Mapping[str, NDArray[Any]]) -> str:
    """The name of what the last convolution gives for the input `x`, added to the graph with these weights.

    They are named as in `EncoderDecoder.state_dict()`. Four channels at 1/2 are one at full resolution (DepthToSpace).
    """

    def convolve(x: str, name: str, stride: int = 1, dilation: int = 1) -> str:
        weight = tensors[f"{name}.weight"]
        side = weight.shape[2]
        return graph.add(
            "Conv",
            x,
            graph.constant(weight),
            graph.constant(tensors[f"{name}.bias"]),
            kernel_shape=(side, side),
            strides=(stride, stride),
            dilations=(dilation, dilation),
            pads=[((side - 1) * dilation + 2 - stride) // 2] * 4,
        )

    fine = graph.add("Relu", convolve(x, "enter", stride=2))
    fine = graph.add("Add", fine, graph.add("Relu", convolve(fine, "near")))
    coarse = graph.add("Relu", convolve(fine, "down", stride=2))
    for place, dilation in enumerate(DILATIONS):
        far = graph.add("Relu", convolve(coarse, f"far.{place}", dilation=dilation))
        coarse = graph.add("Add", coarse, far)
    coarse = graph.add("Relu", convolve(coarse, "narrow"))
    twice = graph.constant(np.array([1, 1, 2, 2], np.float32))
    wide = graph.add("Resize", coarse, "", twice, mode="linear", coordinate_transformation_mode="half_pixel")
    joined = graph.add("Relu", convolve(graph.add("Concat", wide, fine, axis=1), "join"))
    return convolve(graph.add("Add", fine, joined), "leave")


def tiles(size: tuple[int, int], tile: int = TILE) -> Iterator[tuple[Where, Where, Where]]:
    """The parts that are computed one after the other: what the network sees, what is wanted, and where that is in it.

    Together they are what the network gives for the whole, bit for bit. `tile` is a multiple of STEP.
    """
    for top in range(0, size[0], tile):
        for left in range(0, size[1], tile):
            wanted = slice(top, min(top + tile, size[0])), slice(left, min(left + tile, size[1]))
            seen = tuple(
                slice(max(side.start - HALO, 0), min(side.stop + HALO, end))
                for side, end in zip(wanted, size, strict=True)
            )
            within = tuple(
                slice(side.start - around.start, side.stop - around.start)
                for side, around in zip(wanted, seen, strict=True)
            )
            yield (seen[0], seen[1]), wanted, (within[0], within[1])
