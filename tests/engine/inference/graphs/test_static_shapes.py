"""Which static shape a window gets, and that the zeros it is padded with keep the result."""

import pytest
import torch
import torch.nn.functional as F

from engine.inference.graphs.static_shapes import STATIC_SIDES, padding_to_static, static_batches, zeros_to_add
from engine.inference.windows.layer_plan import MIN_REGION, NO_MARGINS, Margins
from engine.inference.windows.plan import REGION_STEP
from engine.spec import CompletionSpec

HALO = CompletionSpec().halo
UNLIMITED = 1 << 40


@pytest.mark.parametrize(
    "margins",
    [Margins(8, 12, 8, 8), Margins(0, 8, 4, 8), Margins(8, 4, 8, 0)],
    ids=["interior", "top-left", "bottom-right"],
)
def test_windows_padded_to_static_shapes_keep_the_result(margins):
    """With a convolution of that reach in the network's place: cheap, and as sensitive to the photo's borders."""
    halo, kernel = 8, torch.rand(1, 4, 17, 17, generator=torch.Generator().manual_seed(2))
    holed_N4HW = torch.rand(2, 4, 60, 76)
    added = padding_to_static((60, 76), margins, halo, UNLIMITED)
    padded_N4HW = F.pad(holed_N4HW, (*added[2:], *added[:2]))
    assert padded_N4HW.shape == (2, 4, 256, 256)
    expected = margins.cut(F.conv2d(holed_N4HW, kernel, padding=halo))
    found = margins.cut(added.cut(F.conv2d(padded_N4HW, kernel, padding=halo)))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("length", "before", "after", "zeros"),
    [
        (368, HALO, HALO, (0, 0)),
        (372, HALO, HALO, (0, 60)),
        (372, 0, HALO, (0, 60)),
        (372, HALO, 0, (60, 0)),
        (372, 0, 0, None),
        (432, 0, 0, (0, 0)),
        (1556, HALO, HALO, None),
    ],
)
def test_zeros_are_added_beyond_a_halo_only(length, before, after, zeros):
    assert zeros_to_add(length, before, after, HALO) == zeros


def test_windows_without_a_static_shape_have_no_padding():
    interior = Margins(HALO, HALO, HALO, HALO)
    assert padding_to_static((432, 372), interior, HALO, 432 * 432) == Margins(0, 0, 0, 60)
    assert padding_to_static((432, 372), interior, HALO, 432 * 432 - 1) is None, "padded, it exceeds the limit"
    assert padding_to_static((480, 640), NO_MARGINS, HALO, UNLIMITED) is None
    assert padding_to_static((432, 256), NO_MARGINS, HALO, UNLIMITED) == NO_MARGINS


def test_most_static_sides_are_those_of_windows():
    regions = [side - 2 * HALO for side in STATIC_SIDES[1:]]
    assert regions[0] == MIN_REGION
    assert all(side % REGION_STEP == 0 for side in regions)


def test_batches_are_static_and_within_the_limit():
    assert [static_batches(windows, 100, 400) for windows in (1, 4, 11)] == [[1], [4], [4, 4, 1, 1, 1]]
    assert static_batches(5, 101, 400) == [1] * 5
