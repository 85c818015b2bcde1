"""The texture of completed holes: where the network's completion is smoother than the photo, it is drawn again.

Each hole by itself, whatever lies beside it: drawn from patches of the photo if that is wanted, moved to the network's
colours, and given the photo's grain.
"""

from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from engine.inference.harmonic import Floats
from engine.inference.mask import Mask, Where, pieces, relative, thickness
from engine.inference.photo import Pixels
from engine.inference.report import Report
from engine.inference.texture.grain import add_grain
from engine.inference.texture.sources import Neighbourhood, allowed, neighbourhood, without_some
from engine.inference.texture.synthesis import Drawing, is_detailed, octaves_for, pyramid, synthesise

Texture = Literal["auto", "photo", "none"]

THIN = 8
"""Pixels across a hole up to which the network's completion stays: there is no room for texture in it."""

NEAR_GUIDE = 4.0
"""Pixels (standard deviation) over which the mean of what is drawn is moved to that of the network's completion."""


class TextureOptions(NamedTuple):
    """What users say of texture, masks as bool arrays of the photo's size."""

    texture: Texture = "auto"
    seed: int = 0
    sample_HW: Mask | None = None
    avoid_HW: Mask | None = None


def draw_texture(
    photo_HW3: Pixels, hole_HW: Mask, unknown_HW: Mask, options: TextureOptions, device: torch.device, report: Report
) -> None:
    """Draw the holes of a completed photo again, in place, where its surroundings have more detail.

    `photo_HW3` is uint8 or uint16 RGB, `hole_HW` what was completed, `unknown_HW` that and all else that is not to be
    copied. The same arguments give the same bits, whatever the number of threads and of holes. ValueError as `allowed`.
    """
    allowed_HW = allowed(unknown_HW, options.sample_HW, options.avoid_HW)
    drawn, kept, without_source = 0, 0, 0
    for where, part_HW, _ in pieces(hole_HW, 0):
        thick = thickness(part_HW)
        if thick <= THIN and options.texture == "auto":
            kept += 1
            continue
        octaves = octaves_for(thick)
        near = neighbourhood(photo_HW3, where, part_HW, allowed_HW, 1 << octaves, options.sample_HW is not None)
        generator = np.random.default_rng([options.seed, where[0].start, where[1].start])
        if options.seed:
            near = near._replace(known_HW=without_some(near.known_HW, generator))
        scales = pyramid(eight_bits(near), near.hole_HW, near.known_HW, octaves, device)
        finest = next(scales, None)
        if finest is None:
            without_source += 1
            continue
        drawn_HW3 = near.pixels_HW3.astype(np.float32)
        if options.texture == "auto" and is_detailed(finest):
            kept += 1
        else:
            drawn_HW3 = from_patches(near, synthesise([finest, *scales], generator))
            drawn += 1
        write(photo_HW3, near, where, part_HW, add_grain(drawn_HW3, near, generator))
    say(report, drawn, kept, without_source)


def eight_bits(near: Neighbourhood) -> NDArray[np.uint8]:
    """The neighbourhood in 8 bits, to compare patches; deeper or fainter pictures stretched by what is known of them."""
    pixels_HW3 = near.pixels_HW3
    known_P3 = pixels_HW3[near.known_HW]
    if not known_P3.size:
        return np.zeros(pixels_HW3.shape, np.uint8)
    low, high = float(known_P3.min()), float(known_P3.max())
    if pixels_HW3.dtype == np.uint8 and high - low >= 128:
        return pixels_HW3
    scaled_HW3 = (pixels_HW3 - np.float32(low)) * np.float32(255 / max(high - low, 1))
    return np.rint(scaled_HW3.clip(0, 255)).astype(np.uint8)


def from_patches(near: Neighbourhood, drawing: Drawing) -> Floats:
    """The neighbourhood with its hole drawn from patches, near the network's colours."""
    # fp64 holds the sums of 16-bit colours exactly.
    completed_HW3 = near.pixels_HW3.astype(np.float32 if near.pixels_HW3.dtype == np.uint8 else np.float64)
    drawn_HW3 = drawing.of(torch.from_numpy(completed_HW3).to(drawing.weight_N.device)).cpu().numpy()
    drawn_HW3 = np.where(near.hole_HW[..., None], drawn_HW3, completed_HW3)
    return drawn_HW3 + cv2.GaussianBlur(completed_HW3 - drawn_HW3, (0, 0), NEAR_GUIDE)


def write(photo_HW3: Pixels, near: Neighbourhood, where: Where, part_HW: Mask, drawn_HW3: Floats) -> None:
    """Put what was drawn into the hole."""
    here = relative(where, near.where)
    drawn_HW3 = np.rint(drawn_HW3[here]).clip(0, np.iinfo(photo_HW3.dtype).max).astype(photo_HW3.dtype)
    np.copyto(photo_HW3[where], drawn_HW3, where=part_HW[..., None])


def say(report: Report, drawn: int, kept: int, without_source: int) -> None:
    """Tell in the report what became of the holes."""
    report.texture = {"photo": drawn, "network": kept + without_source}
    if without_source:
        report.warnings.append(
            f"{without_source} hole(s) have no 7x7 known pixels near that texture could be taken from: "
            "completed by the network alone"
        )
