"""What the inference tests share: untrained networks with random batch-norm statistics, and photographs."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from engine.networks import CompletionNetwork
from engine.spec import CompletionSpec


@cache
def random_network(
    base_width: int = 4, norm_order: str = "norm_act", output: str = "sigmoid", fill: str = "mean"
) -> CompletionNetwork:
    """A completion network as after training, in that no batch norm is an identity. Not to be changed."""
    generator = torch.Generator().manual_seed(base_width)
    mean = (0.4, 0.5, 0.6)
    spec = CompletionSpec(base_width=base_width, norm_order=norm_order, output=output, fill=fill, mean_pixel=mean)
    with torch.random.fork_rng():
        torch.manual_seed(base_width)
        network = CompletionNetwork(spec).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            shape = module.running_mean.shape
            module.running_mean.copy_(0.3 * torch.randn(shape, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(shape, generator=generator))
            module.weight.data.copy_(0.5 + torch.rand(shape, generator=generator))
            module.bias.data.copy_(0.3 * torch.randn(shape, generator=generator))
    # These begin at zero, where every residual network is its fill, and every learned fill the mean pixel.
    for one in (network if output == "residual" else None, network.fill):
        if one is not None:
            one.to_rgb.weight.data.copy_(0.1 * torch.randn(one.to_rgb.weight.shape, generator=generator))
    return network.requires_grad_(False)


@pytest.fixture(scope="session")
def astronaut_HW3() -> NDArray[np.uint8]:
    return np.asarray(Image.open(Path(skimage.__file__).parent / "data" / "astronaut.png").convert("RGB"))
