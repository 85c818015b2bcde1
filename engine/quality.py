"""Scores of how completions look, without any download: sharpness, and distances between features and between textures.

PSNR rewards a blur; these tell what people see. `engine.training` watches a run by them, `engine-evaluate` reports
them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Self, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.decode import Pixels
from engine.efficientnet import LiteFeatures
from engine.inference.holes.mask import Mask, bounding_box

CONTEXT = 64
"""Pixels around the hole that features may see: most of what decides them lies nearer."""

LARGEST_STRIDE = 32
"""Pixels between two places of the coarsest features: what they see is a multiple of it, but at the photo's border."""

PATCH = 7
"""Side in pixels of the patches that textures are compared by."""

DIRECTIONS = 64
"""Random projections of the patches; the distance is the mean over them."""

LEAST_SHARPNESS = 1.0
"""Of an original, in levels^2: less is counted as this, so that a plain sky does not make any ratio."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Looks:
    """One completed photo beside its original, as people see it; NaN what cannot be told of so small a hole."""

    sharpness: float
    """Relative to the original's: 1 is as sharp, 0 a blur. NaN in a hole thinner than 9 px."""
    feature_distance: float
    """Between what EfficientNet-Lite0 sees of both in the hole: 0 is equal, 5 a wrong texture."""
    texture_distance: float
    """Between the patches of both in the hole, wherever they lie: 0 is the same texture. NaN in a box of 7 px."""


def typical(looks: Sequence[Looks]) -> dict[str, float]:
    """The median sharpness of several photos, whose ratios have outliers, and the means of the distances.

    Of what could be told; NaN where that is of no photo.
    """
    row = {}
    for name, summary in (("sharpness", median), ("feature_distance", fmean), ("texture_distance", fmean)):
        told = [value for one in looks if not np.isnan(value := getattr(one, name))]
        row[name] = summary(told) if told else float("nan")
    return row


