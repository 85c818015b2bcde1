"""LPIPS and FID: distances as networks see them that were trained to tell photographs apart.

Their weights are not part of this package and nothing is downloaded: both are read from files that the user has.

LPIPS compares one completed photo with its original (Zhang et al., The Unreasonable Effectiveness of Deep Features as a
Perceptual Metric, CVPR 2018), FID all completed photos with all originals (Heusel et al., GANs Trained by a Two
Time-Scale Update Rule, NeurIPS 2017).
"""

from importlib import resources
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from data.decode import Pixels
from engine.packages import import_optional
from engine.torchvision_weights import load_into

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""The normalisation that LPIPS applies to RGB in [-1, 1]: the mean and deviation that AlexNet was trained with."""

INCEPTION_FEATURES = 2048
"""Length of the vectors that FID compares."""


class Lpips(nn.Module):
    """LPIPS with AlexNet (version 0.1), which most papers report. 0 is equal; 30 ms for 256x256 on two cores."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(  # torchvision's names
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(),
        )
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1), persistent=False)
        self.importance: list[Tensor] = []  # of each channel behind each ReLU, 1C11
        self.requires_grad_(False)

    @classmethod
    def load(cls, path: Path) -> Self:
        """With AlexNet's weights in `path`: torchvision's state dict (alexnet-owt-7be5be79.pth), or as .safetensors.

        How much each channel counts comes with torchmetrics. ValueError if that is not installed, or the file is
        missing, unreadable or of another network.
        """
        learned = resources.files(import_optional("torchmetrics.functional.image")) / "lpips_models" / "alex.pth"
        network = cls()
        load_into(network, path, "AlexNet")
        with resources.as_file(learned) as file:
            importance = torch.load(file, map_location="cpu", weights_only=True)
        network.importance = [importance[f"lin{i}.model.1.weight"] for i in range(5)]
        return network

    @torch.inference_mode()
    def forward(self, completed_N3HW: Tensor, original_N3HW: Tensor) -> Tensor:
        """The distance of each pair, N values; both are RGB in [0, 1], of at least 63x63 pixels."""
        both = (torch.cat((completed_N3HW, original_N3HW)) * 2 - 1 - self.shift) / self.scale
        distance_N = both.new_zeros(len(completed_N3HW))
        importance = iter(self.importance)
        for layer in self.features:
            both = layer(both)
            if isinstance(layer, nn.ReLU):
                unit = both / (both.square().sum(1, keepdim=True) + 1e-8).sqrt()
                one_NChw, other_NChw = unit.chunk(2)
                distance_N += ((one_NChw - other_NChw).square() * next(importance)).sum(1).mean((1, 2))
        return distance_N

    def between(self, completed_HW3: Pixels, original_HW3: Pixels) -> float:
        """The distance of one uint8 RGB photo from another."""
        return float(self(batch_of(completed_HW3).float() / 255, batch_of(original_HW3).float() / 255))


class Fid:
    """FID of several ways to complete, over the same photos; it keeps 8 kB for each photo of each way.

    With few photos it comes out too large (the covariance of 2,048 features is estimated from them): it ranks ways over
    the same photos, and compares with published figures over thousands only.
    """

    def __init__(self, inception: nn.Module) -> None:
        self.inception = inception
        self.features: dict[str, list[Tensor]] = {}

    @classmethod
    def load(cls, path: Path) -> Self:
        """With the network in `path`: inception-2015-12-05.pt, the TorchScript file of StyleGAN2-ADA and MMagic.

        ValueError if the file is missing or no such network.
        """
        if not path.is_file():
            raise ValueError(f"there is no Inception network at {path}; nothing is downloaded")
        try:
            fid = cls(torch.jit.load(path, map_location="cpu").eval())
            found = fid.look(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).shape
        except (RuntimeError, ValueError, AttributeError) as error:  # the last of what gives no tensor
            reason = str(error).strip().splitlines()[-1]
            raise ValueError(f"{path} is not the Inception network as TorchScript ({reason})") from error
        if found != (1, INCEPTION_FEATURES):
            raise ValueError(f"{path} gives features of shape {tuple(found)}; it must be (1, {INCEPTION_FEATURES})")
        return fid

    @torch.inference_mode()
    def look(self, photo_N3HW: Tensor) -> Tensor:
        """The features of uint8 RGB photos, N times 2,048; Inception resizes them to 299x299 itself."""
        return self.inception(photo_N3HW, return_features=True)

    def add(self, name: str, photo_HW3: Pixels) -> None:
        """Count a uint8 RGB photo among those of `name`."""
        self.features.setdefault(name, []).append(self.look(batch_of(photo_HW3)))

    def distance(self, name: str, other: str) -> float:
        """Between the photos added under two names, two at least under each."""
        return frechet_distance(torch.cat(self.features[name]), torch.cat(self.features[other]))


def frechet_distance(one_ND: Tensor, other_ND: Tensor) -> float:
    """Squared Frechet distance of the normal distributions with the means and covariances of two sets of vectors.

    With covariances A'A and B'B it holds the trace of (A'A B'B)^(1/2), which is the sum of the singular values of AB':
    exact, and of N rows where N < D, while torchmetrics decomposes a DxD matrix (28 s for 200 photos, 0.1 s here).
    """
    roots, means = [], []
    for vectors_ND in (one_ND.double(), other_ND.double()):
        mean_D = vectors_ND.mean(0)
        roots.append(torch.linalg.qr((vectors_ND - mean_D) / (len(vectors_ND) - 1) ** 0.5, mode="r").R)
        means.append(mean_D)
    traces = sum(root_RD.square().sum() for root_RD in roots)
    shared = torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    return float((means[0] - means[1]).square().sum() + traces - 2 * shared)


def batch_of(photo_HW3: Pixels) -> Tensor:
    """The photo as a uint8 batch of one."""
    return torch.from_numpy(photo_HW3).permute(2, 0, 1)[None]
