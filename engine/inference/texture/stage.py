"""The texture of completed holes: where the network's completion is smoother than the photo, it is drawn again.

Each hole by itself, whatever lies beside it: drawn from patches of the photo if that is wanted, joined to it, and given
its grain.
"""

from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from threadpoolctl import ThreadpoolController

from engine.inference.holes.blend import is_grey
from engine.inference.holes.harmonic import Floats
from engine.inference.holes.mask import Mask, Where, bounding_box, components, pieces, relative, shift, thickness
from engine.inference.options import Texture
from engine.inference.pixels import Pixels, as_grey
from engine.inference.report import Report
from engine.inference.texture.grain import add_grain
from engine.inference.texture.joining import join_patches
from engine.inference.texture.pyramid import is_detailed, octaves_for, pyramid
from engine.inference.texture.refinement import refine_hole
from engine.inference.texture.sources import Neighbourhood, eight_bits, neighbourhood, some_blocks
from engine.inference.texture.synthesis import synthesise

Outcome = Literal["photo", "network", "no source"]
"""Of whom a hole's texture is, and why."""

THIN, SMALL = 8, 14
"""Pixels across a hole up to which there is no room for grain in it, and up to which there is none for texture.

docs/measurements.md has the feature distances with texture and without."""


@dataclass(frozen=True, slots=True)
class TextureStage:
    """Draws the holes of one completed photo again where the surroundings have more detail."""

    texture: Texture
    seed: int
    unknown_HW: Mask
    """The pixels that are not the photo's own, of its size: its holes, and what is hidden."""
    not_copied_HW: Mask
    """The pixels that may not be copied, of the photo's size; see `sources.not_copied`."""
    sampled: bool
    """The user has said where to take texture from: it is looked for there even if that is far away."""
    device: str
    """As "cpu", where NumPy does the work, or "cuda:0", where PyTorch does."""
    report: Report

    def draw(self, photo_HW3: Pixels, hole_HW: Mask, left_HW: Mask | None = None) -> None:
        """Draw the holes of a completed photo (uint8 or uint16 RGB) again, in place, where that is wanted.

        Those that have any of `left_HW` are, whatever their detail. The same photo, masks and seed give the same bits,
        whatever the number of threads and of other holes.
        """
        with one_thread():
            outcomes = Counter(
                self.draw_hole(photo_HW3, where, part_HW, left_HW is not None and bool(left_HW[where][part_HW].any()))
                for where, part_HW, _ in pieces(hole_HW, 0)
            )
        self.report.texture |= {"photo": outcomes["photo"], "network": outcomes.total() - outcomes["photo"]}
        if outcomes["no source"]:
            self.report.warnings.append(
                f"{outcomes['no source']} hole(s) have no 7x7 known pixels near that texture could be taken from: "
                "completed by the network alone"
            )

    def is_drawn_again(self, photo_HW3: Pixels, unknown_HW: Mask, hole_HW: Mask, scale: int) -> bool:
        """True if these holes of a photo at 1/scale of the resolution, completed there, are drawn again in any case.

        They are where the completion lacks detail of this scale already, if there is something to be copied: where that
        is limited, it may be far away or nothing.
        """
        if self.texture == "none" or self.not_copied_HW is not self.unknown_HW:
            return False
        with one_thread():
            for where, part_HW in components(hole_HW):
                near = neighbourhood(photo_HW3, where, part_HW, unknown_HW, unknown_HW, 1, False, scale)
                none_HW = np.zeros_like(near.hole_HW)
                found = next(pyramid(eight_bits(near), near.hole_HW, near.copied_HW, none_HW, 0, self.device), None)
                if found is None or (self.texture == "auto" and is_detailed(found)):
                    return False
        return True

    def draw_hole(self, photo_HW3: Pixels, where: Where, part_HW: Mask, always: bool) -> Outcome:
        """Draw one hole, the mask `part_HW` at `where`, in place; what its texture is now."""
        # Exactly around the hole: how much more `where` has depends on the other holes.
        tight = bounding_box(part_HW)
        where, part_HW = (shift(tight[0], where[0].start), shift(tight[1], where[1].start)), part_HW[tight]
        thick = thickness(np.pad(part_HW, 1))
        always = always or self.texture == "photo"
        if thick <= THIN and not always:
            return "network"
        octaves = octaves_for(thick)
        near = neighbourhood(photo_HW3, where, part_HW, self.unknown_HW, self.not_copied_HW, 1 << octaves, self.sampled)
        generator = np.random.default_rng([self.seed, where[0].start, where[1].start])
        outcome: Outcome = "network"
        drawn_HW3 = near.pixels_HW3.astype(np.float32)
        if thick > SMALL or always:
            outcome, drawn_HW3 = self.draw_from_patches(near, octaves, generator, always)
        if outcome == "no source":
            return outcome
        if outcome == "photo":
            refine_hole(near, drawn_HW3)
        drawn_HW3 = np.rint(add_grain(drawn_HW3, near, generator)).clip(0, np.iinfo(photo_HW3.dtype).max)
        drawn_HW3 = drawn_HW3[relative(where, near.where)].astype(photo_HW3.dtype)
        if is_grey(near.pixels_HW3, near.known_HW | near.copied_HW):
            drawn_HW3 = as_grey(drawn_HW3)  # what is hidden nearby may have colours
        np.copyto(photo_HW3[where], drawn_HW3, where=part_HW[..., None])
        return outcome

    def draw_from_patches(
        self, near: Neighbourhood, octaves: int, generator: np.random.Generator, always: bool
    ) -> tuple[Outcome, Floats]:
        """The neighbourhood with its hole drawn from patches, not refined yet, if that is wanted and can be."""
        put_off_HW = some_blocks(near.hole_HW.shape, generator) if self.seed else np.zeros_like(near.hole_HW)
        scales = pyramid(eight_bits(near), near.hole_HW, near.copied_HW, put_off_HW, octaves, self.device)
        finest = next(scales, None)
        if finest is not None and (always or not is_detailed(finest)):
            return "photo", join_patches(near, synthesise([finest, *scales], generator))
        return "no source" if finest is None else "network", near.pixels_HW3.astype(np.float32)


def one_thread() -> AbstractContextManager[object]:
    """One thread of NumPy's BLAS in the block.

    Its many small steps take longer in two, which spin for most of the time in between, and sums in fp64 may have other
    last bits.
    """
    limited: AbstractContextManager[object] = libraries().limit(limits=1, user_api="blas")
    return limited


@cache
def libraries() -> ThreadpoolController:
    """The libraries of this process that have threads of their own, NumPy's BLAS among them."""
    return ThreadpoolController()
