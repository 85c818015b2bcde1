"""Completing the holes of a photo: run the network on windows around them and join the result to the photo.

The photo stays on the host; only windows go to the device, so that time and memory follow the hole and not the photo.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Self, get_args

import numpy as np

from engine.inference.coarse_to_fine import CoarseToFine
from engine.inference.holes.blend import Blend
from engine.inference.holes.border import cut, ends_for, mirror, own_holes, own_part
from engine.inference.holes.mask import Mask, with_hidden
from engine.inference.holes.rim import rim_note
from engine.inference.holes.thin import fill_thin_holes
from engine.inference.masks.remains import prepare_hole
from engine.inference.options import DEFAULT, DEFAULTS, CompletionOptions, Texture
from engine.inference.pixels import Pixels
from engine.inference.report import Report
from engine.inference.runtimes import Runtime, open_runtime
from engine.inference.texture.sources import not_copied
from engine.inference.texture.stage import TextureStage
from engine.inference.window_runner import WindowRunner
from engine.weights import NetworkWeights, read_weights

if TYPE_CHECKING:
    from engine.networks import CompletionNetwork


class Completer:
    """A completion network ready to complete photos."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.spec = runtime.spec
        self.runner = WindowRunner(runtime)

    @classmethod
    def load(
        cls,
        weights: Path | str = DEFAULT,
        runtime: str = "auto",
        precision: str = "auto",
        device: str = "auto",
        memory: int | None = None,
        once: bool = False,
    ) -> Self:
        """A completer for a weights file, or those that come with the engine.

        `runtime`, `precision`, `device`, `memory` (bytes for one run of the network; None: half of what is free) and
        `once` (True for a single photo) as `open_runtime` takes them. ValueError if the weights are missing or
        unreadable or the runtime is not to be had.
        """
        read = read_weights(weights)
        return cls(open_runtime(runtime, read, precision=precision, device=device, memory=memory, once=once))

    @classmethod
    def of(
        cls,
        network: "CompletionNetwork",
        runtime: str = "auto",
        precision: str = "auto",
        device: str = "auto",
        memory: int | None = None,
    ) -> Self:
        """A completer for a network in memory."""
        weights = NetworkWeights.of(network)
        return cls(open_runtime(runtime, weights, precision=precision, device=device, memory=memory))

    def complete(
        self,
        photo_HW3: Pixels,
        mask_HW: Mask,
        *,
        dilate: int | None = DEFAULTS.dilate,
        blend: Blend = DEFAULTS.blend,
        feather: int = DEFAULTS.feather,
        octaves: int | None = DEFAULTS.octaves,
        texture: Texture = DEFAULTS.texture,
        seed: int = DEFAULTS.seed,
        full_frame: bool = False,
        hidden_HW: Mask | None = None,
        sample_HW: Mask | None = None,
        avoid_HW: Mask | None = None,
        report: Report | None = None,
    ) -> Pixels:
        """A copy of the photo with what the mask covers completed; everything else is the input, bit for bit.

        `photo_HW3` is uint8 or uint16 RGB; `mask_HW` bool (or 0 and not 0), True to be completed: arrays, or what numpy
        makes such arrays of, as Pillow's images and tensors. The mask is first widened by `dilate` pixels (None:
        each hole by 2 to 4, as its thickness asks for, and by remains of what it covers: see
        `engine.inference.masks.remains`); with blend "feather" the result then fades into the photo over
        `feather` more.
        Holes are first completed at 1/2^octaves of the resolution (None: where they are not larger than the holes that
        the network was trained on; 0: never reduced). Where all that the network sees around a hole is grey, so is what
        fills it. Where the surroundings of a hole have more detail than the network has drawn, the hole is then drawn
        again from patches of the photo that lie near it (`texture` "photo": always, "none": never), and given the
        photo's grain: see `engine.inference.texture`. With "auto", thin and small holes are filled smoothly instead of
        by the network, if blend is "poisson": see `engine.inference.holes.thin`. Another `seed` gives another
        completion. Patches are taken where `sample_HW` is True alone, and never where `avoid_HW` is. `full_frame` runs
        the network on the whole photo at once: the reference that the windows equal. `hidden_HW` is True where the
        photo's colours mean nothing, as those of transparent pixels: outside the hole they are neither read nor
        changed. `report` is filled with what was done.

        ValueError if an option is not one of these, the photo is not such an array, a mask has another size, `mask_HW`
        is empty, it and `hidden_HW` leave nothing, or `sample_HW` and `avoid_HW` leave nothing to take texture from.
        """
        check_options(CompletionOptions(dilate, blend, feather, octaves, texture, seed))
        photo_HW3, mask_HW = np.asarray(photo_HW3), np.asarray(mask_HW)
        hidden_HW, sample_HW, avoid_HW = (
            None if mask is None else np.asarray(mask) != 0 for mask in (hidden_HW, sample_HW, avoid_HW)
        )
        check_photo(photo_HW3)
        report = report or Report()
        with report.stage("mask"):
            hole_HW = prepare_hole(photo_HW3, mask_HW, dilate, report, hidden_HW)
            unknown_HW = hole_HW if hidden_HW is None else with_hidden(hole_HW, hidden_HW)
            not_copied_HW = not_copied(unknown_HW, sample_HW, avoid_HW)
            rim = rim_note(photo_HW3, hole_HW, unknown_HW, max(report.widened, default=0))
        ends = ends_for(hole_HW)
        if np.any(ends):
            report.warnings.append(
                "a hole is at the photo's border or next to it: beyond it there is only the photo, mirrored"
            )
        if rim:
            report.warnings.append(rim)
        with report.stage("copy"):
            wide_HW3 = mirror(photo_HW3, ends) if np.any(ends) else photo_HW3.copy()
            wide_hole_HW, wide_unknown_HW = mirror(hole_HW, ends), mirror(unknown_HW, ends)
        if hidden_HW is not None:
            wide_HW3[wide_unknown_HW] = np.rint(np.array(self.spec.mean_pixel) * np.iinfo(photo_HW3.dtype).max)
        wanted_HW = own_holes(wide_hole_HW, ends)
        if texture == "auto" and blend == "poisson":
            with report.stage("fill"):
                wide_unknown_HW, wanted_HW = fill_thin_holes(wide_HW3, wide_unknown_HW, wanted_HW, report)
        stage = TextureStage(
            texture, seed, unknown_HW, not_copied_HW, sample_HW is not None, self.runtime.device, report
        )
        drawn_again = stage.is_drawn_again if blend == "poisson" else None
        scales = CoarseToFine(self.runner, self.spec, blend, feather, full_frame, report, drawn_again)
        scales.complete(wide_HW3, wide_unknown_HW, wanted_HW, octaves, 1, own_part(hole_HW.shape, ends))
        report.runtime = f"{self.runtime.name}, {self.runtime.precision}"
        scales.warn(octaves)
        if np.count_nonzero(hole_HW) > hole_HW.size / 2:
            report.warnings.append(
                "more than half of the photo was completed, which is seldom meant: an inverted mask is a common reason"
            )
        completed_HW3 = np.ascontiguousarray(cut(wide_HW3, ends))
        if texture != "none":
            drawn_HW = wanted_HW if scales.plain_HW is None else wanted_HW & ~scales.plain_HW
            left_HW = None if scales.left_HW is None else cut(scales.left_HW, ends)
            with report.stage("texture"):
                stage.draw(completed_HW3, cut(drawn_HW, ends), left_HW)
        if hidden_HW is not None:
            np.copyto(completed_HW3, photo_HW3, where=(unknown_HW & ~hole_HW)[..., None])
        return completed_HW3


