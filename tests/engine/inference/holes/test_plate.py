"""The surface of a thin plate over a hole, against the plainest solution and a sparse direct one."""

import hashlib
import os
import subprocess
import sys
import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import spsolve

from engine.inference.holes.plate import plate

KERNEL = np.array([[0, 0, 1, 0, 0], [0, 2, -8, 2, 0], [1, -8, 20, -8, 1], [0, 2, -8, 2, 0], [0, 0, 1, 0, 0]])
SIZE = (90, 120)


def photo_of(seed: int, dtype: type, size: tuple[int, int] = SIZE) -> NDArray:
    """Pixels without any relation to each other, as is hardest."""
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (*size, 3), dtype, endpoint=True)


def blob(seed: int, size: tuple[int, int], pixels: int) -> NDArray[np.bool_]:
    """A connected hole of so many pixels in the middle, grown at random."""
    generator, hole_HW = np.random.default_rng(seed), np.zeros(size, np.bool_)
    hole_HW[size[0] // 2, size[1] // 2] = True
    while np.count_nonzero(hole_HW) < pixels:
        beside_HW = (cv2.dilate(hole_HW.view(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~hole_HW
        y_P, x_P = np.nonzero(beside_HW)
        n = generator.integers(len(y_P))
        hole_HW[y_P[n], x_P[n]] = True
    return hole_HW


def net(size: tuple[int, int] = SIZE, mesh: int = 20, thick: int = 7) -> NDArray[np.bool_]:
    rows, columns = (np.arange(side) % mesh < thick for side in size)
    return rows[:, None] | columns


def thin_hole(kind: str, seed: int) -> NDArray[np.bool_]:
    """Up to 14 px across, also at the array's border."""
    generator, hole_HW = np.random.default_rng(seed), np.zeros(SIZE, np.uint8)
    if kind == "scratches":
        for _ in range(generator.integers(1, 6)):
            ends = generator.integers(0, SIZE[::-1], (2, 2)).tolist()
            cv2.line(hole_HW, *ends, 1, int(generator.integers(1, 13)))
    elif kind == "specks":
        for middle in generator.integers(0, SIZE[::-1], (generator.integers(1, 20), 2)).tolist():
            cv2.circle(hole_HW, middle, int(generator.integers(1, 7)), 1, -1)
    elif kind == "text":
        cv2.putText(hole_HW, "glcic", (3, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 1, int(generator.integers(1, 9)))
    elif kind == "net":
        return net(mesh=int(generator.integers(16, 40)), thick=int(generator.integers(2, 10)))
    elif kind == "all but pins":
        hole_HW[:] = 1
        step = int(generator.integers(3, 11))
        hole_HW[::step, ::step] = 0
    return hole_HW > 0


def solve_directly(photo_HW3: NDArray, hole_HW: NDArray[np.bool_]) -> NDArray:
    """`plate` by a sparse direct solver, one pixel's equation after the other."""
    around_HW3 = cv2.copyMakeBorder(photo_HW3, 2, 2, 2, 2, cv2.BORDER_REFLECT_101).astype(np.float64)
    number_HW = np.full(around_HW3.shape[:2], -1)
    number_HW[2:-2, 2:-2][hole_HW] = np.arange(np.count_nonzero(hole_HW))
    rows, columns, entries, known_P3 = [], [], [], np.zeros((np.count_nonzero(hole_HW), 3))
    for row, (y, x) in enumerate(np.argwhere(number_HW >= 0)):
        for down, right in np.argwhere(KERNEL) - 2:
            weight, there = float(KERNEL[down + 2, right + 2]), (y + down, x + right)
            if number_HW[there] < 0:
                known_P3[row] -= weight * around_HW3[there]
            else:
                rows.append(row), columns.append(number_HW[there]), entries.append(weight)
    return spsolve(csc_matrix((entries, (rows, columns))), known_P3)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), pixels=st.integers(1, 60), dtype=st.sampled_from([np.uint8, np.uint16]))
def test_a_plate_has_the_least_squared_laplacians(seed: int, pixels: int, dtype: type) -> None:
    photo_HW3, hole_HW = photo_of(seed, dtype, (32, 30)), blob(seed, (32, 30), pixels)
    # The plainest way: one row for each pixel's Laplacian, all unknowns in one least-squares problem.
    rows_PP = np.zeros((32 * 30, 32 * 30))
    for y in range(1, 31):
        for x in range(1, 29):
            here = y * 30 + x
            rows_PP[here, [here - 1, here + 1, here - 30, here + 30, here]] = 1, 1, 1, 1, -4
    inside_P, colours_P3 = hole_HW.ravel(), photo_HW3.reshape(-1, 3).astype(np.float64)
    wanted_P3, *_ = np.linalg.lstsq(rows_PP[:, inside_P], -rows_PP[:, ~inside_P] @ colours_P3[~inside_P], rcond=None)
    np.testing.assert_allclose(plate(photo_HW3, hole_HW), wanted_P3, rtol=1e-6, atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(
    kind=st.sampled_from(["scratches", "specks", "text", "net", "all but pins"]),
    seed=st.integers(0, 10**6),
    dtype=st.sampled_from([np.uint8, np.uint16]),
)
def test_holes_of_any_shape(kind: str, seed: int, dtype: type) -> None:
    """Those that are cut many times, in unconnected parts too, and those that are eliminated whole."""
    photo_HW3, hole_HW = photo_of(seed, dtype), thin_hole(kind, seed)
    error_P3 = plate(photo_HW3, hole_HW) - solve_directly(photo_HW3, hole_HW)
    assert abs(error_P3).max() < 1e-8 * np.iinfo(dtype).max


@pytest.mark.parametrize("pixels", [1, 96, 97, 200, 201])
def test_sizes_at_which_holes_are_divided(pixels: int) -> None:
    photo_HW3, hole_HW = photo_of(pixels, np.uint8), blob(pixels, SIZE, pixels)
    np.testing.assert_allclose(plate(photo_HW3, hole_HW), solve_directly(photo_HW3, hole_HW), atol=1e-6)


def test_the_bits_do_not_depend_on_threads() -> None:
    """Of a hole whose equations are many enough for strips of hundreds of pixels."""
    assert len(with_threads("test_plate", "plate_in_bits")) == 1


def with_threads(module: str, function: str) -> set[str]:
    """All that a function of a module of these tests prints in processes of one and of four threads."""
    code = f"from tests.engine.inference.holes.{module} import {function}; print({function}())"
    return {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "4")
    }


def plate_in_bits() -> str:
    """A digest of what fills a hole that is nearly all of a photo of 200x200."""
    hole_HW = np.ones((200, 200), np.bool_)
    hole_HW[::10, ::10] = False
    return hashlib.sha256(plate(photo_of(0, np.uint8, (200, 200)), hole_HW).tobytes()).hexdigest()


@pytest.mark.parametrize("hole_HW", [net((300, 300), 20, 12), net((300, 300), 40, 3)])
def test_memory_follows_the_hole(hole_HW: NDArray[np.bool_]) -> None:
    photo_HW3 = photo_of(0, np.uint8, hole_HW.shape)
    tracemalloc.start()
    plate(photo_HW3, hole_HW)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2600 * np.count_nonzero(hole_HW)
