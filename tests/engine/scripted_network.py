"""A stand-in for a network that comes as TorchScript."""

import torch
from torch import Tensor, nn


class Scripted(nn.Module):
    """Stands for Inception where that cannot be had: uint8 RGB of any size to vectors, if they are asked for."""

    def __init__(self, length: int):
        super().__init__()
        self.length = length

    def forward(self, photo: Tensor, return_features: bool = False) -> Tensor:
        assert return_features
        small = nn.functional.adaptive_avg_pool2d(photo.float(), 8).flatten(1)
        return torch.cat([small] * (self.length // 192 + 1), 1)[:, : self.length]
