"""Detail: how much goes on within a patch, and how much should in the hole.

A network that was trained by squared errors draws things where they are, without their texture. The photo says how much
texture belongs there: as much as near patches of the same colour have.
"""

import torch
from torch import Tensor

from engine.inference.texture.patches import PATCH, filters

COLOUR, NEAR = 12.0, 0.15
"""Standard deviations of the weights by which patches are alike: in grey levels, and in the hole's own size."""

SAMPLES = 300
"""Sources that are asked, about."""


def detail_of(coefficients_PK: Tensor) -> Tensor:
    """The standard deviation, in grey levels, of each patch's brightness about its plane; `detail_P`, fp32."""
    kept_K = torch.tensor([float(one.channel == 0 and one.order > 1) for one in filters()[1]])
    return (coefficients_PK.square() @ kept_K.to(coefficients_PK.device) / PATCH**2).sqrt_()


def expected_detail(
    coefficients_PK: Tensor, detail_P: Tensor, source_P: Tensor, place_N: Tensor, size: float, width: int
) -> Tensor:
    """The mean detail of sources, those of a place's colour that are near it above all; `detail_N`, fp32.

    `size` is the hole's in pixels, `width` the image's. In fp64, so that the order in which it is summed cannot show in
    what is made of it.
    """
    means = [k for k, one in enumerate(filters()[1]) if one.order == 0]
    source_M = torch.nonzero(source_P)[:, 0]
    source_M = source_M[:: max(1, len(source_M) // SAMPLES)]

    def features(place_N: Tensor) -> Tensor:
        colour_N3 = coefficients_PK[place_N][:, means] / (7 * COLOUR)
        where_N2 = torch.stack((place_N // width, place_N % width), 1) / (NEAR * size)
        return torch.cat((colour_N3, where_N2), 1).double()

    target_N5, source_M5 = features(place_N), features(source_M)
    squared_NM = torch.cdist(target_N5, source_M5, compute_mode="donot_use_mm_for_euclid_dist").square_()
    weight_NM = (squared_NM - squared_NM.amin(1, keepdim=True)).div_(-2).exp_()
    return (weight_NM @ detail_P[source_M].double() / weight_NM.sum(1)).float()
