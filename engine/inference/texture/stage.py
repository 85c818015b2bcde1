"""The texture of completed holes: where the network's completion is smoother than the photo, it is drawn again.

Each hole by itself, whatever lies beside it: drawn from patches of the photo if that is wanted, joined to it, and given
its grain.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from engine.inference.blend import is_grey, poisson_correction
from engine.inference.harmonic import Floats
from engine.inference.mask import Mask, Where, bounding_box, pieces, relative, shift, thickness
from engine.inference.photo import Pixels, as_grey
from engine.inference.report import Report
from engine.inference.texture.grain import add_grain
from engine.inference.texture.pyramid import SMOOTH, is_detailed, octaves_for, pyramid
from engine.inference.texture.sources import Neighbourhood, neighbourhood, some_blocks
from engine.inference.texture.synthesis import Drawing, synthesise
from kernels.vote_patches import REACH

Texture = Literal["auto", "photo", "none"]

THIN = 8
"""Pixels across a hole up to which the network's completion stays: there is no room for texture in it."""

FAINT = 128
"""Levels of 255 between the darkest and the brightest known pixel below which a picture is stretched."""

LOCAL = 8.0
"""Pixels (standard deviation) over which the detail that belongs in a hole is a mean."""


@dataclass(frozen=True, slots=True)
class TextureStage:
    """Draws the holes of one completed photo again where the surroundings have more detail."""

    texture: Texture
    seed: int
    unknown_HW: Mask
    """What is not the photo's own, of its size: its holes, and what is hidden."""
    not_copied_HW: Mask
    """What may not be copied, of the photo's size; see `sources.not_copied`."""
    sampled: bool
    """The user has said where to take texture from: it is looked for there even if that is far away."""
    device: torch.device
    report: Report

    def draw(self, photo_HW3: Pixels, hole_HW: Mask) -> None:
        """Draw the holes of a completed photo (uint8 or uint16 RGB) again, in place, where that is wanted.

        The same photo, masks and seed give the same bits, whatever the number of threads and of other holes.
        """
        outcomes = Counter(self.draw_hole(photo_HW3, where, part_HW) for where, part_HW, _ in pieces(hole_HW, 0))
        self.report.texture = {"photo": outcomes["photo"], "network": outcomes.total() - outcomes["photo"]}
        if outcomes["no source"]:
            self.report.warnings.append(
                f"{outcomes['no source']} hole(s) have no 7x7 known pixels near that texture could be taken from: "
                "completed by the network alone"
            )

    def draw_hole(self, photo_HW3: Pixels, where: Where, part_HW: Mask) -> Literal["photo", "network", "no source"]:
        """Draw one hole, the mask `part_HW` at `where`, in place; what its texture is now."""
        # Exactly around the hole: how much more `where` has depends on the other holes.
        tight = bounding_box(part_HW)
        where, part_HW = (shift(tight[0], where[0].start), shift(tight[1], where[1].start)), part_HW[tight]
        thick = thickness(np.pad(part_HW, 1))
        if thick <= THIN and self.texture == "auto":
            return "network"
        octaves = octaves_for(thick)
        near = neighbourhood(photo_HW3, where, part_HW, self.unknown_HW, self.not_copied_HW, 1 << octaves, self.sampled)
        generator = np.random.default_rng([self.seed, where[0].start, where[1].start])
        put_off_HW = some_blocks(near.hole_HW.shape, generator) if self.seed else np.zeros_like(near.hole_HW)
        scales = pyramid(eight_bits(near), near.hole_HW, near.copied_HW, put_off_HW, octaves, self.device)
        finest = next(scales, None)
        if finest is None:
            return "no source"
        stays = self.texture == "auto" and is_detailed(finest)
        if stays:
            drawn_HW3 = near.pixels_HW3.astype(np.float32)
        else:
            drawn_HW3 = from_patches(near, synthesise([finest, *scales], generator))
        drawn_HW3 = np.rint(add_grain(drawn_HW3, near, generator)).clip(0, np.iinfo(photo_HW3.dtype).max)
        drawn_HW3 = drawn_HW3[relative(where, near.where)].astype(photo_HW3.dtype)
        if is_grey(near.pixels_HW3, near.known_HW | near.copied_HW):
            drawn_HW3 = as_grey(drawn_HW3)  # what is hidden nearby may have colours
        np.copyto(photo_HW3[where], drawn_HW3, where=part_HW[..., None])
        return "network" if stays else "photo"


def eight_bits(near: Neighbourhood) -> NDArray[np.uint8]:
    """The neighbourhood's pixels in 8 bits, to compare patches.

    Deeper or fainter pictures are stretched to what is known.
    """
    known_P3 = near.pixels_HW3[near.known_HW | near.copied_HW]
    low, high = (float(known_P3.min()), float(known_P3.max())) if known_P3.size else (0.0, 255.0)
    if near.pixels_HW3.dtype == np.uint8 and high - low >= FAINT:
        return near.pixels_HW3
    scaled_HW3 = (near.pixels_HW3.astype(np.float32) - low) * np.float32(255 / max(high - low, 1))
    return np.rint(scaled_HW3.clip(0, 255)).astype(np.uint8)


def from_patches(near: Neighbourhood, drawing: Drawing) -> Floats:
    """The neighbourhood with its hole drawn from patches, joined to the photo by Poisson blending.

    Where next to no detail belongs in the hole, the network's completion stays.
    """
    # fp64 holds the sums of 16-bit colours exactly.
    completed_HW3 = near.pixels_HW3.astype(np.float32 if near.pixels_HW3.dtype == np.uint8 else np.float64)
    drawn_HW3 = drawing.of(torch.from_numpy(completed_HW3).to(drawing.weight_N.device)).cpu().numpy()
    box = bounding_box(near.hole_HW, 1)
    change_hw3 = drawn_HW3[box] - completed_HW3[box]
    change_hw3 = change_hw3 + poisson_correction(-change_hw3, near.known_HW[box], near.hole_HW[box])
    share_hw1 = (wanted_detail_map(near, drawing)[box] / SMOOTH - 1).clip(0, 1)[..., None]
    completed_HW3[box] = completed_HW3[box] + share_hw1 * change_hw3
    return completed_HW3


def wanted_detail_map(near: Neighbourhood, drawing: Drawing) -> Floats:
    """The detail that belongs in the hole, in grey levels, as a mean over LOCAL; `wanted_HW`, 0 outside the hole."""
    box = bounding_box(near.hole_HW, 2 * REACH)
    hole_hw = near.hole_HW[box].astype(np.float32)
    squared_P = np.zeros(near.hole_HW.size, np.float32)
    squared_P[drawing.field.target_N.cpu().numpy()] = drawing.wanted_N.square().cpu().numpy()
    squared_hw = squared_P.reshape(near.hole_HW.shape)[box]
    weight_hw = np.maximum(cv2.GaussianBlur(hole_hw, (0, 0), LOCAL), 1e-6)
    wanted_HW = np.zeros(near.hole_HW.shape, np.float32)
    wanted_HW[box] = np.sqrt(cv2.GaussianBlur(hole_hw * squared_hw, (0, 0), LOCAL) / weight_hw) * hole_hw
    return wanted_HW
