"""The network's layers as arrays, batch norms folded: what every runtime runs in place of the trained network.

Of `norm_act` networks they fold into the convolution before them. Those of `act_norm` cannot be folded into the
convolution after them, whose zero padding would not be shifted, and stay as a scale and a shift after the ReLU.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.spec import BATCH_NORM_EPS, COMPLETION_LAYERS, FILL_LAYERS, OUTPUT_LAYER, CompletionSpec, Layer


class Convolution(NamedTuple):
    """One layer: a convolution, then, but for the output layer, a ReLU, and after it perhaps a scale and a shift."""

    layer: Layer
    weight: NDArray[np.float32]
    """outputs x inputs x kernel x kernel; of a transposed convolution inputs x outputs x kernel x kernel."""
    bias_C: NDArray[np.float32]
    scale_shift_2C: NDArray[np.float32] | None
    """Of an `act_norm` network's blocks."""


class FoldedNetwork(NamedTuple):
    """A completion network without batch norms."""

    spec: CompletionSpec
    completion: tuple[Convolution, ...]
    """Of `COMPLETION_LAYERS` and OUTPUT_LAYER."""
    fill: tuple[Convolution, ...]
    """Of `FILL_LAYERS` and OUTPUT_LAYER where the spec has a learned fill; else empty."""


def fold_network(spec: CompletionSpec, tensors: Mapping[str, NDArray[np.floating]]) -> FoldedNetwork:
    """The folded layers, fp32, of the network of `spec` with `tensors`, named as in its `state_dict`, of any float.

    They are computed in fp64 and rounded once. KeyError if a tensor is missing.
    """
    fill = fold_layers(FILL_LAYERS, spec, tensors, "fill.") if spec.fill == "learned" else ()
    return FoldedNetwork(spec, fold_layers(COMPLETION_LAYERS, spec, tensors, ""), fill)


def fold_layers(
    layers: tuple[Layer, ...], spec: CompletionSpec, tensors: Mapping[str, NDArray[np.floating]], prefix: str
) -> tuple[Convolution, ...]:
    """The folded `layers` and OUTPUT_LAYER, whose tensors' names begin with `prefix`."""

    def read(name: str) -> NDArray[np.float64]:
        return np.asarray(tensors[prefix + name], np.float64)

    folded = []
    for n, layer in enumerate(layers):
        block = f"blocks.{n}."
        weight, bias_C = read(block + "conv.weight"), read(block + "conv.bias")
        scale_C = read(block + "norm.weight") / np.sqrt(read(block + "norm.running_var") + BATCH_NORM_EPS)
        shift_C = read(block + "norm.bias") - read(block + "norm.running_mean") * scale_C
        scale_shift_2C = None
        if spec.norm_order == "norm_act":
            weight *= scale_C.reshape((1, -1, 1, 1) if layer.up else (-1, 1, 1, 1))
            bias_C = bias_C * scale_C + shift_C
        else:
            scale_shift_2C = np.stack((scale_C, shift_C)).astype(np.float32)
        folded.append(Convolution(layer, weight.astype(np.float32), bias_C.astype(np.float32), scale_shift_2C))
    weight, bias_C = read("to_rgb.weight"), read("to_rgb.bias")
    folded.append(Convolution(OUTPUT_LAYER, weight.astype(np.float32), bias_C.astype(np.float32), None))
    return tuple(folded)


def as_pixel_shuffle(weight_IO44: NDArray[np.float32], bias_O: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Weight and bias of the unpadded 2x2 convolution that, before a pixel shuffle by 2, is a 4x4 transposed one of
    stride 2.

    The inputs m and m + 1 determine the outputs 2m + 1 (taps 2 and 0) and 2m + 2 (taps 3 and 1), so the convolution has
    four times the outputs and the multiply-adds are the same.
    """
    inputs, outputs = weight_IO44.shape[:2]
    taps = np.array(((2, 0), (3, 1)))
    # inputs, outputs, parity and tap of the row, parity and tap of the column
    weight_IO2222 = weight_IO44[:, :, taps][..., taps]
    return weight_IO2222.transpose(1, 2, 4, 0, 3, 5).reshape(4 * outputs, inputs, 2, 2), np.repeat(bias_O, 4)
