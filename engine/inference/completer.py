"""Completing the holes of a photo: plan windows, run the network on them, join the result to the photo.

The photo stays on the host; only windows go to the device, so that time and memory follow the hole and not the photo.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.inference.blend import components, feather_weight, poisson_correction
from engine.inference.mask import Mask, prepare_mask, widen
from engine.inference.runtimes import Runtime, open_runtime
from engine.inference.windows import Box, Window, plan_windows, whole_photo
from engine.networks import CompletionNetwork, CompletionSpec
from engine.weights import DEFAULT_WEIGHTS, load_weights
from kernels import fill_holes

Blend = Literal["none", "feather", "poisson"]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]


class Piece(NamedTuple):
    """The network's output for a region of the photo."""

    region: Box
    generated_HW3: NDArray[np.float32]


class Completer:
    """A completion network ready to complete photos."""

    def __init__(self, runtime: Runtime, spec: CompletionSpec) -> None:
        self.runtime = runtime
        self.spec = spec
        self.mean_pixel = torch.tensor(spec.mean_pixel, device=runtime.device)

    @classmethod
    def load(
        cls,
        weights: Path | None = None,
        runtime: str = "auto",
        precision: str = "auto",
        device: str = "auto",
        memory: int | None = None,
    ) -> Self:
        """A completer for a weights file (None: those that come with the engine).

        `runtime`, `precision`, `device` and `memory` (bytes for one run of the network; None: half of what is free) as
        `open_runtime` takes them. ValueError if the weights are missing or unreadable or the runtime is not to be had.
        """
        if weights is None and not DEFAULT_WEIGHTS.is_file():
            raise ValueError(
                f"this installation has no weights of its own (no {DEFAULT_WEIGHTS}): "
                "train some with engine-train, or pass --weights FILE"
            )
        return cls.of(load_weights(weights or DEFAULT_WEIGHTS), runtime, precision, device, memory)

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
        return cls(opened, network.spec)

    def complete(
        self,
        photo_HW3: Pixels,
        mask_HW: Mask,
        *,
        dilate: int = 0,
        blend: Blend = "poisson",
        feather: int = 4,
        full_frame: bool = False,
    ) -> Pixels:
        """A copy of the photo with what the mask covers completed; everything else is the input, bit for bit.

        `photo_HW3` is uint8 or uint16 RGB; `mask_HW` bool (or 0 and not 0), True to be completed. The mask is first
        widened by `dilate` pixels; with blend "feather" the result then fades into the photo over `feather` more.
        `full_frame` runs the network on the whole photo at once: the reference that the windows equal.

        ValueError if the photo is not such an array, or the mask is empty, covers everything or has another size.
        """
        check_photo(photo_HW3)
        hole_HW = prepare_mask(mask_HW, photo_HW3.shape[:2], dilate)
        changed_HW = widen(hole_HW, feather) if blend == "feather" else hole_HW
        if full_frame:
            windows = [whole_photo(*hole_HW.shape)]
        else:
            wanted_HW = widen(hole_HW, 1) if blend == "poisson" else changed_HW
            windows = plan_windows(wanted_HW, self.spec.halo, self.runtime.max_batch_pixels)
        generated = list(self.generate(photo_HW3, hole_HW, windows))
        completed_HW3 = photo_HW3.copy()
        for where, changed_here_HW in components(changed_HW):
            generated_HW3 = assemble(generated, where)
            joined_HW3 = join(photo_HW3[where], generated_HW3, hole_HW[where], changed_here_HW, blend, feather)
            completed_HW3[where][changed_here_HW] = joined_HW3[changed_here_HW]
        return completed_HW3

    def generate(self, photo_HW3: Pixels, hole_HW: Mask, windows: list[Window]) -> Iterator[Piece]:
        """The network's output for the region of each window, like ones in one batch."""

        def kind(window: Window) -> tuple[tuple[int, int], tuple[int, ...]]:
            return window.size, window.margins

        for ((height, width), _), alike in groupby(sorted(windows, key=kind), kind):
            group = list(alike)
            per_batch = max(1, self.runtime.max_batch_pixels // (height * width))
            for start in range(0, len(group), per_batch):
                batch = group[start : start + per_batch]
                holed_N4HW = torch.cat([self.holed(photo_HW3, hole_HW, window) for window in batch])
                generated_N3HW = self.runtime.run(holed_N4HW, group[0].margins)
                for window, generated_3HW in zip(batch, generated_N3HW.cpu(), strict=True):
                    yield Piece(window.region, generated_3HW.permute(1, 2, 0).numpy())

    def holed(self, photo_HW3: Pixels, hole_HW: Mask, window: Window) -> Tensor:
        """The network's input for one window; a photo whose sides are no multiples of 4 is mirrored at its ends."""
        top, left, bottom, right = window.outer
        pixels_HW3, mask_HW = photo_HW3[top:bottom, left:right], hole_HW[top:bottom, left:right]
        missing = (bottom - top - mask_HW.shape[0], right - left - mask_HW.shape[1])
        if any(missing):
            ends = ((0, missing[0]), (0, missing[1]))
            pixels_HW3 = np.pad(pixels_HW3, (*ends, (0, 0)), mode="symmetric")
            mask_HW = np.pad(mask_HW, ends, mode="symmetric")
        if pixels_HW3.dtype == np.uint16:
            pixels_HW3 = pixels_HW3.astype(np.float32) / 65535
        image_13HW = torch.from_numpy(np.ascontiguousarray(pixels_HW3)).permute(2, 0, 1)[None]
        mask_11HW = torch.from_numpy(np.ascontiguousarray(mask_HW))[None, None]
        device = self.runtime.device
        return fill_holes(image_13HW.to(device), mask_11HW.to(device), self.mean_pixel, torch.float32)


def check_photo(photo_HW3: Pixels) -> None:
    """ValueError if it is not an RGB photo."""
    if photo_HW3.dtype not in (np.uint8, np.uint16) or photo_HW3.ndim != 3 or photo_HW3.shape[2] != 3:
        raise ValueError(
            f"the photo is {photo_HW3.dtype} of shape {photo_HW3.shape}; "
            "it must be uint8 or uint16 of shape (height, width, 3), RGB"
        )


def assemble(pieces: list[Piece], where: tuple[slice, slice]) -> NDArray[np.float32]:
    """The network's output at `where`; zeros where no window reached."""
    rows, columns = where
    assembled_HW3 = np.zeros((rows.stop - rows.start, columns.stop - columns.start, 3), np.float32)
    for (top, left, bottom, right), generated_HW3 in pieces:
        y0, y1 = max(top, rows.start), min(bottom, rows.stop)
        x0, x1 = max(left, columns.start), min(right, columns.stop)
        if y0 < y1 and x0 < x1:
            here = generated_HW3[y0 - top : y1 - top, x0 - left : x1 - left]
            assembled_HW3[y0 - rows.start : y1 - rows.start, x0 - columns.start : x1 - columns.start] = here
    return assembled_HW3


def join(
    photo_HW3: Pixels, generated_HW3: NDArray[np.float32], hole_HW: Mask, changed_HW: Mask, blend: Blend, feather: int
) -> Pixels:
    """The pixels of `changed_HW` (one hole, with its feather) in the photo's type; the others are undefined."""
    largest = np.float32(np.iinfo(photo_HW3.dtype).max)
    joined_HW3 = generated_HW3 * largest
    if blend == "feather":
        weight_HW1 = feather_weight(hole_HW, feather)[..., None]
        joined_HW3 = weight_HW1 * joined_HW3 + (1 - weight_HW1) * photo_HW3
    elif blend == "poisson":
        joined_HW3 += poisson_correction(photo_HW3 - joined_HW3, ~hole_HW, changed_HW)
    return np.rint(joined_HW3).clip(0, largest).astype(photo_HW3.dtype)