def sharpness(completed_HW3: Pixels, mask_HW: Mask) -> float:
    """The mean squared gradient of the grey photo (uint8 RGB), more than 4 px inside the hole (True); in levels^2.

    Relative to that of the original, 1 is as sharp as the photo and 0 a blur. NaN if the hole is thinner than 9 px.
    """
    grey_HW = cv2.cvtColor(completed_HW3, cv2.COLOR_RGB2GRAY).astype(np.float32)
    inside_HW = cv2.erode(mask_HW.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    across, down = np.diff(grey_HW, axis=1)[:-1], np.diff(grey_HW, axis=0)[:, :-1]
    energy_P = (across**2 + down**2)[inside_HW[:-1, :-1]]
    return float(energy_P.mean()) if energy_P.size else float("nan")


def feature_distance(completed: list[Tensor], original: list[Tensor], shares: list[Tensor]) -> Tensor:
    """Squared distances of features, of unit length at each place, in the hole, summed over strides: N values in fp32.

    LPIPS without its learned weights. `completed` and `original` are what LiteFeatures returns; `shares` say for each
    place of each of them which share of what it stands for is in the hole: N x 1 x the features' height and width.
    """
    distance_N = shares[0].new_zeros(len(shares[0]))
    for one_NChw, other_NChw, share_N1hw in zip(completed, original, shares, strict=True):
        apart_N1hw = (unit(one_NChw) - unit(other_NChw)).square().sum(1, keepdim=True)
        area_N = share_N1hw.sum((1, 2, 3)).clamp(min=1e-6)
        distance_N = distance_N + (apart_N1hw * share_N1hw).sum((1, 2, 3)) / area_N
    return distance_N


def unit(features_NChw: Tensor) -> Tensor:
    """The features in fp32 with length 1 at each place."""
    features_NChw = features_NChw.float()
    return features_NChw / (features_NChw.norm(dim=1, keepdim=True) + 1e-6)


class FeatureDistance:
    """The distance that EfficientNet-Lite0 sees between a completion and the original; 0 is equal, 5 a wrong
    texture."""

    def __init__(self, features: LiteFeatures) -> None:
        self.features = features

    @classmethod
    def load(cls) -> Self:
        """With the installed weights. ValueError, saying how to install them, if they are missing."""
        return cls(LiteFeatures.load())

    @torch.inference_mode()
    def __call__(self, completed_HW3: Pixels, original_HW3: Pixels, mask_HW: Mask) -> float:
        """The distance in the hole (True) of two uint8 RGB photos, as seen in a window of CONTEXT around it.

        The photos have at least LARGEST_STRIDE pixels on each side.
        """
        window = window_around(mask_HW)
        one, other = (
            self.features(torch.from_numpy(photo_HW3[window].copy()).permute(2, 0, 1)[None] / 255)
            for photo_HW3 in (completed_HW3, original_HW3)
        )
        mask_hw = mask_HW[window].astype(np.float32)
        sizes = [(features.shape[3], features.shape[2]) for features in one]
        shares = [cv2.resize(mask_hw, size, interpolation=cv2.INTER_AREA) for size in sizes]
        return float(feature_distance(one, other, [torch.from_numpy(share_hw)[None, None] for share_hw in shares]))

    def looks(self, completed_HW3: Pixels, original_HW3: Pixels, mask_HW: Mask) -> Looks:
        """This distance, and the sharpness and texture distance, of the same photos in the same hole."""
        case = completed_HW3, original_HW3, mask_HW
        return Looks(
            sharpness=sharpness(completed_HW3, mask_HW) / max(sharpness(original_HW3, mask_HW), LEAST_SHARPNESS),
            feature_distance=self(*case),
            texture_distance=texture_distance(*case),
        )


def window_around(mask_HW: Mask) -> tuple[slice, slice]:
    """The hole's bounding box and CONTEXT around it, as far as the photo reaches."""
    ys, xs = np.nonzero(mask_HW)
    y, x = max(int(ys.min()) - CONTEXT, 0), max(int(xs.min()) - CONTEXT, 0)
    height, width = ((int(p.max()) + CONTEXT - low) // LARGEST_STRIDE * LARGEST_STRIDE for p, low in ((ys, y), (xs, x)))
    return slice(y, y + height), slice(x, x + width)


def texture_distance(completed_HW3: Pixels, original_HW3: Pixels, mask_HW: Mask, seed: int = 0) -> float:
    """Sliced Wasserstein distance of the patches in the hole's box, less their means; 0 is the same texture.

    In units of the deviation of the original's patches, the mean of three scales, each half the one before. Both photos
    are uint8 RGB. It is about texture alone: where what lies does not count. Scales at which the box is no larger than
    a patch are left out; NaN if that is all.
    """
    random = np.random.default_rng(seed)
    distances = []
    for _ in range(3):
        if not mask_HW.any() or min(mask_HW[bounding_box(mask_HW)].shape) <= PATCH:
            break
        one_P, other_P = (patches(photo_HW3, mask_HW) for photo_HW3 in (completed_HW3, original_HW3))
        deviation = other_P.std() + 0.5
        directions = random.normal(size=(one_P.shape[1], DIRECTIONS)).astype(np.float32)
        directions /= np.linalg.norm(directions, axis=0)
        one_PD, other_PD = (np.sort(p / deviation @ directions, axis=0) for p in (one_P, other_P))
        distances.append(float(np.abs(one_PD - other_PD).mean()))
        completed_HW3, original_HW3 = halved(completed_HW3), halved(original_HW3)
        size = (original_HW3.shape[1], original_HW3.shape[0])
        mask_HW = cv2.resize(mask_HW.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return sum(distances) / len(distances) if distances else float("nan")


def halved(photo_HW3: Pixels) -> Pixels:
    """The photo at half its size."""
    return cast(Pixels, cv2.resize(photo_HW3, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def patches(photo_HW3: Pixels, mask_HW: Mask) -> NDArray[np.float32]:
    """All patches of PATCH pixels a side in the hole's bounding box, a row each, each channel less its mean."""
    box_HW3 = photo_HW3[bounding_box(mask_HW)].astype(np.float32)
    patches_hw3kk = np.lib.stride_tricks.sliding_window_view(box_HW3, (PATCH, PATCH), (0, 1))
    patches_P3K = patches_hw3kk.reshape(-1, 3, PATCH * PATCH)
    return (patches_P3K - patches_P3K.mean(2, keepdims=True)).reshape(-1, 3 * PATCH * PATCH)
