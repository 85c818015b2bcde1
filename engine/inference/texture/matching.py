"""The numbers by which patches are matched: coefficients of the hole as drawn and as the network has it, and detail.

A source is farther from all targets if it is used often already, or put off for another variant.
"""

from dataclasses import dataclass

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.inference.texture.detail import expected_detail
from engine.inference.texture.field import Field
from engine.inference.texture.patches import PATCH, describe, filters
from engine.inference.texture.pyramid import Scale, box_of
from kernels.vote_patches import REACH

SLOPES = 0.3
"""Weight of the network's slopes, as a share of that of its mean colour."""

DETAIL = 9.0
"""Weight of a patch's detail (see detail.py) against a coefficient of its own."""

GRID = 16
"""Places across the hole where the detail that belongs there is asked for."""

VARIED = 2.0
"""By how much a place that is put off is farther, as a share of the hole's detail."""

USED, MOST_USED = 0.25, 8.0
"""By how much a source is farther for each time that it is used beyond the first, as a share of the hole's detail."""


@dataclass(slots=True)
class Matching:
    """The numbers that patches are compared by at one scale, integers in fp32.

    They are weighted coefficients, detail, and earlier uses.
    """

    target_N: Tensor
    box: tuple[slice, slice]
    """Around the targets and what their patches see."""
    guide_NK: Tensor
    """Coefficients of the network's completion."""
    guidance_K: Tensor
    """The weight of each against those of the hole as drawn."""
    divisor: float
    """The divisor of all numbers, for the largest distance to stay below 2**24."""
    wanted_N: Tensor
    """The detail that the hole's patches should have, in grey levels."""
    energy: float
    """The squared distance of a patch with that detail to one without any."""
    handicap_P: Tensor
    """Squared distance that is added to sources, whatever the target."""
    sources_PK: Tensor

    @classmethod
    def of(cls, scale: Scale, guidance: float) -> "Matching":
        """For a scale; `guidance` is the weight of the network's mean colour."""
        (height, width), target_N = scale.size, scale.target_N
        order_K = torch.tensor([one.order for one in filters()[1]], device=target_N.device)
        guidance_K = guidance * (torch.where(order_K == 0, 1.0, 0.0) + torch.where(order_K == 1, SLOPES, 0.0))
        divisor = (1 + guidance) ** 0.5
        coefficients_PK = scale.coefficients_PK
        sources_PK = coefficients_PK.new_zeros(len(coefficients_PK), coefficients_PK.shape[1] + 2)
        torch.mul(coefficients_PK, (1 + guidance_K).sqrt() / divisor, out=sources_PK[:, :-2])
        sources_PK[:, -2] = DETAIL / divisor * scale.detail_P
        rows, columns = box_of(target_N, width)
        box = (
            slice(max(rows.start - REACH, 0), min(rows.stop + REACH, height)),
            slice(max(columns.start - REACH, 0), min(columns.stop + REACH, width)),
        )
        wanted_N = wanted_detail(scale)
        energy = float(wanted_N.double().square().mean()) * PATCH**2
        handicap_P = VARIED * energy * scale.put_off_P.float()
        sources_PK[:, -1] = handicap_P.sqrt() / divisor
        guide_NK = scale.coefficients_PK[target_N]
        return cls(target_N, box, guide_NK, guidance_K, divisor, wanted_N, energy, handicap_P, sources_PK.round_())

    def discourage_used(self, field: Field) -> None:
        """Put sources that are used more than once farther from all targets, so that nothing is copied everywhere."""
        used_P = torch.zeros_like(field.source_P, dtype=torch.float32)
        used_P.index_add_(0, field.best_N, torch.ones_like(field.distance_N))
        used_HW = cv2.boxFilter(used_P.view(field.height, field.width).cpu().numpy(), -1, (PATCH, PATCH))
        excess_P = torch.from_numpy(used_HW.ravel()).to(used_P.device).sub_(1).clamp_(0, MOST_USED)
        squared_P = USED * self.energy * excess_P + self.handicap_P
        self.sources_PK[:, -1] = squared_P.sqrt_().div_(self.divisor).round_()

    def targets(self, drawn_HW3: Tensor) -> Tensor:
        """`targets_NK` for the hole as it is drawn now."""
        rows, columns = self.box
        width = drawn_HW3.shape[1]
        drawn_PK = describe(drawn_HW3[self.box]).flatten(0, 1)
        in_box_N = (self.target_N // width - rows.start) * (columns.stop - columns.start)
        in_box_N += self.target_N % width - columns.start
        mixed_NK = drawn_PK.index_select(0, in_box_N).addcmul_(self.guidance_K, self.guide_NK)
        targets_NK = F.pad(mixed_NK.div_((1 + self.guidance_K).sqrt() * self.divisor), (0, 2))
        targets_NK[:, -2] = DETAIL / self.divisor * self.wanted_N
        return targets_NK.round_()


def wanted_detail(scale: Scale) -> Tensor:
    """The detail expected of each target, asked for on a grid of places and the same for the targets around each."""
    target_N, width = scale.target_N, scale.size[1]
    size = len(target_N) ** 0.5
    step = max(1, round(size / GRID))
    row_N, column_N = target_N // width // step, target_N % width // step
    cell_N, cells = (row_N * width + column_N).unique(return_inverse=True)
    middle_N = (cell_N // width * step + step // 2).clamp(max=scale.size[0] - 1) * width
    middle_N += (cell_N % width * step + step // 2).clamp(max=width - 1)
    return expected_detail(scale.coefficients_PK, scale.detail_P, scale.source_P, middle_N, size, width)[cells]
