"""Nearest-neighbour fields against the plainest exhaustive search."""

import numpy as np

from engine.inference.texture.field import FAVOUR, NEARER, Field


def some_field(height=12, width=15, seed=0):
    generator = np.random.default_rng(seed)
    source_P = generator.random(height * width) < 0.6
    target_N = np.flatnonzero(~source_P)
    sources_PK = generator.integers(-200, 200, (height * width, 35)).astype(np.float32)
    targets_NK = generator.integers(-200, 200, (len(target_N), 35)).astype(np.float32)
    first = int(np.flatnonzero(source_P)[0])
    field = Field(height, width, source_P, target_N, np.full_like(target_N, first), target_N.astype(np.float32))
    return field, sources_PK, targets_NK


def squared(sources_PK, targets_NK):
    return np.square(sources_PK.astype(int)[None] - targets_NK.astype(int)[:, None]).sum(2)


def test_the_best_is_that_of_an_exhaustive_search():
    field, sources_PK, targets_NK = some_field()
    field.find_best(sources_PK, targets_NK)
    distance_NP = squared(sources_PK, targets_NK)
    distance_NP[:, ~field.source_P] = 2**40
    assert np.array_equal(field.best_N, distance_NP.argmin(1))
    assert np.array_equal(field.distance_N, distance_NP.min(1))


def test_of_equally_near_sources_the_first_is_taken():
    field, sources_PK, targets_NK = some_field()
    field.find_best(np.ones_like(sources_PK), targets_NK)
    assert (field.best_N == np.flatnonzero(field.source_P)[0]).all()


def test_tries_take_sources_alone_and_never_lose_more_than_they_may():
    field, sources_PK, targets_NK = some_field()
    field.measure(sources_PK, targets_NK)
    generator = np.random.default_rng(3)
    for radius in (9, 4, 1):
        before_N = field.distance_N.copy()
        field.try_near(sources_PK, targets_NK, radius, generator)
        assert ((field.distance_N < NEARER * before_N) | (field.distance_N == before_N)).all()
        before_N = field.distance_N.copy()
        field.try_neighbours(sources_PK, targets_NK)
        assert (field.distance_N <= FAVOUR**4 * before_N).all()
        assert field.source_P[field.best_N].all()
        found_N = squared(sources_PK, targets_NK)[np.arange(len(field.best_N)), field.best_N]
        assert np.array_equal(field.distance_N, found_N)


def test_a_neighbours_offset_is_taken():
    source_P = np.array([True] * 12 + [False] * 12)
    best_N, distance_N = np.array([3, 10]), np.array([0, 49], np.float32)
    field = Field(4, 6, source_P, np.array([18, 19]), best_N, distance_N)
    sources_PK, targets_NK = np.zeros((24, 35), np.float32), np.zeros((2, 35), np.float32)
    sources_PK[10, 0] = 7
    field.try_neighbours(sources_PK, targets_NK)
    assert field.best_N.tolist() == [3, 4], "one to the right of what its left neighbour has"


def test_the_end_of_a_row_is_no_neighbour_of_the_next_ones_beginning():
    source_P = np.array([True] * 18 + [False] * 6)
    best_N, distance_N = np.array([3, 10]), np.array([0, 49], np.float32)
    field = Field(4, 6, source_P, np.array([17, 18]), best_N, distance_N)
    sources_PK, targets_NK = np.zeros((24, 35), np.float32), np.zeros((2, 35), np.float32)
    sources_PK[10, 0] = 7
    field.try_neighbours(sources_PK, targets_NK)
    assert field.best_N.tolist() == [3, 10]


def test_a_place_nearby_is_taken_where_it_is_much_nearer_alone():
    source_P = np.array([True] * 9 + [False])
    for distance, expected in ((NEARER * 50 - 1, 1), (NEARER * 50 + 1, 0)):
        sources_PK, targets_NK = np.zeros((10, 2), np.float32), np.zeros((1, 2), np.float32)
        sources_PK[:, 0] = float(np.sqrt(distance))
        field = Field(1, 10, source_P, np.array([9]), np.array([4]), np.array([50], np.float32))
        field.try_candidates(sources_PK, targets_NK, np.array([5]), np.array([True]), NEARER)
        assert int(field.best_N[0] == 5) == expected


def test_a_finer_field_has_the_same_offsets_doubled():
    coarse, _, _ = some_field(6, 7)
    coarse.best_N = np.flatnonzero(coarse.source_P)[np.arange(len(coarse.target_N)) % coarse.source_P.sum()]
    target_N = np.array([2 * (int(t) // 7) * 14 + 2 * (int(t) % 7) + 1 for t in coarse.target_N])
    fine = coarse.finer(12, 14, np.ones(12 * 14, bool), target_N)
    for coarse_target, coarse_best, fine_target, fine_best in zip(
        coarse.target_N, coarse.best_N, target_N, fine.best_N, strict=True
    ):
        down, right = int(coarse_best) // 7 - int(coarse_target) // 7, int(coarse_best) % 7 - int(coarse_target) % 7
        assert int(fine_best) - int(fine_target) == 2 * down * 14 + 2 * right
