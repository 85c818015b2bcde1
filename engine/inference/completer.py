"""Completing the holes of a photo: run the network on windows around them and join the result to the photo.

The photo stays on the host; only windows go to the device, so that time and memory follow the hole and not the photo.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self, get_args

import numpy as np

from engine.inference.blend import Blend, is_grey, join
from engine.inference.border import cut, ends_for, mirror, own_holes, own_part
from engine.inference.contrast import Contrast, faint_holes
from engine.inference.fill import fill_smoothly, threads
from engine.inference.mask import (
    Mask,
    Where,
    bounding_box,
    components,
    pieces,
    prepare_mask,
    relative,
    thickness,
    widen,
    with_context,
    with_hidden,
)
from engine.inference.photo import Pixels, as_grey
from engine.inference.plain import fill_plain_holes
from engine.inference.report import Report
from engine.inference.runtimes import Runtime, open_runtime
from engine.inference.scales import BAND, beyond, double, halve, halve_mask, halve_where, octaves_for, put_ring_beside
from engine.inference.texture.sources import not_copied
from engine.inference.texture.stage import Texture, TextureStage
from engine.inference.window_runs import Generated, WindowRunner, assemble
from engine.networks import STRIDE, CompletionNetwork, CompletionSpec
from engine.weights import DEFAULT, load_weights


class CompletionOptions(NamedTuple):
    """The keyword arguments of `Completer.complete` that users choose, with its defaults."""

    dilate: int = 0
    blend: Blend = "poisson"
    feather: int = 4
    octaves: int | None = None
    texture: Texture = "auto"
    seed: int = 0


class Completer:
    """A completion network ready to complete photos."""

    def __init__(self, runtime: Runtime, network: CompletionNetwork) -> None:
        self.runtime = runtime
        self.spec = network.spec
        self.runner = WindowRunner(runtime, network)

    @classmethod
    def load(
        cls,
        weights: Path | str = DEFAULT,
        runtime: str = "auto",
        precision: str = "auto",
        device: str = "auto",
        memory: int | None = None,
    ) -> Self:
        """A completer for a weights file, or those that come with the engine.

        `runtime`, `precision`, `device` and `memory` (bytes for one run of the network; None: half of what is free) as
        `open_runtime` takes them. ValueError if the weights are missing or unreadable or the runtime is not to be had.
        """
        return cls.of(load_weights(weights), runtime, precision, device, memory)

    @classmethod
    def of(
        cls,
        network: CompletionNetwork,
        runtime: str = "auto",
        precision: str = "auto",
        device: str = "auto",
        memory: int | None = None,
    ) -> Self:
        """A completer for a network in memory."""
        opened = open_runtime(runtime, network, precision=precision, device=device, memory=memory)
        return cls(opened, network)

    def complete(
        self,
        photo_HW3: Pixels,
        mask_HW: Mask,
        *,
        dilate: int = 0,
        blend: Blend = "poisson",
        feather: int = 4,
        octaves: int | None = None,
        texture: Texture = "auto",
        seed: int = 0,
        full_frame: bool = False,
        hidden_HW: Mask | None = None,
        sample_HW: Mask | None = None,
        avoid_HW: Mask | None = None,
        report: Report | None = None,
    ) -> Pixels:
        """A copy of the photo with what the mask covers completed; everything else is the input, bit for bit.

        `photo_HW3` is uint8 or uint16 RGB; `mask_HW` bool (or 0 and not 0), True to be completed: arrays, or what numpy
        makes such arrays of, as Pillow's images and tensors. The mask is first widened by `dilate` pixels; with blend
        "feather" the result then fades into the photo over `feather` more.
        Holes are first completed at 1/2^octaves of the resolution (None: where they are not larger than the holes
        that the network was trained on; 0: never reduced). Where all that the network sees around a hole is grey, so
        is what fills it. Where the surroundings of a hole have more detail than the network has drawn, the hole is then
        drawn again from patches of the photo that lie near it (`texture` "photo": always, "none": never), and given the
        photo's grain: see `engine.inference.texture`. Another `seed` gives another completion. Patches are taken where
        `sample_HW` is True alone, and never where `avoid_HW` is. `full_frame` runs the network on the whole photo at
        once: the reference that the windows equal. `hidden_HW` is True where the photo's colours mean nothing, as those
        of transparent pixels: outside the hole they are neither read nor changed. `report` is filled with what was
        done.

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
            hole_HW = prepare_mask(mask_HW, photo_HW3.shape[:2], dilate)
            unknown_HW = hole_HW if hidden_HW is None else with_hidden(hole_HW, hidden_HW)
            not_copied_HW = not_copied(unknown_HW, sample_HW, avoid_HW)
        ends = ends_for(hole_HW)
        if np.any(ends):
            report.warnings.append("a hole is at the photo's border: beyond it there is only the photo, mirrored")
        with report.stage("copy"):
            wide_HW3 = mirror(photo_HW3, ends) if np.any(ends) else photo_HW3.copy()
            wide_hole_HW, wide_unknown_HW = mirror(hole_HW, ends), mirror(unknown_HW, ends)
        if hidden_HW is not None:
            wide_HW3[wide_unknown_HW] = np.rint(np.array(self.spec.mean_pixel) * np.iinfo(photo_HW3.dtype).max)
        completion = Completion(self.runner, self.spec, blend, feather, full_frame, report)
        completion.complete(
            wide_HW3, wide_unknown_HW, own_holes(wide_hole_HW, ends), octaves, 1, own_part(hole_HW.shape, ends)
        )
        completion.warn(octaves)
        if np.count_nonzero(hole_HW) > hole_HW.size / 2:
            report.warnings.append("more than half of the photo is to be completed: is the mask inverted?")
        completed_HW3 = np.ascontiguousarray(cut(wide_HW3, ends))
        if texture != "none":
            stage = TextureStage(
                texture, seed, unknown_HW, not_copied_HW, sample_HW is not None, self.runtime.device, report
            )
            drawn_HW = hole_HW if completion.plain_HW is None else hole_HW & ~cut(completion.plain_HW, ends)
            # Many small steps: where another program has a core, waiting for a second thread takes longer than they do.
            with report.stage("texture"), threads(1):
                stage.draw(completed_HW3, drawn_HW)
        if hidden_HW is not None:
            np.copyto(completed_HW3, photo_HW3, where=(unknown_HW & ~hole_HW)[..., None])
        return completed_HW3


