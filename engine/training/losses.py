"""What the networks are trained on beside `kernels.masked_mse`: the adversarial loss (equation 4, on logits in fp32), a
squared error that weighs photos alike, and the completion as blending will join it to the photo."""

import torch
import torch.nn.functional as F
from torch import Tensor

import kernels

SMALL_ERROR = 2e-3
"""Squared error from which on a hole counts as hard: 27 dB. Below, photos lose weight as they get better."""


def log_error(generated_N3SS: Tensor, image_N3SS: Tensor, mask_N1SS: Tensor) -> Tensor:
    """The sum over photos of log(mean squared error in the hole + SMALL_ERROR), a scalar in fp32.

    The paper's loss is a sum of squares, and in a batch of photos most of that comes from the few with the busiest
    holes, of which the least can be learned.
    """
    hole_N1SS = mask_N1SS != 0
    difference_N3SS = torch.where(hole_N1SS, generated_N3SS.float() - kernels.to_unit_range(image_N3SS), 0)
    error_N = difference_N3SS.square().sum((1, 2, 3)) / (3 * hole_N1SS.sum((1, 2, 3))).clamp(min=1)
    return torch.log(error_N + SMALL_ERROR).sum()


def blended(generated_N3SS: Tensor, image_N3SS: Tensor, mask_N1SS: Tensor) -> Tensor:
    """The completion as Poisson blending joins it to the photo (see `engine.inference.blend`); outside, the photo.

    A smooth correction makes it meet the photo at the hole's border. A loss on this leaves to the network what blending
    cannot give: the colours in the hole relative to those around it.
    """
    known_N1SS = (mask_N1SS == 0).float()
    missing_N3SS = kernels.to_unit_range(image_N3SS) - generated_N3SS.float()
    corrected_N3SS = generated_N3SS.float() + kernels.interpolate_holes(missing_N3SS * known_N1SS, known_N1SS)
    return corrected_N3SS.to(generated_N3SS.dtype)


def discriminator_loss(real_logits_N1: Tensor, fake_logits_N1: Tensor) -> Tensor:
    """-[log D(real) + log(1 - D(fake))], each averaged over the batch; a scalar in fp32."""
    # log(1 - sigmoid(z)) = -softplus(z): no logarithm of a rounded probability, so no saturation.
    return F.softplus(-real_logits_N1.float()).mean() + F.softplus(fake_logits_N1.float()).mean()


def adversarial_loss(fake_logits_N1: Tensor) -> Tensor:
    """-log D(fake), the non-saturating form of the generator's term; a scalar in fp32."""
    return F.softplus(-fake_logits_N1.float()).mean()
