"""The paper's discriminators, local and global, and the two together: needed for training alone.

Shapes: N = photos in a batch, S = side of a square image in pixels, P = side of a local patch, F = features.
"""

import torch
from torch import Tensor, nn

from engine.spec import BATCH_NORM_EPS


class Discriminator(nn.Module):
    """One branch of D (section 3.3, Table 2): 5x5 convolutions of stride 2 down to 4 or 5 pixels, then 1024 features.

    `forward` takes RGB `image_NCSS` in [0, 1] of the side S that it was built for and returns `features_NF`.
    S = 256 gives the paper's global branch (6 convolutions), S = 128 its local branch (5); S = 160 and 96 give the
    CelebA variant, 64 and 32 the small one. The paper names no activation after the features; the ReLU there is that of
    public implementations.
    """

    def __init__(self, size: int, base_width: int = 64, features: int = 1024, leak: float = 0.0) -> None:
        super().__init__()
        if size < 8 or size % 2:
            raise ValueError(f"a discriminator's input side is {size}; it must be an even number of at least 8")
        self.size = size
        layers: list[nn.Module] = []
        in_channels, side, width = 3, size, base_width
        while side > 5:
            layers += [
                nn.Conv2d(in_channels, width, kernel_size=5, stride=2, padding=2),
                nn.BatchNorm2d(width, eps=BATCH_NORM_EPS),
                nn.LeakyReLU(leak) if leak else nn.ReLU(),
            ]
            in_channels, side, width = width, (side + 1) // 2, min(2 * width, 8 * base_width)
        self.convolutions = nn.Sequential(*layers)
        self.to_features = nn.Linear(in_channels * side * side, features)

    def forward(self, image_N3SS: Tensor) -> Tensor:
        # Flattened in N, C, H, W order whatever the memory layout, so that weights do not depend on it.
        return torch.relu(self.to_features(self.convolutions(image_N3SS).flatten(1)))


class ContextDiscriminator(nn.Module):
    """D of the paper: local and global features, concatenated in this order, to one logit of "real".

    `forward(patch_N3PP, image_N3SS)`, RGB in [0, 1], returns `logits_N1`.
    """

    def __init__(
        self,
        image_size: int = 256,
        patch_size: int = 128,
        base_width: int = 64,
        features: int = 1024,
        leak: float = 0.0,
    ) -> None:
        super().__init__()
        self.local = Discriminator(patch_size, base_width, features, leak)
        self.image = Discriminator(image_size, base_width, features, leak)
        self.to_logit = nn.Linear(2 * features, 1)

    def forward(self, patch_N3PP: Tensor, image_N3SS: Tensor) -> Tensor:
        return self.to_logit(torch.cat((self.local(patch_N3PP), self.image(image_N3SS)), dim=1))