class LargeHole(NamedTuple):
    """A hole too large for the network at this scale: where, the mask there, and how many octaves down it fits."""

    where: Where
    part_HW: Mask
    octaves: int


@dataclass(slots=True)
class Completion:
    """One call of `Completer.complete`: its options, and its steps from the coarsest scale to the photo's own."""

    runner: WindowRunner
    spec: CompletionSpec
    blend: Blend
    feather: int
    full_frame: bool
    report: Report
    plain_HW: Mask | None = None
    """Holes in plain parts of the photo, where nothing is to be drawn; None if there are none."""
    large: int = 0
    """Holes larger than those of the training."""
    too_large: bool = False
    """Whether one of these should have been completed at a coarser scale than was asked for."""

    def complete(
        self, photo_HW3: Pixels, hole_HW: Mask, wanted_HW: Mask, octaves: int | None, scale: int, own: Where
    ) -> None:
        """Complete the wanted part of the holes of `photo_HW3`, which is at 1/scale of the resolution, in place.

        What else of the holes the network sees is filled, and of no use afterwards. `own` is where the photo's own
        pixels are, beyond which it is mirrored.
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
        if wanted_HW.any():
            self.complete_from_coarse_to_fine(photo_HW3, hole_HW, wanted_HW, octaves, scale, own)

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
        here_HW = np.zeros_like(hole_HW[crop])
        here_HW[relative(where, crop)] = part_HW
        before_HW3 = contrast.stretch(photo_HW3[crop])
        after_HW3 = before_HW3.copy()
        self.complete_from_coarse_to_fine(after_HW3, hole_HW[crop], here_HW, octaves, 1, relative(own, crop))
        changed_HW = here_HW
        if self.blend == "feather":
            changed_HW = widen(here_HW, self.feather) & (here_HW | ~hole_HW[crop])
        photo_HW3[crop][changed_HW] = contrast.bring_back(after_HW3[changed_HW], photo_HW3.dtype)
        hole_HW[crop][here_HW] = False

    def complete_from_coarse_to_fine(
        self, photo_HW3: Pixels, hole_HW: Mask, wanted_HW: Mask, octaves: int | None, scale: int, own: Where
    ) -> None:
        """Complete holes by the network, the inside of large ones at coarser scales first, in place."""
        asked_HW, large = wanted_HW, list(self.large_holes(wanted_HW, octaves))
        if large:
            hole_HW, wanted_HW = hole_HW.copy(), wanted_HW.copy()
        for hole in large:
            self.fill_inside(photo_HW3, hole_HW, wanted_HW, hole, scale, own)
        if scale == 1:
            self.large += len(large)
            self.too_large |= octaves is not None and any(
                hole.octaves > octaves for hole in self.large_holes(asked_HW, None)
            )
        changed_HW = wanted_HW
        if self.blend == "feather":
            changed_HW = widen(wanted_HW, self.feather) & (wanted_HW | ~hole_HW)
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

    def warn(self, octaves: int | None) -> None:
        """Say in the report which holes asked more than the network was trained for, and what was done about them."""
        trained = f"the {self.spec.hole_size[1]} px that the network was trained on"
        coarsest = max(self.report.scales)
        if self.large and octaves is None and coarsest > 1:
            self.report.warnings.append(
                f"{self.large} hole(s) larger than {trained}: "
                f"completed at 1/{coarsest} of the resolution first, and refined up to the photo's own"
            )
        if self.too_large and octaves is not None:
            self.report.warnings.append(
                f"a hole is larger than {trained}, and it was completed at 1/{2**octaves} of the resolution as asked: "
                "expect its inside to be blurred (--scale auto)"
            )

    def large_holes(self, wanted_HW: Mask, octaves: int | None) -> Iterator[LargeHole]:
        """The holes to be completed at a coarser scale first."""
        for where, part_HW in components(wanted_HW):
            count = self.octaves_of(part_HW, octaves)
            # A crop with less than two pixels on a side cannot be halved into something with a border left to see.
            if count > 0 and min(part_HW.shape) > 1:
                yield LargeHole(where, part_HW, count)

    def octaves_of(self, part_HW: Mask, octaves: int | None) -> int:
        """How many times to halve the resolution for a hole, if it is not said."""
        return octaves_for(thickness(part_HW), self.spec.hole_size[1]) if octaves is None else octaves

    def fill_inside(
        self, photo_HW3: Pixels, hole_HW: Mask, wanted_HW: Mask, hole: LargeHole, scale: int, own: Where
    ) -> None:
        """Complete a large hole at half the scale and make its inside, beyond a band at its border, known in place."""
        crop = with_context(hole.where, photo_HW3.shape, self.spec.halo << hole.octaves)
        part_HW = np.zeros_like(hole_HW[crop])
        part_HW[relative(hole.where, crop)] = hole.part_HW
        half_HW3, half_hole_HW = halve(photo_HW3[crop], hole_HW[crop]), halve_mask(hole_HW[crop])
        if half_hole_HW.all():
            return
        put_ring_beside(half_HW3, half_hole_HW, photo_HW3[crop], hole_HW[crop])
        half_own = halve_where(relative(own, crop))
        self.complete(half_HW3, half_hole_HW, halve_mask(part_HW), hole.octaves - 1, 2 * scale, half_own)
        inside_HW = beyond(part_HW, round(BAND * self.spec.hole_size[1]))
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


def check_options(options: CompletionOptions) -> None:
    """ValueError if `Completer.complete` does not know one of them."""
    if options.blend not in get_args(Blend):
        raise ValueError(f"blend is {options.blend!r}; it must be one of: {', '.join(get_args(Blend))}")
    if options.texture not in get_args(Texture):
        raise ValueError(f"texture is {options.texture!r}; it must be one of: {', '.join(get_args(Texture))}")
    if options.seed < 0:
        raise ValueError(f"seed is {options.seed}; it must be 0 or more")
    for name in ("dilate", "feather"):
        if getattr(options, name) < 0:
            raise ValueError(f"{name} is {getattr(options, name)}; it must be 0 pixels or more")
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