def check_options(options: CompletionOptions) -> None:
    """ValueError if `Completer.complete` does not know one of them."""
    if options.blend not in get_args(Blend):
        raise ValueError(f"blend is {options.blend!r}; it must be one of: {', '.join(get_args(Blend))}")
    if options.texture not in get_args(Texture):
        raise ValueError(f"texture is {options.texture!r}; it must be one of: {', '.join(get_args(Texture))}")
    if options.seed < 0:
        raise ValueError(f"seed is {options.seed}; it must be 0 or more")
    for name in ("dilate", "feather"):
        pixels = getattr(options, name)
        if pixels is not None and pixels < 0:
            raise ValueError(f"{name} is {pixels}; it must be 0 pixels or more")
    if options.octaves is not None and options.octaves < 0:
        raise ValueError(
            f"octaves is {options.octaves}; it must be 0 (the photo's resolution) or more, or None to choose it by the "
            "hole"
        )


def check_photo(photo_HW3: Pixels) -> None:
    """ValueError if it is not an RGB photo."""
    if photo_HW3.dtype not in (np.uint8, np.uint16) or photo_HW3.ndim != 3 or photo_HW3.shape[2] != 3:
        raise ValueError(
            f"the photo is {photo_HW3.dtype} of shape {photo_HW3.shape}; "
            "it must be uint8 or uint16 of shape (height, width, 3), RGB"
        )
