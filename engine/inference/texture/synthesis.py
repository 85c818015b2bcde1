"""Patch synthesis, coarse to fine: a hole drawn again with the photo's own patches, near the network's completion.

At each scale patches of the hole are matched with patches of the known photo, and the hole is drawn from those, in turn
(Wexler et al. 2007; Newson et al. 2014). What is matched is the hole as drawn so far, pulled towards the network's
completion in its lowest frequencies: the network knows where things go, and not what they look like.
"""

from dataclasses import dataclass

import numpy as np

from engine.inference.texture.field import RADII, Field
from engine.inference.texture.matching import Matching
from engine.inference.texture.pyramid import Scale, box_of
from kernels.arrays import Array, beside, namespace
from kernels.vote_patches import REACH, WEIGHT, vote_patches

GUIDANCE = (1.0, 1.0, 0.5, 0.3, 0.1, 0.0)
"""Weight of the network's mean colour against that of the hole as drawn: at the coarsest scale, and at each finer one.
The network has nothing to say of what is finer than about a thirtieth of the hole."""

SCALES = 4
"""Holes with fewer scales have the last weights of so many."""


ROUNDS = (1, 2, 4)
"""Times that patches are matched and the hole is drawn: at the photo's scale, at 1/2, and below."""

NOISE = 1.5
"""Of the hole when it is begun, against the detail that belongs there."""


SHARP, SHARPEST = 0.1, 0.03
"""Patches are weighed by exp(-distance / (this times its third quartile)); the second value for the last drawing."""


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
    weight_N: Array
    """fp32, integers from 1 to WEIGHT."""

    def of(self, image_HWC: Array) -> Array:
        """The image with what the patches cover drawn from it."""
        xp, field = namespace(image_HWC), self.field
        rows, columns = box_of(field.target_N, field.width)
        size = rows.stop - rows.start + 2 * REACH, columns.stop - columns.start + 2 * REACH
        anywhere, here = REACH * field.width + REACH, image_HWC.device
        patches_hw = xp.full(size, anywhere, dtype=xp.int64, device=here)
        weights_hw = xp.zeros(size, dtype=image_HWC.dtype, device=here)
        down_N = field.target_N // field.width - rows.start + REACH
        right_N = field.target_N % field.width - columns.start + REACH
        patches_hw[down_N, right_N] = field.best_N
        weights_hw[down_N, right_N] = xp.astype(self.weight_N, image_HWC.dtype)
        drawn_HWC = xp.asarray(image_HWC, copy=True)
        drawn_HWC[rows, columns] = vote_patches(
            image_HWC.reshape(-1, image_HWC.shape[2]), field.width, patches_hw, weights_hw
        )
        return drawn_HWC


def draw(
    scale: Scale, coarser: Drawing | None, octave: int, guidance: float, generator: np.random.Generator
) -> Drawing:
    """Draw the hole at one scale, from the drawing at half its size or from the network's completion alone."""
    (height, width), target_N = scale.size, scale.target_N
    matching = Matching.of(scale, guidance)
    xp = namespace(target_N)
    one_N = xp.ones_like(matching.wanted_N)
    if coarser is None:
        field = Field(height, width, scale.source_P, target_N, xp.zeros_like(target_N), one_N)
        drawn_HW3 = with_noise(scale, matching.wanted_N, generator)
    else:
        field = coarser.field.finer(height, width, scale.source_P, target_N)
    drawing = Drawing(field, one_N)
    rounds = ROUNDS[min(octave, len(ROUNDS) - 1)]
    for turn in range(rounds):
        if turn or coarser:
            matching.discourage_used(field)
            drawn_HW3 = into_hole(drawing.of(scale.image_HW3), scale)
        match(field, matching.sources_PK, matching.targets(drawn_HW3), not coarser and turn == 0, generator)
        last = octave == 0 and turn == rounds - 1
        drawing.weight_N = weights(field.distance_N, SHARPEST if last else SHARP)
    return drawing


def match(field: Field, sources_PK: Array, targets_NK: Array, first: bool, generator: np.random.Generator) -> None:
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


def with_noise(scale: Scale, wanted_N: Array, generator: np.random.Generator) -> Array:
    """The image with as much noise in the hole as there should be detail.

    Where the network has drawn one colour, all patches would else begin with the same source.
    """
    xp = namespace(wanted_N)
    deviation_P = xp.zeros_like(scale.detail_P)
    deviation_P[scale.target_N] = wanted_N * NOISE
    noise_HW1 = beside(generator.standard_normal((*scale.size, 1), dtype=np.float32), wanted_N)
    noisy_HW3 = scale.image_HW3 + noise_HW1 * deviation_P.reshape(*scale.size, 1)
    return into_hole(xp.clip(noisy_HW3, 0, 255), scale)


def into_hole(drawn_HW3: Array, scale: Scale) -> Array:
    """The image with the hole, and nothing else, as drawn."""
    xp = namespace(drawn_HW3)
    return xp.where(scale.hole_HW[..., None], xp.round(drawn_HW3), scale.image_HW3)


def weights(distance_N: Array, sharpness: float) -> Array:
    """Integers from 1 to WEIGHT in fp32: much for patches that are near their source, little for others."""
    xp = namespace(distance_N)
    quartile = max(float(xp.sort(distance_N)[max(1, distance_N.shape[0] * 3 // 4) - 1]), 1.0)
    weight_N = xp.round(WEIGHT * xp.exp(xp.astype(distance_N, xp.float64) / (-sharpness * quartile)))
    return xp.astype(xp.clip(weight_N, 1, WEIGHT), xp.float32)
