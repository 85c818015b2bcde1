"""Shadows of what is masked: made-up ones, what only looks like one, and none."""

import cv2
import numpy as np
import pytest

from engine.inference.masks import shadows
from engine.inference.masks.shadows import LARGEST, shadows_of
from tests.engine.inference.masks.made_shadows import overlap, with_shadow


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("side", "light"), [(200, 0.5), (200, 0.7), (1500, 0.4)])
def test_the_shadow_and_not_the_thing_is_found(side: int, light: float, dtype: type) -> None:
    photo_HW3, thing_HW, shadow_HW = with_shadow(side, light)
    deep_HW3 = photo_HW3.astype(dtype) * dtype(np.iinfo(dtype).max // 255)
    found_HW, found, things = shadows_of(deep_HW3, thing_HW)
    assert (found, things) == (1, 1)
    assert overlap(found_HW, shadow_HW) > 0.8
    assert not (found_HW & thing_HW).any()
    np.testing.assert_array_equal(shadows_of(deep_HW3, thing_HW).shadow_HW, found_HW)


def test_the_photos_border_cuts_a_shadow_off() -> None:
    """Beyond it there is nothing; where the search alone ends, a region is no shadow."""
    photo_HW3, thing_HW, shadow_HW = with_shadow(200, 0.5)
    cut = slice(0, 200), slice(0, 150)
    assert shadow_HW[:, 149].any()
    found_HW, found, _ = shadows_of(np.ascontiguousarray(photo_HW3[cut]), np.ascontiguousarray(thing_HW[cut]))
    assert found == 1
    assert overlap(found_HW, shadow_HW[cut]) > 0.8


@pytest.mark.parametrize("beside", ["nothing", "another colour", "far away", "larger than a shadow", "brighter"])
def test_what_is_no_shadow_is_not_taken_for_one(beside: str) -> None:
    photo_HW3, thing_HW, shadow_HW = with_shadow(400, 1.0)
    if beside == "another colour":
        photo_HW3[shadow_HW] = (20, 60, 130)
    if beside == "far away":
        photo_HW3[340:370, 320:370] //= 2
    if beside == "larger than a shadow":
        photo_HW3[:, 230:] //= 2
        assert LARGEST * thing_HW.sum() < 400 * 170
    if beside == "brighter":
        photo_HW3[shadow_HW] = photo_HW3[shadow_HW] * 3 // 2
    found_HW, found, things = shadows_of(photo_HW3, thing_HW)
    assert (found_HW.any(), found, things) == (False, 0, 1)


def test_each_thing_is_looked_at_and_specks_are_not() -> None:
    photo_HW3, thing_HW, shadow_HW = with_shadow(400, 0.5)
    cv2.circle(photo_HW3, (60, 330), 30, (200, 200, 30), -1)
    thing_HW[300:361, 30:91] = True
    thing_HW[5:8, 5:8] = True
    found_HW, found, things = shadows_of(photo_HW3, thing_HW)
    assert (found, things) == (1, 2)
    assert overlap(found_HW, shadow_HW) > 0.8


@pytest.mark.parametrize("side", [200, 600])
def test_what_nobody_sees_is_in_no_shadow_and_changes_none(side: int) -> None:
    photo_HW3, thing_HW, shadow_HW = with_shadow(side, 0.5)
    hidden_HW = np.zeros(thing_HW.shape, bool)
    hidden_HW[:, 3 * side // 4 :] = True
    assert (shadow_HW & hidden_HW).any()
    found = shadows_of(photo_HW3, thing_HW, hidden_HW)
    assert not (found.shadow_HW & hidden_HW).any()
    assert overlap(found.shadow_HW, shadow_HW & ~hidden_HW) > 0.8
    photo_HW3[hidden_HW] = np.random.default_rng(0).integers(256, size=(hidden_HW.sum(), 3))
    np.testing.assert_array_equal(shadows_of(photo_HW3, thing_HW, hidden_HW).shadow_HW, found.shadow_HW)


def test_of_many_things_the_largest_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Specks that are all of one size would take seconds a hundred."""
    photo_HW3, thing_HW, shadow_HW = with_shadow(400, 0.5)
    for x in range(5, 395, 30):
        thing_HW[340:352, x : x + 12] = thing_HW[370:382, x : x + 12] = True
    looked_at: list[int] = []
    monkeypatch.setattr(shadows, "MOST_THINGS", 5)
    monkeypatch.setattr(shadows, "SPECK", 0.01)
    plain = shadows.shadow_in
    monkeypatch.setattr(shadows, "shadow_in", lambda *those: (looked_at.append(those[2].sum()), plain(*those))[1])
    found = shadows_of(photo_HW3, thing_HW)
    assert (len(looked_at), max(looked_at), found.found, found.things) == (5, looked_at[0], 1, 27)
    assert overlap(found.shadow_HW, shadow_HW) > 0.8
    assert "beside 1 of 27 things (the 5 largest alone are looked at)" in found.note()


@pytest.mark.parametrize("marked", ["nothing", "a dot", "all"])
def test_masks_that_have_no_shadow(marked: str) -> None:
    photo_HW3, thing_HW, _ = with_shadow(200, 0.5)
    mask_HW = np.full(thing_HW.shape, marked == "all")
    mask_HW[100, 100] |= marked == "a dot"
    assert not shadows_of(photo_HW3, mask_HW).shadow_HW.any()


def test_work_follows_the_copy_and_not_the_photo() -> None:
    """A thing of 1000 px in 16 megapixels is looked at in a copy of at most 200 px: what is smoothed says so."""
    photo_HW3, thing_HW, shadow_HW = with_shadow(4000, 0.5)
    given: list[tuple[int, ...]] = []
    plain = cv2.bilateralFilter
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            cv2, "bilateralFilter", lambda image, *others: (given.append(image.shape), plain(image, *others))[1]
        )
        found_HW = shadows_of(photo_HW3, thing_HW).shadow_HW
    assert max(max(shape) for shape in given) <= 200
    assert overlap(found_HW, shadow_HW) > 0.8
