"""The perceptual loss: how differently a network trained on photographs sees a completed hole and what was there.

Squared error rewards the mean of all that a hole might hold, which is blurred; features of a network that was trained
to tell things apart are further apart for a blur than for a wrong but sharp texture. With EfficientNet-Lite0 it is the
feature distance of `engine.quality`. With VGG-16, layers and norm are those of Liu et al., Image Inpainting for
Irregular Holes Using Partial Convolutions (ECCV 2018), equation 5.

On a 128x128 patch VGG-16 costs 18 GFLOP for a photo (two forward passes and a backward one to the completion), against
256 for the rest of the joint step at 256x256, and EfficientNet-Lite0 0.4.
"""

from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.efficientnet import LiteFeatures
from engine.quality import feature_distance
from engine.torchvision_weights import load_into
from engine.training.config import TrainConfig

BLOCKS = ((64, 64), (128, 128), (256, 256, 256))
"""Channels of the convolutions of VGG-16 up to its third pooling; a pooling ends each block."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB in [0, 1], which the weights in torchvision's layout were trained with."""


class VggFeatures(nn.Module):
    """The first three blocks of VGG-16 (Simonyan and Zisserman, 2015), with torchvision's names; not to be trained.

    `forward` takes RGB `image_N3HW` in [0, 1] and returns what follows each block's pooling.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for block in BLOCKS:
            for width in block:
                layers += [nn.Conv2d(channels, width, kernel_size=3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)

    def forward(self, image_N3HW: Tensor) -> list[Tensor]:
        x = (image_N3HW - self.mean) / self.std
        features = []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                features.append(x)
        return features

    @classmethod
    def load(cls, path: Path) -> Self:
        """With the weights in `path`: torchvision's state dict of vgg16 (.pth), or the same as .safetensors.

        The layers beyond the third block may be there or not. ValueError if the file is missing, unreadable or of
        another network.
        """
        network = cls()
        load_into(network, path, "VGG-16")
        return network


def l1_distance(completed: list[Tensor], photo: list[Tensor], mask_N1PP: Tensor) -> Tensor:
    """The mean absolute difference of VGG-16's features where any of the hole is seen, summed over blocks: N values."""
    share_N1hw = mask_N1PP.float()
    distance_N = share_N1hw.new_zeros(len(share_N1hw))
    for one_NChw, other_NChw in zip(completed, photo, strict=True):
        share_N1hw = F.max_pool2d(share_N1hw, 2)
        difference_N1hw = (one_NChw.float() - other_NChw.float()).abs().mean(1, keepdim=True)
        area_N = share_N1hw.sum((1, 2, 3)).clamp(min=1)
        distance_N = distance_N + (difference_N1hw * share_N1hw).sum((1, 2, 3)) / area_N
    return distance_N


def lite_distance(completed: list[Tensor], photo: list[Tensor], mask_N1PP: Tensor) -> Tensor:
    """The distance of EfficientNet-Lite0's features that completions are measured by: N values."""
    shares = [F.interpolate(mask_N1PP.float(), features.shape[2:], mode="area") for features in photo]
    return feature_distance(completed, photo, shares)


class PerceptualLoss:
    """The distance of the features of completed patches from those of the photos' own, in the hole."""

    def __init__(
        self,
        network: VggFeatures | LiteFeatures,
        device: torch.device,
        dtype: torch.dtype | None,
        compile_mode: str | None,
    ) -> None:
        self.network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.distance = l1_distance if isinstance(network, VggFeatures) else lite_distance
        self.device_type, self.dtype = device.type, dtype
        if compile_mode:
            self.network.compile(mode=compile_mode, fullgraph=True, dynamic=False)

    def __call__(
        self, completed_N3PP: Tensor, photo_N3PP: Tensor, mask_N1PP: Tensor, side: int | None = None
    ) -> Tensor:
        """A scalar in fp32, the mean over photos, whatever the size of their holes; no gradient reaches `photo`.

        Both are RGB in [0, 1]; the mask is 1 in the hole and 0 elsewhere. All are resized to `side` first, if given.
        """
        if side is not None and side != photo_N3PP.shape[-1]:
            completed_N3PP, photo_N3PP = (
                F.interpolate(patch, (side, side), mode="bilinear", antialias=side < patch.shape[-1])
                for patch in (completed_N3PP.float(), photo_N3PP)
            )
            mask_N1PP = F.interpolate(mask_N1PP.float(), (side, side), mode="area")
        with torch.no_grad():
            wanted = self.features(photo_N3PP)
        return self.distance(self.features(completed_N3PP), wanted, mask_N1PP).mean()

    def features(self, image_N3PP: Tensor) -> list[Tensor]:
        with torch.autocast(self.device_type, self.dtype or torch.bfloat16, enabled=self.dtype is not None):
            return self.network(image_N3PP)


def load_features(config: TrainConfig) -> VggFeatures | LiteFeatures:
    """The network that --perceptual names. ValueError if its weights are not there or cannot be read."""
    if config.perceptual_weights:
        return VggFeatures.load(config.perceptual_weights)
    return LiteFeatures.load()
