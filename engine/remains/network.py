"""The network that finds remains in PyTorch, and its loss; `engine.inference.masks.remains` runs it."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.inference.masks.remains import BAND, CHANNELS, WIDTH
from engine.small_networks import EncoderDecoder

FIRST_CHANCE = -3.0
"""The logit of the probability that an untrained network gives everywhere."""


class RemainsNetwork(EncoderDecoder):
    """Says of each pixel around a hole how likely it belongs to what the hole covers.

    `forward` takes `image_N3HW`, RGB in [0, 1], and `hole_N1HW`, fp32 with 1 in the hole; it returns `logits_N1HW`.
    """

    def __init__(self) -> None:
        super().__init__(CHANNELS, WIDTH, (FIRST_CHANCE,))

    def forward(self, image_N3HW: Tensor, hole_N1HW: Tensor) -> Tensor:
        known_N1HW = 1 - hole_N1HW
        mean_N311 = (image_N3HW * known_N1HW).sum((2, 3), keepdim=True) / known_N1HW.sum((2, 3), keepdim=True)
        return self.output(torch.cat((image_N3HW - mean_N311, hole_N1HW - 0.5, near(hole_N1HW) - 0.5), dim=1))


def near(hole_N1HW: Tensor) -> Tensor:
    """The hole and what lies within BAND of it, in rows and in columns."""
    down_N1HW = F.max_pool2d(hole_N1HW, (2 * BAND + 1, 1), stride=1, padding=(BAND, 0))
    return F.max_pool2d(down_N1HW, (1, 2 * BAND + 1), stride=1, padding=(0, BAND))


def loss_of(network: nn.Module, samples_NSS5: NDArray[np.uint8]) -> tuple[Tensor, Tensor, Tensor]:
    """The cross entropy beside the holes, and there the logits and what remains."""
    samples_N5SS = torch.from_numpy(np.ascontiguousarray(samples_NSS5.transpose(0, 3, 1, 2), np.float32))
    image_N3HW, hole_N1HW, left_N1HW = samples_N5SS.split((3, 1, 1), dim=1)
    with torch.autocast("cpu", torch.bfloat16):
        logits_N1HW = network(image_N3HW / 255, hole_N1HW)
    beside_N1HW = (near(hole_N1HW) - hole_N1HW) > 0
    logits_P, left_P = logits_N1HW[beside_N1HW], left_N1HW[beside_N1HW]
    return F.binary_cross_entropy_with_logits(logits_P, left_P), logits_P, left_P
