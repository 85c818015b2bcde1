"""The refinement network in PyTorch, to be trained, and the discriminator that it is trained against.

`engine.inference.texture.refinement` runs it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from engine.inference.texture.refinement import CHANNELS, COLOUR, DILATIONS, WIDTH

FIRST_SHARE = -2.2
"""The logit of the share of the completion that an untrained network mixes in, everywhere: a tenth."""

SLOPE = 0.2
"""Of the discriminator's leaky ReLUs."""


class RefinementNetwork(nn.Module):
    """An encoder and decoder with dilated convolutions at 1/4 of the resolution. Untrained, it adds nothing.

    `forward` takes `drawn_N3HW` and `completed_N3HW`, RGB in [0, 1] and alike outside the hole, and `hole_N1HW`, fp32
    with 1 in the hole; H and W are multiples of 4. It returns `refined_N3HW`, not held within [0, 1].
    """

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(CHANNELS, WIDTH, kernel_size=6, stride=2, padding=2)
        self.near = nn.Conv2d(WIDTH, WIDTH, kernel_size=3, padding=1)
        self.down = nn.Conv2d(WIDTH, 2 * WIDTH, kernel_size=4, stride=2, padding=1)
        self.far = nn.ModuleList(
            nn.Conv2d(2 * WIDTH, 2 * WIDTH, kernel_size=3, padding=dilation, dilation=dilation)
            for dilation in DILATIONS
        )
        self.narrow = nn.Conv2d(2 * WIDTH, WIDTH, kernel_size=3, padding=1)
        self.join = nn.Conv2d(2 * WIDTH, WIDTH, kernel_size=3, padding=1)
        self.leave = nn.Conv2d(WIDTH, 16, kernel_size=3, padding=1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.leave.weight)
        nn.init.constant_(self.leave.bias[12:], FIRST_SHARE)  # type: ignore[index]

    def forward(self, drawn_N3HW: Tensor, completed_N3HW: Tensor, hole_N1HW: Tensor) -> Tensor:
        count_N111 = hole_N1HW.sum((2, 3), keepdim=True).clamp(min=1)
        mean_N311 = (completed_N3HW * hole_N1HW).sum((2, 3), keepdim=True) / count_N111
        difference_N3HW = (completed_N3HW - drawn_N3HW) * hole_N1HW
        answer_N4HW = self.answer(torch.cat((drawn_N3HW - mean_N311, difference_N3HW, hole_N1HW - 0.5), dim=1))
        change_N3HW = answer_N4HW[:, 3:] * difference_N3HW + answer_N4HW[:, :3]
        return drawn_N3HW + change_N3HW * hole_N1HW

    def answer(self, seen_NCHW: Tensor) -> Tensor:
        """`answer_N4HW`, fp32: what is added to RGB, and the share of the completion; as `refinement_graph`."""
        fine = torch.relu(self.enter(seen_NCHW))
        fine = fine + torch.relu(self.near(fine))
        coarse = torch.relu(self.down(fine))
        for layer in self.far:
            coarse = coarse + torch.relu(layer(coarse))
        wide = F.interpolate(torch.relu(self.narrow(coarse)), scale_factor=2, mode="bilinear", align_corners=False)
        fine = fine + torch.relu(self.join(torch.cat((wide, fine), dim=1)))
        added_N3HW, share_N1HW = F.pixel_shuffle(self.leave(fine).float(), 2).split((3, 1), dim=1)
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
