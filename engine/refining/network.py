"""The refinement network in PyTorch, to be trained, and the discriminator that it is trained against.

`engine.inference.texture.refinement` runs it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from engine.inference.texture.refinement import CHANNELS, COLOUR, WIDTH
from engine.small_networks import EncoderDecoder

FIRST_SHARE = -2.2
"""The logit of the share of the completion that an untrained network mixes in, everywhere: a tenth."""

SLOPE = 0.2
"""Of the discriminator's leaky ReLUs."""


class RefinementNetwork(EncoderDecoder):
    """Mends drawings. Untrained, it mixes in a tenth of the completion, and adds nothing.

    `forward` takes `drawn_N3HW` and `completed_N3HW`, RGB in [0, 1] and alike outside the hole, and `hole_N1HW`, fp32
    with 1 in the hole; H and W are multiples of 4. It returns `refined_N3HW`, not held within [0, 1].
    """

    def __init__(self) -> None:
        super().__init__(CHANNELS, WIDTH, (0.0, 0.0, 0.0, FIRST_SHARE))

    def forward(self, drawn_N3HW: Tensor, completed_N3HW: Tensor, hole_N1HW: Tensor) -> Tensor:
        count_N111 = hole_N1HW.sum((2, 3), keepdim=True).clamp(min=1)
        mean_N311 = (completed_N3HW * hole_N1HW).sum((2, 3), keepdim=True) / count_N111
        difference_N3HW = (completed_N3HW - drawn_N3HW) * hole_N1HW
        answer_N4HW = self.answer(torch.cat((drawn_N3HW - mean_N311, difference_N3HW, hole_N1HW - 0.5), dim=1))
        change_N3HW = answer_N4HW[:, 3:] * difference_N3HW + answer_N4HW[:, :3]
        return drawn_N3HW + change_N3HW * hole_N1HW

    def answer(self, seen_NCHW: Tensor) -> Tensor:
        """`answer_N4HW`, fp32: what is added to RGB, and the share of the completion; as `refinement_graph`."""
        added_N3HW, share_N1HW = self.output(seen_NCHW).split((3, 1), dim=1)
        brightness_N1HW = added_N3HW.mean(1, keepdim=True)
        colour_N3HW = F.avg_pool2d(
            added_N3HW - brightness_N1HW, COLOUR, stride=1, padding=COLOUR // 2, count_include_pad=False
        )
        return torch.cat((brightness_N1HW + colour_N3HW, torch.sigmoid(share_N1HW)), dim=1)


class Discriminator(nn.Sequential):
    """Tells photos from refined drawings, place by place: it sees some 40 pixels around each, the hole's border too.

    Takes `image_N3HW`, RGB in [0, 1], and `hole_N1HW` as four channels, and returns logits at 1/8 of the resolution. By
    spectral normalisation (Miyato et al. 2018) none of its layers makes a difference larger.
    """

    def __init__(self) -> None:
        shapes = ((4, 32, 4, 2), (32, 64, 4, 2), (64, 96, 4, 2), (96, 96, 3, 1))
        layers: list[nn.Module] = []
        for channels, wider, kernel, stride in shapes:
            layers += [spectral_norm(nn.Conv2d(channels, wider, kernel, stride, padding=1)), nn.LeakyReLU(SLOPE)]
        super().__init__(*layers, nn.Conv2d(96, 1, kernel_size=3, padding=1))
