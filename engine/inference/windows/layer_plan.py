"""The part of each layer's output that the wanted part of a window depends on, along each axis.

Away from the photo's borders a window shrinks from layer to layer by just what the later layers need; where it ends at
the photo's border, zeros are added that the padded network would see. Which sides do decides on the whole plan.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

from engine.spec import COMPLETION_LAYERS, OUTPUT_LAYER, STRIDE, Layer, input_interval

MIN_REGION = 64
"""Sides that a region should have at least, if the photo does: below about 32, oneDNN picks kernels with another order
of summation. The halo dominates the cost of such a window anyway."""

LAYERS = (*COMPLETION_LAYERS, OUTPUT_LAYER)
"""The completion network's, without those of a learned fill: so little arithmetic that no plan looks at it."""


class Margins(NamedTuple):
    """Pixels on each side of a window that are read but not wanted."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def cut(self, image_NCHW: Any) -> Any:
        """`image_NCHW`, an array or a tensor, without the margins."""
        bottom, right = -self.bottom or None, -self.right or None
        return image_NCHW[:, :, self.top : bottom, self.left : right]

    def beyond(self, others: "Margins") -> "Margins":
        """The rest of these margins where `others` have been cut."""
        return Margins(*(mine - cut for mine, cut in zip(self, others, strict=True)))


NO_MARGINS = Margins()


class AxisStep(NamedTuple):
    """The work of one layer along one axis: zeros added to its input, outputs (of a transposed one) dropped."""

    zeros: tuple[int, int]
    dropped: tuple[int, int]
    outputs: int


class AxisPlan(NamedTuple):
    """The work of a window network along one axis."""

    cut: tuple[int, int]
    """Inputs at the beginning and at the end that nothing wanted depends on."""
    steps: tuple[AxisStep, ...]


@lru_cache(maxsize=4096)
def plan_axis(length: int, before: int, after: int, layers: tuple[Layer, ...] = LAYERS) -> AxisPlan:
    """The plan for the outputs [before, length - after) of a window of this length."""
    sizes = [length]
    for layer in layers:
        sizes.append(sizes[-1] * layer.stride if layer.up else sizes[-1] // layer.stride)
    first, last = before, length - after - 1
    steps: list[AxisStep] = []
    for layer, size in reversed(list(zip(layers, sizes[:-1], strict=True))):
        needed_first, needed_last = input_interval(layer, first, last)
        # An `up` layer's 2x2 convolution and pixel shuffle give the outputs 2 * needed_first + 1 .. 2 * needed_last.
        dropped = (first - 2 * needed_first - 1, 2 * needed_last - last) if layer.up else (0, 0)
        clipped_first, clipped_last = max(needed_first, 0), min(needed_last, size - 1)
        zeros = (clipped_first - needed_first, needed_last - clipped_last)
        steps.append(AxisStep(zeros, dropped, last - first + 1))
        first, last = clipped_first, clipped_last
    return AxisPlan((first, length - 1 - last), tuple(reversed(steps)))


class Borders(NamedTuple):
    """The sides of a window that end at the photo's border; the others have the whole halo."""

    top: bool
    bottom: bool
    left: bool
    right: bool

    def margins(self, halo: int) -> Margins:
        """Those that the graph cuts off."""
        return Margins(*(0 if border else halo for border in self))


BORDERS = Borders(True, True, True, True)
"""Those of a photo that is one window."""

NO_BORDERS = Borders(False, False, False, False)


class WindowPlan(NamedTuple):
    """The layers of one network along the two axes of a window."""

    rows: AxisPlan
    columns: AxisPlan

    @property
    def cut(self) -> Margins:
        """Pixels of the window that the first layer does not read."""
        return Margins(*self.rows.cut, *self.columns.cut)


def plan_for_any_size(around: Margins, margins: Margins, layers: tuple[Layer, ...]) -> WindowPlan:
    """The plan of `layers` for all but the margins of a window, of whatever region with `around` around it."""
    height, width = around.top + STRIDE + around.bottom, around.left + STRIDE + around.right
    return WindowPlan(plan_axis(height, *margins[:2], layers), plan_axis(width, *margins[2:], layers))


def layer_outputs(length: int, before: int, after: int) -> list[int]:
    """The number of outputs of each layer along one axis."""
    return [step.outputs for step in plan_axis(length, before, after).steps]


def multiply_adds_per_output(base_width: int = 64) -> list[int]:
    """Multiply-adds of each layer for one pixel of its output, in all channels."""
    counts, channels = [], 4
    for layer in LAYERS:
        outputs = int(layer.width * base_width) or 3
        counts.append(channels * outputs * layer.kernel**2 // (layer.stride**2 if layer.up else 1))
        channels = outputs
    return counts


def multiply_adds(height: int, width: int, margins: Margins, base_width: int) -> int:
    """Multiply-adds of a window network for one window."""
    rows, columns = layer_outputs(height, *margins[:2]), layer_outputs(width, *margins[2:])
    return sum(map(math.prod, zip(rows, columns, multiply_adds_per_output(base_width), strict=True)))
