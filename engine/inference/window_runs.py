"""Running the network on windows of a photo: cutting them out, batching like ones, and making do with less memory."""

import logging
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.inference.mask import Mask, Where
from engine.inference.photo import Pixels
from engine.inference.report import Report
from engine.inference.runtimes import Runtime
from engine.inference.windows import Box, NoRoom, Window, plan_windows, smallest_window, whole_photo
from engine.networks import CompletionSpec
from kernels import fill_holes, to_unit_range

log = logging.getLogger(__name__)

Kind = tuple[tuple[int, int], tuple[int, ...]]
"""What windows in one batch have in common: their size and their margins."""


class Piece(NamedTuple):
    """The network's output for a region of the photo, RGB in [0, 1]."""

    region: Box
    generated_HW3: NDArray[np.float32]


class WindowRunner:
    """Runs a completion network on the windows of photos."""

    def __init__(self, runtime: Runtime, spec: CompletionSpec) -> None:
        self.runtime = runtime
        self.halo = spec.halo
        self.fill = spec.fill
        self.mean_pixel = torch.tensor(spec.mean_pixel, device=runtime.device)

    def run(
        self, photo_HW3: Pixels, hole_HW: Mask, wanted_HW: Mask, full_frame: bool, report: Report, scale: int
    ) -> list[Piece]:
        """The network's output for pieces of the photo, which is at 1/scale, that cover `wanted_HW`.

        If the device has less memory than it seemed, tries again with windows of half the size, down to the smallest.
        NoRoom if it has no room for those either.
        """
        limit, smallest = self.runtime.max_batch_pixels, smallest_window(self.halo)
        while True:
            windows = [whole_photo(*hole_HW.shape)] if full_frame else plan_windows(wanted_HW, self.halo, limit)
            try:
                pieces = self.run_windows(photo_HW3, hole_HW, windows, limit, partial(report.watch, scale))
            except (MemoryError, RuntimeError) as error:
                if full_frame or not is_out_of_memory(error):
                    raise
                if limit <= smallest:
                    raise NoRoom(
                        f"{self.runtime.device} has no room for a window of {smallest} pixels, the smallest that gives "
                        "the right result: free some of its memory, or use another --device"
                    ) from error
                log.warning("%s ran out of memory with %d pixels; trying less", self.runtime.device, limit)
                limit = max(limit // 2, smallest)
                if self.runtime.device.type == "cuda":
                    torch.cuda.empty_cache()
                continue
            report.windows += len(windows)
            report.window_pixels += sum(window.size[0] * window.size[1] for window in windows)
            return pieces

    def run_windows(
        self, photo_HW3: Pixels, hole_HW: Mask, windows: list[Window], limit: int, watch: Callable[[int, int], None]
    ) -> list[Piece]:
        """The network's output for each window's region, those of one kind in batches of at most `limit` pixels.

        Before each batch, `watch` is called with how many windows are done, and how many there are.
        """

        def kind(window: Window) -> Kind:
            return window.size, window.margins

        pieces: list[Piece] = []
        for ((height, width), _), alike in groupby(sorted(windows, key=kind), kind):
            group = list(alike)
            per_batch = max(1, limit // (height * width))
            for start in range(0, len(group), per_batch):
                batch = group[start : start + per_batch]
                watch(len(pieces), len(windows))
                holed_N4HW = torch.cat([self.holed(photo_HW3, hole_HW, window) for window in batch])
                generated_N3HW = self.runtime.run(holed_N4HW, batch[0].margins)
                if not torch.isfinite(generated_N3HW).all():
                    raise ValueError(
                        f"the {self.runtime.name} runtime gave values that are not finite in {self.runtime.precision}; "
                        "use --precision fp32"
                    )
                generated_NHW3 = generated_N3HW.cpu().permute(0, 2, 3, 1).numpy()
                pieces += [Piece(window.region, one_HW3) for window, one_HW3 in zip(batch, generated_NHW3, strict=True)]
        return pieces

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
        image_13HW, mask_11HW = image_13HW.to(self.runtime.device), mask_11HW.to(self.runtime.device)
        if self.fill != "smooth":
            return fill_holes(image_13HW, mask_11HW, self.mean_pixel, torch.float32)
        holed_14HW = torch.cat((to_unit_range(image_13HW), mask_11HW.float()), dim=1)
        return holed_14HW.contiguous(memory_format=torch.channels_last)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is how the CPU or a GPU says so."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def assemble(pieces: list[Piece], where: Where) -> NDArray[np.float32]:
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
