"""The note on a rim of what was painted out, left outside of the mask; on made-up photos, and on one that ships."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.inference.holes.mask import widen
from engine.inference.holes.rim import MOST_HOLES, edges_of, evidence, rim_note, sectors

SIDE = 200


def surface(seed, contrast=30):
    """Smooth colours with some grain, as of a wall."""
    random = np.random.default_rng(seed)
    waves_HW3 = cv2.GaussianBlur(random.standard_normal((SIDE, SIDE, 3)), (0, 0), 40)
    waves_HW3 *= contrast / waves_HW3.std()
    return (110 + waves_HW3 + random.normal(0, 3, (SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8)


def disc(x, y, radius, shape=(SIDE, SIDE)):
    away_HW = np.hypot(*np.ogrid[-y : shape[0] - y, -x : shape[1] - x])
    return away_HW <= radius


def with_thing(photo_HW3, thing_HW, colour, soft=1.2):
    """The photo with a thing of one colour and a soft edge."""
    share_HW1 = cv2.GaussianBlur(thing_HW.astype(np.float32), (0, 0), soft)[..., None]
    return np.rint(share_HW1 * np.array(colour) + (1 - share_HW1) * photo_HW3).astype(photo_HW3.dtype)


def note(photo_HW3, hole_HW, unknown_HW=None, widened=4):
    return rim_note(photo_HW3, hole_HW, hole_HW if unknown_HW is None else unknown_HW, widened)


SHAPES = st.tuples(st.integers(0, 9), st.integers(14, 60), st.integers(20, 180), st.integers(20, 180))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(SHAPES, st.sampled_from([2, 3, 6]), st.sampled_from([(250, 250, 250), (10, 10, 10), (220, 30, 30)]))
def test_a_rim_is_found_whatever_the_hole(shape, left, colour):
    """At the photo's border, too; and none is where the mask reaches beyond the thing's soft edge."""
    seed, radius, x, y = shape
    photo_HW3 = with_thing(surface(seed, 15), disc(x, y, radius), colour)
    assert note(photo_HW3, disc(x, y, radius - left)) == (
        "what is just outside the mask looks unlike what is further away: widen by 8? (--mask-dilate 12)"
    )
    assert note(photo_HW3, disc(x, y, radius + 5)) is None


@settings(max_examples=40, deadline=None, derandomize=True)
@given(SHAPES, st.booleans(), st.integers(5, 60))
def test_no_rim_where_there_is_no_thing(shape, sixteen, contrast):
    seed, radius, x, y = shape
    photo_HW3 = surface(seed, contrast)
    if sixteen:
        photo_HW3 = photo_HW3.astype(np.uint16) * 257
    assert note(photo_HW3, disc(x, y, radius)) is None


def test_no_rim_where_a_photo_is_flat_a_slope_or_crossed_by_an_edge():
    y_HW, x_HW = np.mgrid[:SIDE, :SIDE]
    hole_HW = disc(100, 100, 30)
    for grey_HW in (0 * x_HW + 255, x_HW, 255 * (x_HW > 105), 255 * (x_HW + y_HW > 170), 255 * (x_HW // 9 % 2)):
        assert note(grey_HW.astype(np.uint8)[..., None].repeat(3, 2), hole_HW) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_depth_changes_nothing(dtype):
    photo_HW3 = with_thing(surface(1), disc(100, 100, 30), (230, 220, 40))
    ratio = np.iinfo(dtype).max // 255
    numbers = evidence(*sectors(photo_HW3.astype(dtype) * ratio, disc(100, 100, 27), edges_of(disc(100, 100, 27))[0]))
    plain = evidence(*sectors(photo_HW3, disc(100, 100, 27), edges_of(disc(100, 100, 27))[0]))
    assert numbers == pytest.approx(plain)


def test_the_number_suggested_is_8_more_than_what_was_used():
    photo_HW3 = with_thing(surface(2), disc(100, 100, 30), (230, 220, 40))
    for widened in (0, 3, 20):
        assert note(photo_HW3, disc(100, 100, 27), widened=widened).endswith(f"(--mask-dilate {widened + 8})")


@pytest.mark.parametrize("apart", [2, 6, 12])
def test_another_hole_is_not_outside(apart):
    """Two things painted out whole, so near that each lies where the other's surroundings are looked at."""
    photo_HW3 = surface(3)
    left_HW, right_HW = disc(60, 100, 25), disc(110 + apart, 100, 25)
    photo_HW3[left_HW | right_HW] = (255, 0, 0)
    assert note(photo_HW3, left_HW | right_HW) is None
    photo_HW3 = with_thing(photo_HW3, disc(110 + apart, 100, 29), (255, 0, 0))
    if apart > 6:
        assert " at 1 of 2 holes: " in note(photo_HW3, left_HW | right_HW)


