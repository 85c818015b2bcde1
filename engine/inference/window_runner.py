"""Running the network on windows of a photo: batching like ones, and making do with less memory or range."""

import logging
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.inference.holes.mask import Mask, Where
from engine.inference.pixels import Pixels
from engine.inference.report import Report
from engine.inference.runtimes import Runtime
from engine.inference.windows.inputs import cut_out
from engine.inference.windows.layer_plan import Margins
from engine.inference.windows.plan import Box, NoRoom, Window, plan_windows, smallest_window, whole_photo

log = logging.getLogger(__name__)

Kind = tuple[tuple[int, int], tuple[int, ...]]
"""The properties that windows in one batch have in common: their size and their margins."""


class Generated(NamedTuple):
    """The network's output for a region of the photo, RGB in [0, 1]."""

    region: Box
    rgb_HW3: NDArray[np.float32]


class WindowRunner:
    """Runs a completion network on the windows of photos."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.spec = runtime.spec
        self.limit = runtime.max_batch_pixels
        """Less than the runtime's own once the device has run out of memory."""

    def run(
        self, photo_HW3: Pixels, hole_HW: Mask, wanted_HW: Mask, full_frame: bool, report: Report, scale: int
    ) -> list[Generated]:
        """The network's output for regions of the photo, which is at 1/scale, that cover `wanted_HW`.

        If the device has less memory than it seemed, tries again with windows of half the size, down to the smallest.
        NoRoom if it has no room for those either.
        """
        while True:
            windows = (
                [whole_photo(*hole_HW.shape)] if full_frame else plan_windows(wanted_HW, self.spec.halo, self.limit)
            )
            try:
                generated = self.run_windows(photo_HW3, hole_HW, windows, partial(report.watch, scale))
            except (MemoryError, RuntimeError) as error:
                if full_frame or not is_out_of_memory(error):
                    raise
                self.ask_for_less(error)
            else:
                report.windows += len(windows)
                report.window_pixels += sum(window.size[0] * window.size[1] for window in windows)
                return generated
            # Only here: while the error was held, so was what the failed run had allocated.
            if self.runtime.device.startswith("cuda"):
                import torch

                torch.cuda.empty_cache()

    def ask_for_less(self, error: Exception) -> None:
        """Halve the limit, which is kept for what comes after. NoRoom if it is as low as can be."""
        smallest = smallest_window(self.spec.halo)
        if self.limit <= smallest:
            raise NoRoom(
                f"{self.runtime.device} has no room for a window of {smallest} pixels, the smallest that gives "
                "the right result: free some of its memory, or use another --device"
            ) from error
        log.warning("%s ran out of memory with %d pixels; trying less", self.runtime.device, self.limit)
        self.limit = max(self.limit // 2, smallest)

    def run_windows(
        self, photo_HW3: Pixels, hole_HW: Mask, windows: list[Window], watch: Callable[[int, int], None]
    ) -> list[Generated]:
        """The network's output for each window's region, those of one kind in batches of at most `limit` pixels.

        Before each batch, `watch` is called with how many windows are done, and how many there are.
        """

        def kind(window: Window) -> Kind:
            return window.size, window.margins

        generated: list[Generated] = []
        for ((height, width), _), alike in groupby(sorted(windows, key=kind), kind):
            group = list(alike)
            per_batch = max(1, self.limit // (height * width))
            for start in range(0, len(group), per_batch):
                batch = group[start : start + per_batch]
                watch(len(generated), len(windows))
                rgb_NHW3 = self.finite(*cut_out(photo_HW3, hole_HW, batch), batch[0].margins)
                for window, rgb_HW3 in zip(batch, rgb_NHW3, strict=True):
                    generated.append(Generated(window.region, rgb_HW3))
        return generated

    def finite(self, pixels_NHW3: Pixels, mask_NHW: NDArray[np.bool_], margins: Margins) -> NDArray[np.float32]:
        """The network's output; windows where it is not finite (fp16 ends at 65504) are computed again in fp32.

        ValueError if it is not finite then either.
        """
        rgb_NHW3 = self.runtime.generate(pixels_NHW3, mask_NHW, margins)
        bad_N = ~np.isfinite(rgb_NHW3).all((1, 2, 3))
        if not bad_N.any():
            return rgb_NHW3
        if self.runtime.precision != "fp32":
            precision = self.runtime.precision
            log.warning("%d window(s) are not finite in %s; PyTorch computes them in fp32", bad_N.sum(), precision)
            again_NHW3 = self.runtime.in_fp32().generate(pixels_NHW3[bad_N], mask_NHW[bad_N], margins)
            if np.isfinite(again_NHW3).all():
                rgb_NHW3 = rgb_NHW3.copy()
                rgb_NHW3[bad_N] = again_NHW3
                return rgb_NHW3
        raise ValueError("the network's output is not finite in fp32: its weights are not usable")


def is_out_of_memory(error: BaseException) -> bool:
    """True if this is how the CPU or a GPU says so."""
    # By its name: torch's is known without torch.
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or any(said in str(error) for said in ("can't allocate memory", "Failed to allocate memory"))


def assemble(generated: list[Generated], where: Where) -> NDArray[np.float32]:
    """The network's output at `where`; zeros where no window reached."""
    rows, columns = where
    assembled_HW3 = np.zeros((rows.stop - rows.start, columns.stop - columns.start, 3), np.float32)
    for (top, left, bottom, right), rgb_HW3 in generated:
        y0, y1 = max(top, rows.start), min(bottom, rows.stop)
        x0, x1 = max(left, columns.start), min(right, columns.stop)
        if y0 < y1 and x0 < x1:
            here = rgb_HW3[y0 - top : y1 - top, x0 - left : x1 - left]
            assembled_HW3[y0 - rows.start : y1 - rows.start, x0 - columns.start : x1 - columns.start] = here
    return assembled_HW3
