"""The sides of a window that end at the photo's border, and the plan of its layers that they alone decide on."""

from typing import NamedTuple

from engine.inference.windows.layer_plan import AxisPlan, Margins, plan_axis
from engine.spec import STRIDE, Layer


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
