"""Plans of windows: they cover the holes, within the limit of memory and in bounded time."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.inference.windows import plan as windows
from engine.inference.windows.plan import MAX_TILES, costs, merge_boxes, plan_windows, round_up, whole_photo
from engine.spec import STRIDE

HALO = 152


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def check_plan(mask_HW, windows, max_pixels):
    """What every plan must satisfy."""
    height, width = (round_up(side) for side in mask_HW.shape)
    covered = np.zeros((height, width), bool)
    for window in windows:
        top, left, bottom, right = window.region
        covered[top:bottom, left:right] = True
        assert area(window.outer) <= max_pixels
        assert all(value % STRIDE == 0 for value in (*window.region, *window.outer))
        assert mask_HW[top:bottom, left:right].any(), "a window without a hole"
        for first, stop, outer_first, outer_stop, length in (
            (top, bottom, window.outer[0], window.outer[2], height),
            (left, right, window.outer[1], window.outer[3], width),
        ):
            assert 0 <= outer_first <= first < stop <= outer_stop <= length
            assert outer_first == max(first - HALO, 0)
            assert outer_stop == min(stop + HALO, length)
    assert covered[: mask_HW.shape[0], : mask_HW.shape[1]][mask_HW].all(), "a hole pixel in no window"


rectangles = st.tuples(*[st.floats(0, 1)] * 4)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 1500), st.integers(1, 1500), st.lists(rectangles, min_size=1, max_size=12), st.integers(400, 1000)
)
def test_plans_cover_the_holes_within_the_limit(height, width, holes, limit):
    mask_HW = np.zeros((height, width), bool)
    for y, x, h, w in holes:
        top, left = int(y * (height - 1)), int(x * (width - 1))
        mask_HW[top : top + 1 + int(h * 300), left : left + 1 + int(w * 300)] = True
    check_plan(mask_HW, plan_windows(mask_HW, HALO, limit**2), limit**2)


def mask_with(*boxes, size=(3000, 3000)):
    mask_HW = np.zeros(size, bool)
    for top, left, height, width in boxes:
        mask_HW[top : top + height, left : left + width] = True
    return mask_HW


def test_near_holes_share_a_window_and_far_ones_do_not():
    limit = 10**7
    assert len(plan_windows(mask_with((1000, 1000, 60, 60), (1000, 1100, 60, 60)), HALO, limit)) == 1
    assert len(plan_windows(mask_with((100, 100, 60, 60), (2500, 2500, 60, 60)), HALO, limit)) == 2


def test_a_ring_is_covered_along_its_sides():
    ring = mask_with((500, 500, 2000, 2000))
    ring[540:2460, 540:2460] = False
    windows = plan_windows(ring, HALO, 10**7)
    check_plan(ring, windows, 10**7)
    inside = (1000, 1000, 2000, 2000)
    assert not any(w.region[0] < inside[2] and w.region[2] > inside[0] and w.region[1] < inside[3]
                   and w.region[3] > inside[1] for w in windows)  # fmt: skip
    cost = costs(np.array([window.region for window in windows]), HALO).sum()
    assert cost < 0.7 * costs(np.array([[500, 500, 2500, 2500]]), HALO)[0]


def test_a_small_hole_has_one_small_window_whatever_the_photo():
    for size in ((600, 600), (9000, 11000)):
        (window,) = plan_windows(mask_with((300, 300, 50, 50), size=size), HALO, 10**7)
        assert area(window.outer) == (64 + 2 * HALO) ** 2


def test_many_specks_are_planned_by_bounded_search_and_memory(monkeypatch):
    mask_HW = np.random.default_rng(0).random((4000, 5000)) < 1e-3
    searched = []

    def merge_counted(boxes, *limits):
        searched.append(len(boxes))
        return merge_boxes(boxes, *limits)

    monkeypatch.setattr(windows, "merge_boxes", merge_counted)
    tracemalloc.start()
    planned = plan_windows(mask_HW, HALO, 10**6)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert all(count <= MAX_TILES for count in searched), "the search takes quadratic time in them"
    assert peak < mask_HW.nbytes, "beside the mask itself"
    check_plan(mask_HW, planned, 10**6)


def test_a_large_hole_in_the_smallest_windows():
    """So many of them that a search for what to join would take minutes, and there is nothing to join."""
    mask_HW = np.ones((2400, 2000), bool)
    mask_HW[1000, 1000] = False
    max_pixels = (64 + 2 * HALO) ** 2
    windows = plan_windows(mask_HW, HALO, max_pixels)
    assert len(windows) > MAX_TILES
    check_plan(mask_HW, windows, max_pixels)


def test_too_little_memory_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"windows of 100000 pixels.*135424: raise the limit \(--memory\) 1\.4 times"):
        plan_windows(mask_with((0, 0, 10, 10)), HALO, 100_000)


def test_the_whole_photo_is_rounded_up():
    assert whole_photo(5, 8).region == (0, 0, 8, 8)
