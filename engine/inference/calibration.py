"""int8 on photographs: what range of values each layer reads, and what the rounding costs on photos not used for that.

The ranges are the largest values on any calibration photo: percentiles of them, and means over photos, lost more
(docs/measurements.md).
"""

import copy
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.inference.graphs.export import GRAPHS, Graph, cached_onnx
from engine.inference.graphs.int8 import Calibration, Loss, Range, check_loss, quantised
from engine.inference.graphs.runners import open_in_openvino
from engine.inference.holes.fill import fill_smoothly
from engine.inference.holes.mask import Mask
from engine.inference.runtimes.torch_runtime import holed_tensor
from engine.inference.windows.inputs import cut_out
from engine.inference.windows.plan import whole_photo
from engine.networks import CompletionNetwork, ConvBlock

FEWEST_PHOTOS = 4
"""To calibrate on, and again to measure the loss on."""


class Sample(NamedTuple):
    """A photo with known content in its hole."""

    photo_HW3: NDArray[np.uint8]
    hole_HW: Mask


def judged(network: CompletionNetwork, ranges: list[Range], held_out: Sequence[Sample]) -> Calibration:
    """The calibration that has the ranges of `calibrate`.

    ValueError if it loses more than LIMIT_DB on the held-out photos, which should be none of the calibration's.
    """
    loss = max(
        measure_loss(network, graph, cached_onnx(network, "fp32", graph), quantised(network, graph, ranges), held_out)
        for graph in GRAPHS
    )
    check_loss(loss)
    return Calibration(ranges, loss)


def network_inputs(network: CompletionNetwork, samples: Sequence[Sample]) -> Iterator[Tensor]:
    """`holed_14HW` of each sample as the completer gives them to the network, the whole photo being one window."""
    for photo_HW3, hole_HW in samples:
        holed_HW3 = photo_HW3.copy()
        holed_HW3[hole_HW] = 0
        if network.spec.fill == "smooth":
            fill_smoothly(holed_HW3, hole_HW)
        yield holed_tensor(*cut_out(holed_HW3, hole_HW, [whole_photo(*hole_HW.shape)]), network.spec)


@torch.inference_mode()
def calibrate(network: CompletionNetwork, samples: Sequence[Sample]) -> list[Range]:
    """The range of values that each convolution of the network reads, from the first to the output; without those of a
    learned fill."""
    network = copy.deepcopy(network).eval()
    convs = [cast(ConvBlock, block).conv for block in network.blocks] + [network.to_rgb]
    ranges = [(0.0, 0.0)] * len(convs)

    def widen(k: int) -> None:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            low, high = inputs[0].aminmax()
            ranges[k] = (min(ranges[k][0], low.item()), max(ranges[k][1], high.item()))

        convs[k].register_forward_pre_hook(hook)

    for k in range(len(convs)):
        widen(k)
    for holed_14HW in network_inputs(network, samples):
        network(holed_14HW)
    return ranges


def measure_loss(
    network: CompletionNetwork, graph: Graph, reference: bytes, content: bytes, samples: Sequence[Sample]
) -> Loss:
    """The loss of `content` against `reference` in OpenVINO. The interior graph gets mirrored surroundings."""
    fp32, int8 = open_in_openvino(reference), open_in_openvino(content)
    losses, distances = [], []
    for (photo_HW3, hole_HW), holed_14HW in zip(samples, network_inputs(network, samples), strict=True):
        if graph == "interior":
            holed_14HW = F.pad(holed_14HW, [network.spec.halo] * 4, mode="reflect")
        truth_P3 = photo_HW3[hole_HW] / 255
        fp32_P3, int8_P3 = (run(holed_14HW.contiguous().numpy())[0][:, hole_HW].T for run in (fp32, int8))
        losses.append(psnr(fp32_P3, truth_P3) - psnr(int8_P3, truth_P3))
        distances.append(psnr(int8_P3, fp32_P3))
    return Loss(float(np.mean(losses)), float(np.max(losses)), float(np.mean(distances)), len(samples))


def psnr(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """dB, for a range of 1; at most 100."""
    return -10 * math.log10(max(float(np.square(one - other).mean()), 1e-10))
