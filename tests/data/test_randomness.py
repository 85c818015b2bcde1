"""Numbers that are functions of a key and a sample number."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.randomness import integers, key_of, permute, random_bits


@given(st.integers(1, 3000), st.integers(0, 2**64 - 1))
def test_permute_is_a_permutation(count: int, key: int) -> None:
    np.testing.assert_array_equal(np.sort(permute(np.arange(count), count, key)), np.arange(count))


def test_permute_is_one_for_every_index_on_its_own() -> None:
    whole = permute(np.arange(1000), 1000, 7)
    assert [int(permute(np.array([i]), 1000, 7)[0]) for i in range(0, 1000, 97)] == whole[::97].tolist()


def test_permute_mixes() -> None:
    """Where neighbours go is unrelated: as far from each other as two random places are, and other for other keys."""
    count = 100_003
    first, second = permute(np.arange(count), count, 1), permute(np.arange(count), count, 2)
    assert abs(np.abs(np.diff(first)).mean() / count - 1 / 3) < 0.01
    assert abs(np.corrcoef(first, np.arange(count))[0, 1]) < 0.01
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.01


def test_numbers_stay_what_they_are() -> None:
    """A checkpoint is continued with the same samples after any update: these values must not change."""
    assert key_of(1, 2, 3) == 3592312200069816221
    assert random_bits(5, [0, 1], 2).tolist() == [
        [7687626429108956431, 9893497053500765580],
        [18074882946671919669, 1952936728445087881],
    ]
    assert permute(np.arange(10), 10, 3).tolist() == [3, 9, 1, 7, 8, 4, 2, 5, 6, 0]


@given(st.integers(-100, 100), st.integers(0, 50), st.integers(0, 2**32))
def test_integers_keep_their_bounds(low: int, extent: int, key: int) -> None:
    drawn = integers(random_bits(key, np.arange(300), 1), low, low + extent)
    assert drawn.min() >= low
    assert drawn.max() <= low + extent


def test_integers_are_uniform_and_independent() -> None:
    drawn = integers(random_bits(0, np.arange(60_000), 2), 0, 5)
    counts = np.bincount(drawn[:, 0], minlength=6)
    assert (abs(counts - 10_000) < 500).all()  # five standard deviations
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.02
    assert abs(np.corrcoef(drawn[:-1, 0], drawn[1:, 0])[0, 1]) < 0.02
