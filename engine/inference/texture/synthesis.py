"""Patch synthesis, coarse to fine: a hole drawn again with the photo's own patches, near the network's completion.

At each scale patches of the hole are matched with patches of the known photo, and the hole is drawn from those, in turn
(Wexler et al. 2007; Newson et al. 2014). What is matched is the hole as drawn so far, pulled towards the network's
completion in its lowest frequencies: the network knows where things go, and not what they look like.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from engine.inference.mask import Mask
from engine.inference.scales import halve_mask
from engine.inference.texture.detail import SAMPLES, detail_of, expected_detail
from engine.inference.texture.field import RADII, Field
from engine.inference.texture.patches import PATCH, all_around, any_around, describe, filters
from kernels.vote_patches import REACH, WEIGHT, vote_patches

THICK = 16
"""Pixels across the hole at the coarsest scale, about: two patches."""

GUIDANCE = (1.0, 1.0, 0.5, 0.3, 0.1, 0.0)
"""Weight of the network's mean colour against that of the hole as drawn: at the coarsest scale, and at each finer one.
The network has nothing to say of what is finer than about a thirtieth of the hole."""

SCALES = 4
"""Holes with fewer scales have the last weights of so many."""

SLOPES = 0.3
"""Weight of the network's slopes, as a share of that of its mean colour."""

DETAIL = 9.0
"""Weight of a patch's detail (see detail.py) against a coefficient of its own."""

GRID = 16
"""Places across the hole where the detail that belongs there is asked for."""

ROUNDS = (1, 2, 4)
"""Times that patches are matched and the hole is drawn: at the photo's scale, at 1/2, and below."""

NOISE = 1.5
"""Of the hole when it is begun, against the detail that belongs there."""

USED, MOST_USED = 0.25, 8.0
"""By how much a source is farther for each time that it is used beyond the first, as a share of the hole's detail."""

SMOOTH, ENOUGH = 0.7, 0.7
"""Detail in grey levels below which surroundings are smooth, and the share of theirs that is enough in a completion."""

SHARP, SHARPEST = 0.1, 0.03
"""Patches are weighed by exp(-distance / (this times its third quartile)); the second value for the last drawing."""


class Scale(NamedTuple):
    """One octave of what is drawn."""

    image_HW3: Tensor
    """fp32, integers of 0 to 255, with the network's completion in the hole."""
    hole_HW: Tensor
    """bool, what is to be drawn."""
    target_N: Tensor
    """int64, places (row * width + column) whose patch has any of the hole."""
    source_P: Tensor
    """bool, places whose whole patch may be copied."""
    coefficients_PK: Tensor
    """Of the image's patches."""
    detail_P: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.hole_HW.shape[0], self.hole_HW.shape[1]


def octaves_for(thick: float) -> int:
    """Scales below the photo's own for a hole so many pixels across."""
    return max(0, round(math.log2(max(thick, 1) / THICK)))


