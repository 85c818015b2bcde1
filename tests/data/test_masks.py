"""Holes: inside their regions, seeded, a function of the sample number."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.masks import HoleConfig, draw_holes

KINDS = ("box", "freeform", "mixed")


@settings(max_examples=60)
@given(
    st.sampled_from(KINDS),
    st.tuples(st.integers(1, 60), st.integers(1, 60)).map(lambda pair: tuple(sorted(pair))),
    st.tuples(st.integers(1, 4), st.integers(1, 4)).map(lambda pair: tuple(sorted(pair))),
    st.integers(60, 90),
    st.integers(90, 200),
    st.integers(0, 2**50),
)
def test_holes_lie_in_their_region_and_the_region_in_the_image(
    kind: str, size: tuple[int, int], count: tuple[int, int], region: int, side: int, first: int
) -> None:
    config = HoleConfig(kind=kind, size=size, count=count, region=region)
    mask_N1HW, centres_N2 = draw_holes(config, 1, 0, np.arange(first, first + 6), side)
    assert mask_N1HW.shape == (6, 1, side, side)
    assert mask_N1HW.dtype == torch.bool
    assert centres_N2.dtype == torch.int64
    for mask_HW, (y, x) in zip(mask_N1HW[:, 0], centres_N2.tolist(), strict=True):
        top, left = y - region // 2, x - region // 2
        assert 0 <= top <= side - region
        assert 0 <= left <= side - region
        inside = mask_HW[top : top + region, left : left + region]
        assert 0 < inside.sum() == mask_HW.sum()


def test_the_papers_boxes() -> None:
    """One rectangle with sides of 96 to 128, all of them met, anywhere in the image."""
    mask_N1HW, centres_N2 = draw_holes(HoleConfig(), 0, 0, np.arange(2000), 256)
    rows_N = mask_N1HW.amax(3).sum(2, dtype=torch.int64)[:, 0]
    columns_N = mask_N1HW.amax(2).sum(2, dtype=torch.int64)[:, 0]
    assert torch.equal(mask_N1HW.sum((1, 2, 3), dtype=torch.int64), rows_N * columns_N)  # a rectangle each
    for sides_N in (rows_N, columns_N):
        assert (sides_N.min(), sides_N.max()) == (96, 128)
        assert len(sides_N.unique()) == 33
    assert centres_N2.amin(0).tolist() == [64, 64]
    assert centres_N2.amax(0).tolist() == [192, 192]
    mean_HW = mask_N1HW[:, 0].float().mean(0)
    assert abs(mean_HW[:128].mean() - mean_HW[128:].mean()) < 0.02  # nothing is favoured
    assert abs(mean_HW[:, :128].mean() - mean_HW[:, 128:].mean()) < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_a_hole_depends_on_seed_stream_and_number_alone(kind: str) -> None:
    config = HoleConfig(kind=kind, count=(1, 3))
    whole = draw_holes(config, 4, 1, np.arange(100, 120), 256)
    every_third = draw_holes(config, 4, 1, torch.arange(101, 120, 3), 256)
    assert torch.equal(whole.mask_N1HW[1::3], every_third.mask_N1HW)
    assert torch.equal(whole.centres_N2[1::3], every_third.centres_N2)
    for other in (
        draw_holes(config, 5, 1, np.arange(100, 120), 256),
        draw_holes(config, 4, 2, np.arange(100, 120), 256),
    ):
        assert not torch.equal(whole.mask_N1HW, other.mask_N1HW)


def test_strokes_differ_from_boxes_and_mixed_has_both() -> None:
    def is_rectangle(mask_HW: torch.Tensor) -> bool:
        rows, columns = mask_HW.amax(1).sum(dtype=torch.int64), mask_HW.amax(0).sum(dtype=torch.int64)
        return bool(mask_HW.sum(dtype=torch.int64) == rows * columns)

    share = {
        kind: np.mean(
            [is_rectangle(m[0]) for m in draw_holes(HoleConfig(kind=kind), 0, 0, np.arange(200), 256).mask_N1HW]
        )
        for kind in KINDS
    }
    assert share["box"] == 1
    assert share["freeform"] == 0
    assert 0.35 < share["mixed"] < 0.65


def test_several_rectangles() -> None:
    config = HoleConfig(size=(4, 4), count=(2, 3), region=128)
    covered = draw_holes(config, 0, 0, np.arange(300), 256).mask_N1HW.sum((1, 2, 3))
    assert set((covered[covered % 16 == 0] // 16).tolist()) == {2, 3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (96, 129)}, "does not fit the region of 128"),
        ({"size": (0, 12)}, "does not fit"),
        ({"count": (0, 1)}, "count"),
        ({"kind": "circle"}, "box, freeform or mixed"),
    ],
)
def test_impossible_holes_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HoleConfig(**options)


def test_a_region_larger_than_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match="region of 128 does not fit images of 100x100"):
        draw_holes(HoleConfig(), 0, 0, [0], 100)
