"""The smoothest surface through given pixels, against a direct solve."""

import cv2
import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import spsolve

from engine.inference.holes.harmonic import harmonic, slopes_of, with_slopes
from engine.inference.holes.mask import widen


def solve_directly(values_HW3, known_HW, wanted_HW):
    """`harmonic` by a sparse direct solver: a wanted pixel is the mean of its known or wanted neighbours."""
    height, width = wanted_HW.shape
    number = np.full((height, width), -1)
    number[wanted_HW] = np.arange(wanted_HW.sum())
    rows, columns, entries, right = [], [], [], np.zeros((wanted_HW.sum(), 3))
    for row, (y, x) in enumerate(np.argwhere(wanted_HW)):
        neighbours = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        neighbours = [n for n in neighbours if 0 <= n[0] < height and 0 <= n[1] < width]
        neighbours = [n for n in neighbours if known_HW[n] or wanted_HW[n]]
        rows.append(row), columns.append(row), entries.append(float(len(neighbours)))
        for n in neighbours:
            if wanted_HW[n]:
                rows.append(row), columns.append(number[n]), entries.append(-1.0)
            else:
                right[row] += values_HW3[n]
    solved_HW3 = values_HW3.astype(float)
    solved_HW3[wanted_HW] = spsolve(csr_matrix((entries, (rows, columns))), right)
    return solved_HW3


def check(wanted_HW):
    """Values are grey levels, without any relation to each other: what is hardest."""
    known_HW = widen(wanted_HW, 1) & ~wanted_HW
    values_HW3 = np.random.default_rng(0).normal(0, 30, (*wanted_HW.shape, 3)).astype(np.float32)
    found_HW3, expected_HW3 = (solve(values_HW3, known_HW, wanted_HW) for solve in (harmonic, solve_directly))
    error_P3 = (found_HW3 - expected_HW3)[wanted_HW]
    assert np.sqrt((error_P3**2).mean()) < 0.16
    assert abs(error_P3).max() < 1
    np.testing.assert_array_equal(found_HW3[known_HW], values_HW3[known_HW])
    assert not found_HW3[~(known_HW | wanted_HW)].any()


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((7, 7), (2, 6, 1, 7)),
        ((12, 9), (1, 11, 0, 9)),
        ((40, 50), (5, 35, 5, 45)),
        ((60, 61), (1, 59, 0, 61)),
        ((90, 33), (10, 90, 3, 30)),
        ((80, 80), (0, 70, 0, 70)),
        ((11, 200), (0, 11, 50, 150)),
    ],
)
def test_boxes(size, box):
    """Also at one, two and three borders of the array, and so small that nothing is halved."""
    wanted_HW = np.zeros(size, bool)
    wanted_HW[box[0] : box[1], box[2] : box[3]] = True
    wanted_HW[size[0] // 2, box[2] : box[2] + 3] = False  # a known notch
    check(wanted_HW)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("coarseness", [2, 7])
def test_holes_of_any_shape(seed, coarseness):
    noise_HW = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(93, 130)), (0, 0), coarseness)
    check(noise_HW > 0.4 * noise_HW.std())


@pytest.mark.parametrize("side", [3, 40])
def test_where_nothing_is_known_there_is_nothing(side):
    wanted_HW = np.zeros((60, 60), bool)
    wanted_HW[10 : 10 + side, 10 : 10 + side] = True
    assert not harmonic(np.ones((60, 60, 3), np.float32), np.zeros_like(wanted_HW), wanted_HW).any()


@pytest.mark.parametrize("seed", range(4))
def test_an_image_is_found_again_from_its_slopes_where_its_shades_are_wrong(seed):
    generator = np.random.default_rng(seed)
    noise_HW = cv2.GaussianBlur(generator.normal(size=(93, 130)), (0, 0), 7)
    wanted_HW = noise_HW > 0.4 * noise_HW.std()
    image_HW3 = generator.integers(0, 256, (93, 130, 3)).astype(np.float32)
    shade_HW3 = cv2.GaussianBlur(generator.normal(0, 900, image_HW3.shape), (0, 0), 6)
    start_HW3 = np.where(wanted_HW[..., None], image_HW3 + shade_HW3, image_HW3).astype(np.float32)
    found_HW3 = with_slopes(start_HW3, slopes_of(image_HW3), ~wanted_HW, wanted_HW)
    np.testing.assert_array_equal(found_HW3[~wanted_HW], image_HW3[~wanted_HW])
    error_P3 = (found_HW3 - image_HW3)[wanted_HW]
    assert np.sqrt((error_P3**2).mean()) < 0.02 * shade_HW3[wanted_HW].std()


def test_slopes_to_what_is_neither_known_nor_wanted_do_not_count():
    image_HW3 = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.float32)
    wanted_HW = np.zeros((40, 50), bool)
    wanted_HW[10:30, 10:30] = True
    known_HW = ~wanted_HW
    known_HW[:, 30:] = False  # another hole beside this one
    other_HW3 = np.where(known_HW[..., None] | wanted_HW[..., None], image_HW3, 1000)
    start_HW3 = np.where(wanted_HW[..., None], image_HW3 + np.float32(50), other_HW3)
    found_HW3 = with_slopes(start_HW3, slopes_of(other_HW3), known_HW, wanted_HW)
    assert np.sqrt(((found_HW3 - image_HW3)[wanted_HW] ** 2).mean()) < 1