def pyramid(
    image_HW3: NDArray[Any], hole_HW: Mask, copied_HW: Mask, octaves: int, device: torch.device
) -> Iterator[Scale]:
    """The photo's own scale and up to `octaves` below it, while there are 7x7 pixels that may be copied.

    `image_HW3` has the network's completion in the hole; its sides are multiples of 2**octaves. `copied_HW` is what may
    be copied.
    """
    for octave in range(octaves + 1):
        source_HW = all_around(copied_HW)
        if min(hole_HW.shape) <= PATCH or not source_HW.any():
            return
        arrays = (image_HW3.astype(np.float32), hole_HW, np.flatnonzero(any_around(hole_HW)), source_HW.ravel())
        image, hole, target, source = (torch.from_numpy(array).to(device) for array in arrays)
        coefficients_PK = describe(image).flatten(0, 1)
        yield Scale(image, hole, target, source, coefficients_PK, detail_of(coefficients_PK))
        if octave < octaves:
            image_HW3 = cv2.resize(image_HW3, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            hole_HW, copied_HW = halve_mask(hole_HW), ~halve_mask(~copied_HW)


def synthesise(scales: list[Scale], generator: np.random.Generator) -> "Drawing":
    """Sources and weights for each patch of the hole at the first of the scales, the photo's own.

    The same scales and generator give the same bits, whatever the number of threads.
    """
    drawing = None
    for octave in reversed(range(len(scales))):
        finer = max(len(scales), SCALES) - 1 - octave
        guidance = GUIDANCE[min(finer, len(GUIDANCE) - 1)]
        drawing = draw(scales[octave], drawing, octave, guidance, generator)
    assert drawing is not None
    return drawing


@dataclass(slots=True)
class Drawing:
    """The hole at one scale as patches of the photo: whose, and with which weight each counts."""

    field: Field
    weight_N: Tensor
    """fp32, integers from 1 to WEIGHT."""
    wanted_N: Tensor
    """The detail that belongs there, in grey levels."""

    def of(self, image_HWC: Tensor) -> Tensor:
        """The image with what the patches cover drawn from it."""
        field = self.field
        rows, columns = box_of(field.target_N, field.width)
        anywhere = REACH * field.width + REACH
        patches_HW = field.best_N.new_full((field.height + 2 * REACH, field.width + 2 * REACH), anywhere)
        weights_HW = self.weight_N.new_zeros(patches_HW.shape)
        down_N, right_N = field.target_N // field.width + REACH, field.target_N % field.width + REACH
        patches_HW[down_N, right_N] = field.best_N
        weights_HW[down_N, right_N] = self.weight_N
        around = slice(rows.start, rows.stop + 2 * REACH), slice(columns.start, columns.stop + 2 * REACH)
        voted_hwC = vote_patches(
            image_HWC.reshape(-1, image_HWC.shape[2]), field.width, patches_HW[around],
            weights_HW[around].to(image_HWC.dtype),
        )  # fmt: skip
        drawn_HWC = image_HWC.clone()
        drawn_HWC[rows, columns] = voted_hwC
        return drawn_HWC


def box_of(place_N: Tensor, width: int) -> tuple[slice, slice]:
    """The rows and columns from the first to the last of the places."""
    row_N, column_N = place_N // width, place_N % width
    return slice(int(row_N.min()), int(row_N.max()) + 1), slice(int(column_N.min()), int(column_N.max()) + 1)


def draw(
    scale: Scale, coarser: Drawing | None, octave: int, guidance: float, generator: np.random.Generator
) -> Drawing:
    """Draw the hole at one scale, from the drawing at half its size or from the network's completion alone."""
    (height, width), target_N = scale.size, scale.target_N
    matching = Matching.of(scale, guidance)
    one_N = torch.ones_like(matching.wanted_N)
    if coarser is None:
        field = Field(height, width, scale.source_P, target_N, torch.zeros_like(target_N), one_N)
        drawn_HW3 = with_noise(scale, matching.wanted_N, generator)
    else:
        field = coarser.field.finer(height, width, scale.source_P, target_N)
    drawing = Drawing(field, one_N, matching.wanted_N)
    rounds = ROUNDS[min(octave, len(ROUNDS) - 1)]
    for turn in range(rounds):
        if turn or coarser:
            matching.discourage_used(field)
            drawn_HW3 = into_hole(drawing.of(scale.image_HW3), scale)
        match(field, matching.sources_PK, matching.targets(drawn_HW3), not coarser and turn == 0, generator)
        last = octave == 0 and turn == rounds - 1
        drawing.weight_N = weights(field.distance_N, SHARPEST if last else SHARP)
    return drawing


def match(field: Field, sources_PK: Tensor, targets_NK: Tensor, first: bool, generator: np.random.Generator) -> None:
    """Find a source for each target: among all at first, and then near those that it and its neighbours have.

    Searching among all once more would find nearer patches, each by itself, and tear apart what is copied in one piece.
    """
    if first:
        field.find_best(sources_PK, targets_NK)
        field.try_neighbours(sources_PK, targets_NK)
        return
    field.measure(sources_PK, targets_NK)
    for radius in RADII:
        field.try_neighbours(sources_PK, targets_NK)
        field.try_near(sources_PK, targets_NK, radius, generator)


def with_noise(scale: Scale, wanted_N: Tensor, generator: np.random.Generator) -> Tensor:
    """The image with as much noise in the hole as there should be detail.

    Where the network has drawn one colour, all patches would else begin with the same source.
    """
    deviation_P = wanted_N.new_zeros(len(scale.source_P))
    deviation_P[scale.target_N] = wanted_N * NOISE
    noise_HW1 = torch.from_numpy(generator.standard_normal((*scale.size, 1), dtype=np.float32))
    noisy_HW3 = scale.image_HW3 + noise_HW1.to(deviation_P.device) * deviation_P.view(*scale.size, 1)
    return into_hole(noisy_HW3.clamp(0, 255), scale)


def into_hole(drawn_HW3: Tensor, scale: Scale) -> Tensor:
    """The image with the hole, and nothing else, as drawn."""
    return torch.where(scale.hole_HW[..., None], drawn_HW3.round(), scale.image_HW3)


def weights(distance_N: Tensor, sharpness: float) -> Tensor:
    """Integers from 1 to WEIGHT in fp32: much for patches that are near their source, little for others."""
    distance_N = distance_N.double()
    quartile = distance_N.kthvalue(max(1, len(distance_N) * 3 // 4)).values.clamp(min=1)
    return (distance_N / (-sharpness * quartile)).exp_().mul_(WEIGHT).round_().clamp_(min=1).float()


@dataclass(slots=True)
class Matching:
    """What patches are compared by at one scale, integers in fp32: weighted coefficients, detail, and earlier uses."""

    target_N: Tensor
    box: tuple[slice, slice]
    """Around the targets and what their patches see."""
    guide_NK: Tensor
    """Coefficients of the network's completion."""
    guidance_K: Tensor
    """The weight of each against those of the hole as drawn."""
    divisor: float
    """What all is divided by, for the largest distance to stay below 2**24."""
    wanted_N: Tensor
    """The detail that the hole's patches should have, in grey levels."""
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
        guide_NK = scale.coefficients_PK[target_N]
        return cls(target_N, box, guide_NK, guidance_K, divisor, wanted_detail(scale), sources_PK.round_())

    def discourage_used(self, field: Field) -> None:
        """Put sources that are used more than once farther from all targets, so that nothing is copied everywhere."""
        used_P = torch.zeros_like(field.source_P, dtype=torch.float32)
        used_P.index_add_(0, field.best_N, torch.ones_like(field.distance_N))
        used_HW = cv2.boxFilter(used_P.view(field.height, field.width).cpu().numpy(), -1, (PATCH, PATCH))
        excess_P = torch.from_numpy(used_HW.ravel()).to(used_P.device).sub_(1).clamp_(0, MOST_USED)
        energy = float(self.wanted_N.double().square().mean()) * PATCH**2
        self.sources_PK[:, -1] = (USED * energy * excess_P).sqrt_().div_(self.divisor).round_()

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


def is_detailed(scale: Scale) -> bool:
    """True where the network's completion has as much detail as its surroundings, or these have next to none."""
    inside_P = torch.nonzero(scale.hole_HW.flatten())[:, 0]
    place_N = inside_P[:: max(1, len(inside_P) // SAMPLES)]
    wanted_N = expected_detail(
        scale.coefficients_PK, scale.detail_P, scale.source_P, place_N, len(inside_P) ** 0.5, scale.size[1]
    )
    wanted = float(wanted_N.double().mean())
    return wanted < SMOOTH or float(scale.detail_P[place_N].double().mean()) > ENOUGH * wanted
