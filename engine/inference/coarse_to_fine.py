"""The network's way through a photo: from the coarsest scale to the photo's own, hole by hole, in place.

A hole larger than those that the network was trained on is completed at half the resolution first, and then refined:
if patches of the photo are not to draw it again anyway.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from engine.inference.holes.blend import Blend, is_grey, join
from engine.inference.holes.contrast import Contrast, faint_holes
from engine.inference.holes.fill import fill_smoothly
from engine.inference.holes.mask import (
    Mask,
    Where,
    bounding_box,
    components,
    part_in,
    pieces,
    relative,
    thickness,
    widen,
    with_context,
)
from engine.inference.holes.plain import fill_plain_holes
from engine.inference.holes.scales import (
    BAND,
    beyond,
    double,
    halve,
    halve_mask,
    halve_where,
    octaves_for,
    put_ring_beside,
)
from engine.inference.pixels import Pixels, as_grey
from engine.inference.report import Report
from engine.inference.window_runner import Generated, WindowRunner, assemble
from engine.spec import STRIDE, CompletionSpec

DrawnAgain = Callable[[Pixels, Mask, Mask, int], bool]
"""Says of a photo at 1/n of the resolution, all that is unknown in it, a hole's part of that and n if patches draw the
hole again, whatever the network adds at finer scales."""


class LargeHole(NamedTuple):
    """A hole that is larger, at this scale, than those that the network was trained on."""

    where: Where
    part_HW: Mask
    """The hole's pixels in that place."""
    octaves: int
    """The number of times to halve the resolution for the hole to fit."""


