"""The shades along a hole's border that the refinement leaves as drawn, in PyTorch, for gradients to pass."""

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.inference.texture.refinement import BAND, SMOOTHED


def shade_from_border(change_N3HW: Tensor, hole_N1HW: Tensor) -> Tensor:
    """`shade_N3HW`, as `engine.inference.texture.refinement.shade_from_border` gives it, roughly.

    Inwards it is smooth by averaging and enlarging (push and pull), which gradients pass cheaply, and not harmonic.
    """
    known_N1HW = 1 - hole_N1HW
    near_N1HW = F.max_pool2d(known_N1HW, len(BAND), stride=1, padding=len(BAND) // 2)
    down_N1HW, right_N1HW = F.max_pool2d(known_N1HW, (3, 1), 1, (1, 0)), F.max_pool2d(known_N1HW, (1, 3), 1, (0, 1))
    border_N1HW = hole_N1HW * torch.maximum(down_N1HW, right_N1HW)
    band_N1HW = hole_N1HW * near_N1HW
    weight_N1HW = blurred(band_N1HW).clamp(min=1e-6)
    return pulled(blurred(change_N3HW * band_N1HW) / weight_N1HW * border_N1HW, border_N1HW)


def blurred(image_NCHW: Tensor) -> Tensor:
    """Averaged by Gaussian weights."""
    reach = round(4 * SMOOTHED)
    weight_K = torch.exp(-torch.arange(-reach, reach + 1).square() / (2 * SMOOTHED**2))
    weight_K = (weight_K / weight_K.sum()).to(image_NCHW.dtype)
    channels = image_NCHW.shape[1]
    down_C1K1 = weight_K.view(1, 1, -1, 1).repeat(channels, 1, 1, 1)
    image_NCHW = F.conv2d(image_NCHW, down_C1K1, padding=(reach, 0), groups=channels)
    return F.conv2d(image_NCHW, down_C1K1.transpose(2, 3), padding=(0, reach), groups=channels)


def pulled(sum_NCHW: Tensor, weight_N1HW: Tensor) -> Tensor:
    """`sum_NCHW / weight_N1HW` where there is a weight, and elsewhere what that is at coarser scales, enlarged."""
    own_NCHW = sum_NCHW / weight_N1HW.clamp(min=1e-6)
    if min(sum_NCHW.shape[2:]) < 2:
        return own_NCHW
    half = [F.avg_pool2d(values, 2, ceil_mode=True) for values in (sum_NCHW, weight_N1HW)]
    wide_NCHW = F.interpolate(pulled(*half), size=sum_NCHW.shape[2:], mode="bilinear", align_corners=False)
    return torch.where(weight_N1HW > 0, own_NCHW, wide_NCHW)
