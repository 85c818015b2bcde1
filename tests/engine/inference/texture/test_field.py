"""Nearest-neighbour fields against the plainest exhaustive search."""

import numpy as np
import torch

from engine.inference.texture.field import FAVOUR, NEARER, Field


def some_field(height=12, width=15, seed=0):
    generator = np.random.default_rng(seed)
    source_P = torch.from_numpy(generator.random(height * width) < 0.6)
    target_N = torch.nonzero(~source_P)[:, 0]
    sources_PK = torch.from_numpy(generator.integers(-200, 200, (height * width, 35)).astype(np.float32))
    targets_NK = torch.from_numpy(generator.integers(-200, 200, (len(target_N), 35)).astype(np.float32))
    first = int(torch.nonzero(source_P)[0, 0])
    field = Field(height, width, source_P, target_N, torch.full_like(target_N, first), target_N.float())
    return field, sources_PK, targets_NK


def squared(sources_PK, targets_NK):
    return (sources_PK.long()[None] - targets_NK.long()[:, None]).square().sum(2)


def test_the_best_is_that_of_an_exhaustive_search():
    field, sources_PK, targets_NK = some_field()
    field.find_best(sources_PK, targets_NK)
    distance_NP = squared(sources_PK, targets_NK)
    distance_NP[:, ~field.source_P] = 2**40
    assert torch.equal(field.best_N, distance_NP.argmin(1))
    assert torch.equal(field.distance_N.long(), distance_NP.amin(1))


def test_of_equally_near_sources_the_first_is_taken():
    field, sources_PK, targets_NK = some_field()
    field.find_best(torch.ones_like(sources_PK), targets_NK)
    assert bool((field.best_N == torch.nonzero(field.source_P)[0, 0]).all())


def test_tries_take_sources_alone_and_never_lose_more_than_they_may():
    field, sources_PK, targets_NK = some_field()
    field.measure(sources_PK, targets_NK)
    generator = np.random.default_rng(3)
    for radius in (9, 4, 1):
        before_N = field.distance_N.clone()
        field.try_near(sources_PK, targets_NK, radius, generator)
        assert bool(((field.distance_N < NEARER * before_N) | (field.distance_N == before_N)).all())
        before_N = field.distance_N.clone()
        field.try_neighbours(sources_PK, targets_NK)
        assert bool((field.distance_N <= FAVOUR**4 * before_N).all())
        assert bool(field.source_P[field.best_N].all())
        found_N = squared(sources_PK, targets_NK)[torch.arange(len(field.best_N)), field.best_N]
        assert torch.equal(field.distance_N.long(), found_N)


def test_a_neighbours_offset_is_taken():
    source_P = torch.tensor([True] * 12 + [False] * 12)
    best_N, distance_N = torch.tensor([3, 10]), torch.tensor([0.0, 49.0])
    field = Field(4, 6, source_P, torch.tensor([18, 19]), best_N, distance_N)
    sources_PK, targets_NK = torch.zeros(24, 35), torch.zeros(2, 35)
    sources_PK[10, 0] = 7
    field.try_neighbours(sources_PK, targets_NK)
    assert field.best_N.tolist() == [3, 4], "one to the right of what its left neighbour has"


def test_the_end_of_a_row_is_no_neighbour_of_the_next_ones_beginning():
    source_P = torch.tensor([True] * 18 + [False] * 6)
    best_N, distance_N = torch.tensor([3, 10]), torch.tensor([0.0, 49.0])
    field = Field(4, 6, source_P, torch.tensor([17, 18]), best_N, distance_N)
    sources_PK, targets_NK = torch.zeros(24, 35), torch.zeros(2, 35)
    sources_PK[10, 0] = 7
    field.try_neighbours(sources_PK, targets_NK)
    assert field.best_N.tolist() == [3, 10]


def test_a_place_nearby_is_taken_where_it_is_much_nearer_alone():
    source_P = torch.tensor([True] * 9 + [False])
    for distance, expected in ((NEARER * 50 - 1, 1), (NEARER * 50 + 1, 0)):
        sources_PK, targets_NK = torch.zeros(10, 2), torch.zeros(1, 2)
        sources_PK[:, 0] = float(np.sqrt(distance))
        field = Field(1, 10, source_P, torch.tensor([9]), torch.tensor([4]), torch.tensor([50.0]))
        field.try_candidates(sources_PK, targets_NK, torch.tensor([5]), torch.tensor([True]), NEARER)
        assert int(field.best_N[0] == 5) == expected


def test_a_finer_field_has_the_same_offsets_doubled():
    coarse, _, _ = some_field(6, 7)
    coarse.best_N = torch.nonzero(coarse.source_P)[:, 0][
        torch.arange(len(coarse.target_N)) % int(coarse.source_P.sum())
    ]
    target_N = torch.tensor([2 * (int(t) // 7) * 14 + 2 * (int(t) % 7) + 1 for t in coarse.target_N])
    fine = coarse.finer(12, 14, torch.ones(12 * 14, dtype=torch.bool), target_N)
    for coarse_target, coarse_best, fine_target, fine_best in zip(
        coarse.target_N, coarse.best_N, target_N, fine.best_N, strict=True
    ):
        down, right = int(coarse_best) // 7 - int(coarse_target) // 7, int(coarse_best) % 7 - int(coarse_target) % 7
        assert int(fine_best) - int(fine_target) == 2 * down * 14 + 2 * right
