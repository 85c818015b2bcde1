"""Fill holes with the harmonic interpolation of their border: the smoothest surface that meets the photo all around.

A network that starts from it has less to invent than from the mean pixel, and its output meets the border's colours.
Plain PyTorch: it is a small part of a step, and the launches of its pyramid do not fuse.

The Laplace equation inside the hole is solved by a cascade from coarse to fine: known pixels are averaged down a
pyramid of halved images until no hole is left, and on the way up each level starts from the one below and is relaxed a
few times. The cost is proportional to the area that is given, not to the hole's width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

RELAXATIONS = 4
"""Sweeps on each level, at equal cost each. PSNR in the hole, 60 photos of 256x256 with holes of 96 to 128 pixels:
14.67 dB with none, 14.95 with 2, 14.99 with 4, 15.00 with 8, 14.99 with 400; OpenCV's Telea has 14.00."""


def smooth_fill(holed_N4HW: Tensor) -> Tensor:
    """RGB and mask (1 = hole, 0 elsewhere) with the RGB in the hole replaced; anything may stand there before.

    Takes and returns floating N4HW of any size, the result in channels-last. An image that is all hole stays as it is.
    No gradient flows through it.
    """
    with torch.no_grad():
        rgb_N3HW, mask_N1HW = holed_N4HW[:, :3].float(), holed_N4HW[:, 3:].float()
        known_N1HW = 1 - mask_N1HW
        filled_N3HW = interpolate_holes(rgb_N3HW * known_N1HW, known_N1HW)
        everything = known_N1HW.amax((1, 2, 3), keepdim=True) == 0
        result = torch.cat((torch.where(everything, rgb_N3HW, filled_N3HW), mask_N1HW), dim=1)
        return result.to(holed_N4HW.dtype).contiguous(memory_format=torch.channels_last)


def interpolate_holes(rgb_N3HW: Tensor, known_N1HW: Tensor) -> Tensor:
    """`rgb`, any fp32 values, with those where `known` (fp32, 1 or 0) is 0 interpolated; they must be 0 as given.

    Linear in the known values, and gradients flow to them. The coarser levels come first, then a few relaxations here.
    """
    height, width = rgb_N3HW.shape[2:]
    # A GPU is not asked whether anything is left to do: waiting for its answer takes longer than the other levels.
    if height == width == 1 or (not known_N1HW.is_cuda and bool(known_N1HW.all())):
        return rgb_N3HW
    # Halve: each coarse pixel is the mean of the known ones under it, and known if there is one.
    pad = (0, width % 2, 0, height % 2)
    weight = F.avg_pool2d(F.pad(known_N1HW, pad), 2)
    coarse = F.avg_pool2d(F.pad(rgb_N3HW, pad), 2) / weight.clamp(min=1e-6)
    coarse = interpolate_holes(coarse, (weight > 0).float())
    start = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)[..., :height, :width]
    return _relax(torch.where(known_N1HW > 0, rgb_N3HW, start), known_N1HW)


def _relax(rgb_N3HW: Tensor, known_N1HW: Tensor) -> Tensor:
    """Replace each unknown pixel by the mean of its four neighbours, RELAXATIONS times."""
    hole_N1HW = known_N1HW == 0
    for _ in range(RELAXATIONS):
        around = F.pad(rgb_N3HW, (1, 1, 1, 1), mode="replicate")
        mean = (around[..., :-2, 1:-1] + around[..., 2:, 1:-1] + around[..., 1:-1, :-2] + around[..., 1:-1, 2:]) / 4
        rgb_N3HW = torch.where(hole_N1HW, mean, rgb_N3HW)
    return rgb_N3HW
