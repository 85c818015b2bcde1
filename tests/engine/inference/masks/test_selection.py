"""Selecting a thing by a box: made-up things on a photo, and boxes that say nothing."""

import cv2
import numpy as np
import pytest
import skimage.data

from engine.inference.masks.selection import NothingSelected, select_thing, select_things


def with_thing(seed: int, dtype: type = np.uint8, side: int = 512) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """A wall of bricks, or coarser, with a blob of colour on it; the blob's mask and a box around it."""
    generator = np.random.default_rng(seed)
    wall_HW3 = np.repeat(cv2.resize(skimage.data.brick(), (side, side))[..., None], 3, 2)
    angles = np.sort(generator.uniform(0, 2 * np.pi, 9))
    lengths = side / 8 * generator.uniform(0.6, 1, 9)
    middle = generator.uniform(0.3 * side, 0.7 * side, 2)
    corners = np.stack((middle[0] + lengths * np.cos(angles), middle[1] + lengths * np.sin(angles)), 1)
    thing_HW = np.zeros((side, side), np.uint8)
    cv2.fillPoly(thing_HW, [corners.astype(np.int32)], 1)
    colour_3 = np.array((200, 60, 30)) + generator.integers(-20, 20, 3)
    image_HW3 = np.where(thing_HW[..., None] > 0, colour_3, wall_HW3) + generator.integers(-6, 6, (side, side, 1))
    scale = np.iinfo(dtype).max // 255
    y_P, x_P = np.nonzero(thing_HW)
    margin = side // 80
    left, top = int(x_P.min()) - margin, int(y_P.min()) - margin
    box = left, top, int(x_P.max()) + margin + 1 - left, int(y_P.max()) + margin + 1 - top
    return (image_HW3.clip(0, 255) * scale).astype(dtype), thing_HW > 0, box


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("seed", "side"), [(0, 512), (1, 512), (2, 512), (3, 2000)])
def test_the_thing_and_not_the_box_is_selected(seed: int, side: int, dtype: type) -> None:
    photo_HW3, thing_HW, box = with_thing(seed, dtype, side)
    selected_HW = select_things(photo_HW3, (box,))
    overlap = (selected_HW & thing_HW).sum() / (selected_HW | thing_HW).sum()
    assert overlap > 0.9
    x, y, width, height = box
    outside_HW = np.ones_like(selected_HW)
    outside_HW[y : y + height, x : x + width] = False
    assert not selected_HW[outside_HW].any()
    np.testing.assert_array_equal(select_things(photo_HW3, (box,)), selected_HW)


@pytest.mark.parametrize("side", [512, 2000])
def test_an_outline_leaves_out_what_a_box_would_take(side: int) -> None:
    """Two blobs in one box: an outline around one of them selects that one."""
    photo_HW3, thing_HW, box = with_thing(0, side=side)
    x, y, width, height = box
    dot = x - side // 12, y + height // 2
    cv2.circle(photo_HW3, dot, side // 20, (10, 90, 220), -1)
    box = x, y, width, height = x - side // 7, y, width + side // 7, height
    outlined_HW = np.zeros(thing_HW.shape, np.uint8)
    outlines, _ = cv2.findContours(thing_HW.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(outlined_HW, outlines, -1, 1, cv2.FILLED)
    outlined_HW = cv2.dilate(outlined_HW, np.ones((9, 9), np.uint8))[y : y + height, x : x + width] > 0
    wanted_HW = thing_HW[y : y + height, x : x + width]
    selected_HW = select_thing(photo_HW3, box, "the outline", outlined_HW)
    assert (selected_HW & wanted_HW).sum() / (selected_HW | wanted_HW).sum() > 0.9
    assert not selected_HW[~outlined_HW].any()
    assert select_thing(photo_HW3, box, "the box")[dot[1] - y, dot[0] - x]


@pytest.mark.parametrize("outlined", ["nothing", "a line"])
def test_an_outline_of_next_to_nothing_selects_nothing(outlined: str) -> None:
    photo_HW3, _, _ = with_thing(3, side=2000)
    outlined_HW = np.zeros((1500, 1500), np.bool_)
    outlined_HW[700] = outlined == "a line"  # which the smaller copy does not have
    with pytest.raises(NothingSelected, match="nothing in it differs from what is around it; draw the outline"):
        select_thing(photo_HW3, (100, 100, 1500, 1500), "the outline", outlined_HW)


@pytest.mark.parametrize("box", [(0, 0, 2000, 1999), (0, 0, 1999, 2000)])
def test_a_box_with_next_to_nothing_around_it_selects_nothing(box: tuple[int, ...]) -> None:
    """The smaller copy has nothing of the row or column that is left."""
    with pytest.raises(NothingSelected, match="draw the box closer around the thing"):
        select_things(with_thing(3, side=2000)[0], (box,))


def test_two_boxes_select_what_each_does() -> None:
    photo_HW3, _, box = with_thing(0)
    one, other = box, (20, 20, 60, 60)
    cv2.circle(photo_HW3, (50, 50), 20, (10, 90, 220), -1)
    both_HW = select_things(photo_HW3, (one, other))
    np.testing.assert_array_equal(both_HW, select_things(photo_HW3, (one,)) | select_things(photo_HW3, (other,)))


def test_time_follows_the_copy_and_not_the_photo() -> None:
    """A box of 1500 px in 16 megapixels is cut on a copy of at most 384 px: what GrabCut is given says so."""
    photo_HW3 = np.full((4000, 4000, 3), 120, np.uint8)
    cv2.circle(photo_HW3, (2000, 2000), 700, (20, 200, 60), -1)
    given: list[tuple[int, ...]] = []
    plain = cv2.grabCut
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cv2, "grabCut", lambda image, *others: (given.append(image.shape), plain(image, *others))[1])
        selected_HW = select_things(photo_HW3, ((1250, 1250, 1500, 1500),))
    assert max(given[0]) <= 384
    assert selected_HW[(photo_HW3 != 120).any(2)].all()
    assert selected_HW.sum() < 1.06 * np.pi * 700**2


@pytest.mark.parametrize(
    ("box", "error", "message"),
    [
        ((500, 10, 60, 40), ValueError, "leaves the photo, which is 512x512"),
        ((10, 10, 0, 40), ValueError, "is empty"),
        ((0, 0, 512, 512), ValueError, "is the whole photo: draw the box around the thing alone"),
        ((100, 100, 80, 80), NothingSelected, "nothing in it differs from what is around it"),
        ((100, 100, 300, 300), NothingSelected, "nothing in it differs from what is around it"),  # in a smaller copy
    ],
)
def test_boxes_that_select_nothing_are_named(box: tuple[int, ...], error: type, message: str) -> None:
    flat_HW3 = np.full((512, 512, 3), 90, np.uint8)
    with pytest.raises(error, match=message):
        select_things(flat_HW3, (box,))