def test_what_nobody_sees_is_not_looked_at():
    """A rim under transparent pixels, and nothing known around a hole at all."""
    photo_HW3 = with_thing(surface(4), disc(100, 100, 30), (255, 255, 255))
    hole_HW = disc(100, 100, 27)
    assert note(photo_HW3, hole_HW)
    assert note(photo_HW3, hole_HW, disc(100, 100, 34)) is None
    assert note(photo_HW3, hole_HW, np.ones_like(hole_HW)) is None


def test_many_holes_raise_no_more_alarms_than_one():
    photo_HW3 = np.random.default_rng(5).integers(0, 256, (600, 600, 3), np.uint8)
    photo_HW3 = cv2.GaussianBlur(photo_HW3, (0, 0), 3)
    hole_HW = np.zeros((600, 600), bool)
    for y in range(30, 590, 40):
        for x in range(30, 590, 40):
            hole_HW[y : y + 9, x : x + 9] = True
    assert len(edges_of(hole_HW)) == 196 > MOST_HOLES
    assert note(photo_HW3, hole_HW) is None
    photo_HW3[widen(hole_HW, 3)] = (255, 0, 255)
    assert " at 64 of the largest 64 holes: widen by 8?" in note(photo_HW3, hole_HW)


@pytest.mark.parametrize("hole", [(0, 0, 1, 1), (199, 0, 1, 200), (0, 0, 200, 1), (0, 0, 200, 199), (50, 50, 2, 2)])
def test_any_hole_is_judged(hole):
    """Specks, and strips along the border."""
    x, y, width, height = hole
    hole_HW = np.zeros((SIDE, SIDE), bool)
    hole_HW[y : y + height, x : x + width] = True
    assert note(surface(6), hole_HW) is None


def test_a_thing_in_a_photo(astronaut_HW3):
    """On a sleeve: a thing that is covered but for its rim, whole, and not there."""
    photo_HW3 = with_thing(astronaut_HW3, disc(130, 250, 40, (512, 512)), (40, 200, 60))
    assert note(photo_HW3, disc(130, 250, 37, (512, 512)))
    assert note(photo_HW3, disc(130, 250, 45, (512, 512))) is None
    assert note(astronaut_HW3, disc(130, 250, 37, (512, 512))) is None


def test_a_line_across_24_megapixels_is_sampled():
    """A look at all of its edge and of what is around it would take seconds, and a copy of the photo's size."""
    photo_HW3 = np.broadcast_to(np.uint8(90), (4000, 6000, 3))
    line_HW = np.zeros((4000, 6000), np.uint8)
    cv2.line(line_HW, (10, 10), (5990, 3990), 1, 20)
    looks = []

    class Counted(np.ndarray):
        def __getitem__(self, places):
            got = super().__getitem__(places)
            looks.append(got.size)
            return got

    assert rim_note(photo_HW3.view(Counted), line_HW > 0, line_HW > 0, 4) is None
    assert sum(looks) < 50_000
