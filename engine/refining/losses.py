"""The losses of the refinement network: features as the photo has, colours near its, and no less sharp than drawn.

Features alone would be nearest for something between the drawing and a blur. A network that must not blur draws dots
pixel by pixel instead, unless it may not, and a discriminator sees what else no photo has.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.efficientnet import LiteFeatures
from engine.quality import feature_distance
from engine.refining.network import Discriminator

SQUARED_ERROR, SHARPNESS, TOO_SHARP, STIPPLE, ADVERSARIAL = 0.2, 1.0, 0.5, 0.3, 0.8
"""Weights against the feature distance: of the logarithm of the squared error, of how much less sharp the hole is than
it should be, of how much sharper it is than the original, of dots, and of what the discriminator sees."""

ENOUGH = 0.8
"""Share of the drawing's gradient energy, or of the original's if that is less, that the hole should keep."""

LEAST_ERROR = 0.002
"""Added to the squared error of RGB in [0, 1], as in `engine.training.losses`: where it is less, little is gained."""

MARGIN, LEAST_ENERGY, LEAST_STIPPLE = 4, 2.0, 0.05
"""Pixels inside the hole from which its gradients and dots count, and what is added to their energies, in levels^2."""

IN_HOLE = 0.3
"""Share of a place of the discriminator that lies in the hole, from which on it counts."""


class Terms(NamedTuple):
    """The terms of the loss of N samples, and what they are told from."""

    features_N: Tensor
    """The feature distance of `engine.quality`."""
    error_N: Tensor
    """The squared error in the hole, RGB in [0, 1]."""
    blur_N: Tensor
    """The logarithm of how much less gradient energy the hole has than is ENOUGH, or 0."""
    excess_N: Tensor
    """The logarithm of how much more it has than the original, or 0."""
    stipple_N: Tensor
    """The logarithms of how much more there is of each of the finest patterns than in both, or 0; their sum."""
    sharpness_N: Tensor
    """The gradient energy over the original's."""

    def loss(self) -> Tensor:
        """Their weighted mean."""
        log_N = torch.log(self.error_N + LEAST_ERROR)
        sharpness_N = SHARPNESS * self.blur_N + TOO_SHARP * self.excess_N
        return (self.features_N + SQUARED_ERROR * log_N + sharpness_N + STIPPLE * self.stipple_N).mean()


def terms(
    features: LiteFeatures, refined_N3HW: Tensor, drawn_N3HW: Tensor, original_N3HW: Tensor, hole_N1HW: Tensor
) -> Terms:
    """The terms for refined drawings; all are RGB in [0, 1]."""
    pixels_N = hole_N1HW.sum((1, 2, 3)).clamp(min=1)
    error_N = ((refined_N3HW - original_N3HW).square() * hole_N1HW).sum((1, 2, 3)) / (3 * pixels_N)
    images = refined_N3HW, drawn_N3HW, original_N3HW
    energy_N, drawn_N, original_N = (gradient_energy(image_N3HW, hole_N1HW) for image_N3HW in images)
    dots_N3, drawn_N3, original_N3 = (stipple(image_N3HW, hole_N1HW) for image_N3HW in images)
    return Terms(
        features_N=distance(features, refined_N3HW, original_N3HW, hole_N1HW),
        error_N=error_N,
        blur_N=F.relu(torch.log(ENOUGH * torch.minimum(drawn_N, original_N) / energy_N)),
        excess_N=F.relu(torch.log(energy_N / original_N)),
        stipple_N=F.relu(torch.log(dots_N3 / torch.minimum(drawn_N3, original_N3))).sum(1),
        sharpness_N=energy_N / original_N,
    )


def held(image_N3HW: Tensor) -> Tensor:
    """RGB within [0, 1]; the gradient goes straight through."""
    return image_N3HW + (image_N3HW.clamp(0, 1) - image_N3HW).detach()


def distance(features: LiteFeatures, one_N3HW: Tensor, original_N3HW: Tensor, hole_N1HW: Tensor) -> Tensor:
    """The feature distance in the hole, of N samples."""
    with torch.autocast(one_N3HW.device.type, torch.bfloat16):
        found = features(one_N3HW)
        with torch.no_grad():
            wanted = features(original_N3HW)
    shares = [F.adaptive_avg_pool2d(hole_N1HW, one.shape[2:]) for one in found]
    return feature_distance(found, wanted, shares)


def gradient_energy(image_N3HW: Tensor, hole_N1HW: Tensor) -> Tensor:
    """The mean squared gradient of the brightness well inside the hole, and LEAST_ENERGY, in levels^2, of N samples."""
    brightness_N1HW, inside_N1HW = 255 * image_N3HW.mean(1, keepdim=True), well_inside(hole_N1HW)
    across = (brightness_N1HW.diff(dim=3).square() * inside_N1HW[..., 1:]).sum((1, 2, 3))
    down = (brightness_N1HW.diff(dim=2).square() * inside_N1HW[..., 1:, :]).sum((1, 2, 3))
    return (across + down) / inside_N1HW.sum((1, 2, 3)).clamp(min=1) + LEAST_ENERGY


def stipple(image_N3HW: Tensor, hole_N1HW: Tensor) -> Tensor:
    """The energy well inside the hole of patterns that repeat every second pixel, and LEAST_STIPPLE, in levels^2.

    Of a chessboard's, and of rows and of columns: N x 3.
    """
    brightness_N1HW, inside_N1HW = 255 * image_N3HW.mean(1, keepdim=True), well_inside(hole_N1HW)
    fine_N1HW = brightness_N1HW - F.avg_pool2d(brightness_N1HW, 3, stride=1, padding=1, count_include_pad=False)
    down_H1 = 1.0 - 2 * (torch.arange(image_N3HW.shape[2], device=image_N3HW.device)[:, None] % 2)
    right_W = 1.0 - 2 * (torch.arange(image_N3HW.shape[3], device=image_N3HW.device) % 2)
    patterns_3HW = torch.stack(torch.broadcast_tensors(down_H1 * right_W, down_H1, right_W))
    energy_N3HW = F.avg_pool2d(fine_N1HW * patterns_3HW, 5, stride=1, padding=2).square() * inside_N1HW
    return energy_N3HW.sum((2, 3)) / inside_N1HW.sum((2, 3)).clamp(min=1) + LEAST_STIPPLE


def well_inside(hole_N1HW: Tensor) -> Tensor:
    """The hole without what is within MARGIN pixels of its border."""
    return 1 - F.max_pool2d(1 - hole_N1HW, 2 * MARGIN + 1, stride=1, padding=MARGIN)


def taken_for(photos: bool, discriminator: Discriminator, image_N3HW: Tensor, hole_N1HW: Tensor) -> Tensor:
    """The discriminator's loss in the hole if it is to take images for photos, or for refined drawings."""
    with torch.autocast(image_N3HW.device.type, torch.bfloat16):
        logits_N1hw = discriminator(torch.cat((2 * image_N3HW - 1, hole_N1HW), dim=1)).float()
    counts_N1hw = (F.adaptive_avg_pool2d(hole_N1HW, logits_N1hw.shape[2:]) > IN_HOLE).float()
    loss_N1hw = F.softplus(-logits_N1hw if photos else logits_N1hw)
    return (loss_N1hw * counts_N1hw).sum() / counts_N1hw.sum().clamp(min=1)
