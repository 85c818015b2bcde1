"""The losses that the networks are trained on beside `kernels.masked_mse`: the adversarial loss (equation 4, on logits
in fp32), a squared error that weighs photos alike, and the completion as blending will join it to the photo."""

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.spec import STRIDE
from kernels.smooth_fill import interpolate_holes
from kernels.unit_range import to_unit_range

SMALL_ERROR = 2e-3
"""Squared error from which on a hole counts as hard: 27 dB. Below, photos lose weight as they get better."""

SMALL_PATTERN = 255.0**-2
"""Energy from which on a pattern counts: one grey level."""


def log_error(generated_N3SS: Tensor, image_N3SS: Tensor, mask_N1SS: Tensor) -> Tensor:
    """The sum over photos of log(mean squared error in the hole + SMALL_ERROR), a scalar in fp32.

    The paper's loss is a sum of squares, and in a batch of photos most of that comes from the few with the busiest
    holes, of which the least can be learned.
    """
    hole_N1SS = mask_N1SS != 0
    difference_N3SS = torch.where(hole_N1SS, generated_N3SS.float() - to_unit_range(image_N3SS), 0)
    error_N = difference_N3SS.square().sum((1, 2, 3)) / (3 * hole_N1SS.sum((1, 2, 3))).clamp(min=1)
    return torch.log(error_N + SMALL_ERROR).sum()


def blended(generated_N3SS: Tensor, image_N3SS: Tensor, mask_N1SS: Tensor) -> Tensor:
    """The completion as Poisson blending joins it to the photo (`engine.inference.holes.blend`); outside, the photo.

    A smooth correction makes it meet the photo at the hole's border. A loss on this leaves to the network what blending
    cannot give: the colours in the hole relative to those around it.
    """
    known_N1SS = (mask_N1SS == 0).float()
    missing_N3SS = to_unit_range(image_N3SS) - generated_N3SS.float()
    corrected_N3SS = generated_N3SS.float() + interpolate_holes(missing_N3SS * known_N1SS, known_N1SS)
    return corrected_N3SS.to(generated_N3SS.dtype)


def stride_pattern(image_N3SS: Tensor, mask_N1SS: Tensor) -> Tensor:
    """The energy in the hole of what repeats every STRIDE pixels, N values in fp32: 0 for edges far apart and ramps.

    `image` is RGB in [0, 1]. A filter takes away what is coarser than STRIDE; what is left is averaged over cells of
    STRIDE pixels, 3x3 of them at a time: a texture of the photo's cancels itself out, a pattern stays.
    """
    smooth_5 = image_N3SS.new_tensor((1, 2, 2, 2, 1), dtype=torch.float32) / 8  # 0 at periods of 4 and 2
    smooth_3155 = torch.outer(smooth_5, smooth_5).expand(3, 1, -1, -1)
    image_N3SS = image_N3SS.float()
    fine_N3SS = image_N3SS - F.conv2d(F.pad(image_N3SS, (2, 2, 2, 2), "replicate"), smooth_3155, groups=3)
    inside_N1ss = -F.max_pool2d(-mask_N1SS.float(), STRIDE)  # cells that are wholly in the hole
    cells_NCss = F.pixel_unshuffle(fine_N3SS, STRIDE) * inside_N1ss
    count_N1ss = F.avg_pool2d(inside_N1ss, 3, stride=1, divisor_override=1)
    mean_NCss = F.avg_pool2d(cells_NCss, 3, stride=1, divisor_override=1) / count_N1ss.clamp(min=1)
    weight_N1ss = count_N1ss / count_N1ss.sum((1, 2, 3), keepdim=True).clamp(min=1)
    return (mean_NCss.square().mean(1, keepdim=True) * weight_N1ss).sum((1, 2, 3))


def pattern_loss(completed_N3SS: Tensor, image_N3SS: Tensor, mask_N1SS: Tensor) -> Tensor:
    """The mean over photos of log(1 + stride_pattern of the completion / that of the photo), a scalar in fp32."""
    own_N = stride_pattern(to_unit_range(image_N3SS), mask_N1SS)
    return torch.log1p(stride_pattern(completed_N3SS, mask_N1SS) / (own_N + SMALL_PATTERN)).mean()


def discriminator_loss(real_logits_N1: Tensor, fake_logits_N1: Tensor) -> Tensor:
    """-[log D(real) + log(1 - D(fake))], each averaged over the batch; a scalar in fp32."""
    # log(1 - sigmoid(z)) = -softplus(z): no logarithm of a rounded probability, so no saturation.
    return F.softplus(-real_logits_N1.float()).mean() + F.softplus(fake_logits_N1.float()).mean()


def adversarial_loss(fake_logits_N1: Tensor) -> Tensor:
    """-log D(fake), the non-saturating form of the generator's term; a scalar in fp32."""
    return F.softplus(-fake_logits_N1.float()).mean()