@dataclass(slots=True)
class CoarseToFine:
    """One call of `Completer.complete`: its options, and its steps from the coarsest scale to the photo's own."""

    runner: WindowRunner
    spec: CompletionSpec
    blend: Blend
    feather: int
    full_frame: bool
    report: Report
    drawn_again: DrawnAgain | None = None
    """None if no hole is."""
    left_HW: Mask | None = None
    """Holes that were left as they came from a coarser scale, for patches to draw again; None if there are none."""
    plain_HW: Mask | None = None
    """Holes in plain parts of the photo, where nothing is to be drawn; None if there are none."""
    too_large: bool = False
    """True if one of these should have been completed at a coarser scale than was asked for."""

    def complete(
        self, photo_HW3: Pixels, hole_HW: Mask, wanted_HW: Mask, octaves: int | None, scale: int, own: Where
    ) -> bool:
        """Complete the wanted part of the holes of `photo_HW3`, which is at 1/scale of the resolution, in place.

        What else of the holes the network sees is filled, and of no use afterwards. `own` is where the photo's own
        pixels are, beyond which it is mirrored. True if patches draw all of it again, and nothing is to be refined.
        """
        self.report.scales.add(scale)
        if self.blend == "poisson":
            asked_HW = wanted_HW
            hole_HW, wanted_HW = fill_plain_holes(photo_HW3, hole_HW, wanted_HW, own)
            if scale == 1 and wanted_HW is not asked_HW:
                self.plain_HW = asked_HW & ~wanted_HW
        faint = list(faint_holes(photo_HW3, hole_HW, wanted_HW)) if scale == 1 else []
        if faint:
            hole_HW, wanted_HW = hole_HW.copy(), wanted_HW.copy()
        for where, part_HW, contrast in faint:
            self.complete_stretched(photo_HW3, hole_HW, where, part_HW, contrast, octaves, own)
            wanted_HW[where][part_HW] = False
        return bool(wanted_HW.any()) and self.complete_from_coarse_to_fine(
            photo_HW3, hole_HW, wanted_HW, octaves, scale, own
        )

    def complete_stretched(
        self,
        photo_HW3: Pixels,
        hole_HW: Mask,
        where: Where,
        part_HW: Mask,
        contrast: Contrast,
        octaves: int | None,
        own: Where,
    ) -> None:
        """Complete one hole, with the contrast around it brought to the network's range, and make it known in place."""
        reach = self.spec.halo << self.octaves_of(part_HW, octaves)
        crop = with_context(where, hole_HW.shape, reach + STRIDE, multiple=STRIDE)
        if self.full_frame:
            crop = slice(0, hole_HW.shape[0]), slice(0, hole_HW.shape[1])
        here_HW = part_in(part_HW, where, crop)
        before_HW3 = contrast.stretch(photo_HW3[crop])
        after_HW3 = before_HW3.copy()
        # What is faint has hardly a detail that patches could draw.
        refining = replace(self, drawn_again=None)
        refining.complete_from_coarse_to_fine(after_HW3, hole_HW[crop], here_HW, octaves, 1, relative(own, crop))
        self.too_large |= refining.too_large
        changed_HW = self.reach_of(here_HW, hole_HW[crop])
        photo_HW3[crop][changed_HW] = contrast.bring_back(after_HW3[changed_HW], photo_HW3.dtype)
        hole_HW[crop][here_HW] = False

    def complete_from_coarse_to_fine(
        self, photo_HW3: Pixels, hole_HW: Mask, wanted_HW: Mask, octaves: int | None, scale: int, own: Where
    ) -> bool:
        """Complete holes by the network, the inside of large ones at coarser scales first, in place; as `complete`."""
        unknown_HW, asked_HW, large = hole_HW, wanted_HW, list(self.large_holes(wanted_HW, octaves))
        if large:
            hole_HW, wanted_HW = hole_HW.copy(), wanted_HW.copy()
        for hole in large:
            self.fill_inside(photo_HW3, hole_HW, wanted_HW, hole, scale, own)
        if scale == 1:
            self.too_large |= octaves is not None and any(
                hole.octaves > octaves for hole in self.large_holes(asked_HW, None)
            )
        if not wanted_HW.any():
            return True
        self.run_network(photo_HW3, hole_HW, wanted_HW, scale)
        if large or scale == 1 or self.drawn_again is None:
            return False
        own = with_context(own, hole_HW.shape, 0, multiple=1)
        with self.report.stage("texture"):
            return self.drawn_again(photo_HW3[own], unknown_HW[own], wanted_HW[own], scale)

    def run_network(self, photo_HW3: Pixels, hole_HW: Mask, wanted_HW: Mask, scale: int) -> None:
        """Complete holes by the network at this scale alone, in place."""
        changed_HW = self.reach_of(wanted_HW, hole_HW)
        needed_HW = widen(wanted_HW, 1) if self.blend == "poisson" else changed_HW
        if self.spec.fill == "smooth":
            with self.report.stage("fill"):
                # What the network sees, and not more: of a photo that is cut out, most is hidden.
                seen = with_context(bounding_box(needed_HW), hole_HW.shape, self.spec.halo)
                fill_smoothly(photo_HW3[seen], hole_HW[seen])
        with self.report.stage("network"):
            generated = self.runner.run(photo_HW3, hole_HW, needed_HW, self.full_frame, self.report, scale)
        with self.report.stage("blend"):
            self.join_holes(photo_HW3, generated, hole_HW, changed_HW)

    def reach_of(self, wanted_HW: Mask, hole_HW: Mask) -> Mask:
        """The pixels that completing the wanted part of the holes changes: also the photo's into which it fades."""
        if self.blend != "feather":
            return wanted_HW
        return widen(wanted_HW, self.feather) & (wanted_HW | ~hole_HW)

    def warn(self, octaves: int | None) -> None:
        """Say in the report where a hole is larger than the scale that was asked for is good for."""
        if self.too_large and octaves is not None:
            self.report.warnings.append(
                f"a hole is larger than the {self.spec.hole_size[1]} px that the network was trained on, and it was "
                f"completed at 1/{2**octaves} of the resolution as asked: expect a blurred inside (--scale auto)"
            )

    def large_holes(self, wanted_HW: Mask, octaves: int | None) -> Iterator[LargeHole]:
        """The holes to be completed at a coarser scale first."""
        for where, part_HW in components(wanted_HW):
            count = self.octaves_of(part_HW, octaves)
            # A crop with less than two pixels on a side cannot be halved into something with a border left to see.
            if count > 0 and min(part_HW.shape) > 1:
                yield LargeHole(where, part_HW, count)

    def octaves_of(self, part_HW: Mask, octaves: int | None) -> int:
        """The number of times to halve the resolution for a hole, unless it is given."""
        return octaves_for(thickness(part_HW), self.spec.hole_size[1]) if octaves is None else octaves

    def fill_inside(
        self, photo_HW3: Pixels, hole_HW: Mask, wanted_HW: Mask, hole: LargeHole, scale: int, own: Where
    ) -> None:
        """Complete a large hole at half the scale and make its inside, beyond a band at its border, known in place.

        Of a hole that patches draw again all is inside.
        """
        crop = with_context(hole.where, photo_HW3.shape, self.spec.halo << hole.octaves)
        part_HW = part_in(hole.part_HW, hole.where, crop)
        half_HW3, half_hole_HW = halve(photo_HW3[crop], hole_HW[crop]), halve_mask(hole_HW[crop])
        if half_hole_HW.all():
            return
        put_ring_beside(half_HW3, half_hole_HW, photo_HW3[crop], hole_HW[crop])
        half_own = halve_where(relative(own, crop))
        left = self.complete(half_HW3, half_hole_HW, halve_mask(part_HW), hole.octaves - 1, 2 * scale, half_own)
        inside_HW = part_HW if left else beyond(part_HW, round(BAND * self.spec.hole_size[1]))
        if left and scale == 1:
            if self.left_HW is None:
                self.left_HW = np.zeros_like(hole_HW)
            self.left_HW[crop] |= part_HW
        photo_HW3[crop][inside_HW] = double(half_HW3, *part_HW.shape)[inside_HW]
        hole_HW[crop][inside_HW] = False
        wanted_HW[crop][inside_HW] = False

    def join_holes(self, photo_HW3: Pixels, generated: list[Generated], hole_HW: Mask, changed_HW: Mask) -> None:
        """Put the network's output into the photo where `changed_HW` is True, in place, hole by hole.

        Where all that the network sees around a hole is grey, it is made grey too.
        """
        for where, here_HW, crop in pieces(changed_HW, 0):
            changed_crop_HW = here_HW if crop == where else changed_HW[crop]
            generated_HW3 = assemble(generated, crop)
            joined_HW3 = join(photo_HW3[crop], generated_HW3, hole_HW[crop], changed_crop_HW, self.blend, self.feather)
            joined_HW3 = joined_HW3[relative(where, crop)]
            seen = with_context(where, hole_HW.shape, self.spec.halo)
            if is_grey(photo_HW3[seen], ~hole_HW[seen]):
                joined_HW3 = as_grey(joined_HW3)  # a network trained on colour tints what it draws
            photo_HW3[where][here_HW] = joined_HW3[here_HW]
