"""Specks, many at once, against the plate that fills each alone."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.inference.holes.mask import Mask, components, relative, with_context
from engine.inference.holes.plate import BLOCK, REACH, plate
from engine.inference.holes.specks import MOST, Specks, matrices, solve
from tests.engine.inference.holes.test_plate import blob, photo_of, solve_directly, thin_hole, with_threads


def fill_each(photo_HW3: NDArray, hole_HW: Mask, wanted_HW: Mask) -> Mask:
    """`Specks.fill` by one plate after the other; the mask of what is filled."""
    filled_HW, white = np.zeros_like(hole_HW), np.iinfo(photo_HW3.dtype).max
    for where, part_HW in components(hole_HW):
        if np.count_nonzero(part_HW) > MOST or not (part_HW & wanted_HW[where]).any():
            continue
        crop = with_context(where, hole_HW.shape, REACH)
        here_HW = np.zeros_like(hole_HW[crop])
        here_HW[relative(where, crop)] = part_HW
        photo_HW3[crop][here_HW] = np.rint(plate(photo_HW3[crop], here_HW)).clip(0, white)
        filled_HW[crop] |= here_HW
    return filled_HW


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(["scratches", "specks", "text", "dust"]),
    seed=st.integers(0, 10**6),
    dtype=st.sampled_from([np.uint8, np.uint16]),
)
def test_pixels_are_those_of_each_alone(kind: str, seed: int, dtype: type) -> None:
    """At the photo's borders, in cells that it ends in, and those of holes with unconnected parts, too."""
    generator = np.random.default_rng(seed)
    photo_HW3, hole_HW = photo_of(seed, dtype, (93, 123)), np.zeros((93, 123), np.bool_)
    hole_HW[3:, 3:] = generator.random((90, 120)) > 0.995 if kind == "dust" else thin_hole(kind, seed)
    hole_HW[40, 60] = True
    wanted_HW = hole_HW & (generator.random(hole_HW.shape) > generator.choice([0, 0.9]))
    photo_HW3[hole_HW] = 0  # beyond the photo a plate would see what its holes had held
    expected_HW3 = photo_HW3.copy()
    expected_HW = fill_each(expected_HW3, hole_HW, wanted_HW)
    specks = Specks.of(hole_HW).that_have(wanted_HW)
    specks.fill(photo_HW3)
    np.testing.assert_array_equal(photo_HW3, expected_HW3)
    filled_HW = np.zeros_like(hole_HW)
    filled_HW[specks.y_P, specks.x_P] = True
    np.testing.assert_array_equal(filled_HW, expected_HW)
    for k, pixels in enumerate(specks.pixels_K):
        where, part_HW = specks.one(k)
        assert np.count_nonzero(part_HW) == pixels
        assert (filled_HW[where] | ~part_HW).all()
        filled_HW[where] &= ~part_HW
    assert not filled_HW.any()


@pytest.mark.parametrize("pixels", [MOST, MOST + 1])
def test_larger_holes_are_none(pixels: int) -> None:
    hole_HW = np.zeros((40, 240), np.bool_)
    hole_HW[20, 20 : 20 + pixels] = True
    assert Specks.of(hole_HW).pixels_K.tolist() == [pixels] * (pixels <= MOST)


@pytest.mark.parametrize("pixels", [1, BLOCK, BLOCK + 1, MOST - 1, MOST])
def test_sizes_at_which_holes_are_divided(pixels: int) -> None:
    """Several of a size, of unlike shapes, against a sparse direct solution of each."""
    photo_HW3, hole_HW = photo_of(pixels, np.uint16, (60, 180)), np.zeros((60, 180), np.bool_)
    for left in (0, 60, 120):
        hole_HW[:, left : left + 60] = blob(pixels + left, (60, 60), pixels)
    photo_HW3[hole_HW] = 0
    expected_P3 = solve_directly(photo_HW3, hole_HW)
    specks = Specks.of(hole_HW)
    assert specks.pixels_K.tolist() == [pixels] * 3
    specks.fill(photo_HW3)
    assert np.abs(photo_HW3[hole_HW] - expected_P3.clip(0, 65535)).max() < 0.5 + 1e-6


def test_the_bits_do_not_depend_on_threads() -> None:
    assert len(with_threads("test_specks", "filled_in_bits")) == 1


def filled_in_bits() -> str:
    """A digest of the solutions, before they are rounded, of as many equations as there are at most."""
    y_Kp, x_Kp = (np.stack([one] * 30) for one in np.divmod(np.arange(MOST), 12))
    known_Kp3 = np.random.default_rng(0).standard_normal((30, MOST, 3))
    return hashlib.sha256(solve(matrices(y_Kp, x_Kp), known_Kp3).tobytes()).hexdigest()
