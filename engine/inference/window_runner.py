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

from engine.inference.holes.mask import Mask, Where
from engine.inference.pixels import Pixels
from engine.inference.report import Report
from engine.inference.runtimes import Runtime
from engine.inference.runtimes.torch_runtime import TorchRuntime
from engine.inference.windows.network import Margins
from engine.inference.windows.plan import Box, NoRoom, Window, plan_windows, smallest_window, whole_photo
from engine.networks import CompletionNetwork
from kernels.fill_holes import fill_holes
from kernels.unit_range import unit_scale

log = logging.getLogger(__name__)

Kind = tuple[tuple[int, int], tuple[int, ...]]
"""The properties that windows in one batch have in common: their size and their margins."""


class Generated(NamedTuple):
    """The network's output for a region of the photo, RGB in [0, 1]."""

    region: Box
    rgb_HW3: NDArray[np.float32]


class WindowRunner:
    """Runs a completion network on the windows of photos."""

    def __init__(self, runtime: Runtime, network: CompletionNetwork) -> None:
        self.runtime = runtime
        self.network = network
        self.spec = network.spec
        self.mean_pixel = torch.tensor(self.spec.mean_pixel, device=runtime.device)
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
            if self.runtime.device.type == "cuda":
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
                generated_N3HW = self.finite(self.holed(photo_HW3, hole_HW, batch), batch[0].margins)
                rgb_NHW3 = generated_N3HW.cpu().permute(0, 2, 3, 1).numpy()
                for window, rgb_HW3 in zip(batch, rgb_NHW3, strict=True):
                    generated.append(Generated(window.region, rgb_HW3))
        return generated

    def holed(self, photo_HW3: Pixels, hole_HW: Mask, windows: list[Window]) -> Tensor:
        """The network's input for windows of one size; where sides are no multiples of 4, the photo is mirrored."""
        height, width = windows[0].size
        pixels_NHW3 = np.empty((len(windows), height, width, 3), photo_HW3.dtype)
        mask_NHW = np.empty((len(windows), height, width), np.bool_)
        for n, window in enumerate(windows):
            top, left, bottom, right = window.outer
            pixels_HW3, mask_HW = photo_HW3[top:bottom, left:right], hole_HW[top:bottom, left:right]
            ends = ((0, height - mask_HW.shape[0]), (0, width - mask_HW.shape[1]))
            if np.any(ends):
                pixels_HW3 = np.pad(pixels_HW3, (*ends, (0, 0)), mode="symmetric")
                mask_HW = np.pad(mask_HW, ends, mode="symmetric")
            pixels_NHW3[n], mask_NHW[n] = pixels_HW3, mask_HW
        if photo_HW3.dtype == np.uint16:
            pixels_NHW3 = pixels_NHW3.astype(np.float32) / 65535
        image_N3HW = torch.from_numpy(pixels_NHW3).to(self.runtime.device).permute(0, 3, 1, 2)
        mask_N1HW = torch.from_numpy(mask_NHW).to(self.runtime.device)[:, None]
        if self.spec.fill != "smooth":
            return fill_holes(image_N3HW, mask_N1HW, self.mean_pixel, torch.float32)
        # The photo's holes are filled already: written to where they are to lie, a seventh of the time of `cat`.
        holed_N4HW = mask_N1HW.new_empty((len(windows), height, width, 4), dtype=torch.float32).permute(0, 3, 1, 2)
        torch.mul(image_N3HW, unit_scale(image_N3HW), out=holed_N4HW[:, :3])
        holed_N4HW[:, 3:] = mask_N1HW
        return holed_N4HW

    def finite(self, holed_N4HW: Tensor, margins: Margins) -> Tensor:
        """The network's output; windows where it is not finite (fp16 ends at 65504) are computed again in fp32.

        ValueError if it is not finite then either.
        """
        generated_N3HW = self.runtime.run(holed_N4HW, margins)
        bad_N = ~torch.isfinite(generated_N3HW).flatten(1).all(1)
        if not bad_N.any():
            return generated_N3HW
        precision = self.runtime.precision
        log.warning("%d window(s) are not finite in %s; PyTorch computes them in fp32", bad_N.sum(), precision)
        in_fp32 = TorchRuntime(self.network, precision="fp32", device=str(self.runtime.device))
        again_N3HW = in_fp32.run(holed_N4HW[bad_N], margins)
        if not torch.isfinite(again_N3HW).all():
            raise ValueError("the network's output is not finite in fp32 either: its weights are not usable")
        return generated_N3HW.index_put((bad_N,), again_N3HW)


def is_out_of_memory(error: BaseException) -> bool:
    """True if this is how the CPU or a GPU says so."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


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
