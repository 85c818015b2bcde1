"""The patch operations' plain versions: equal to loops over whole numbers, bit for bit; and bad arguments.

Of tensors, and of NumPy arrays, which give the same bits.
"""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.nearer_patches import nearer_patches
from kernels.vote_patches import PLACES, vote_patches, vote_patches_reference
from tests.kernels.plain_patches import nearer_by_loops, row_at, vote_by_loops


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernels.launch._backend", "reference")
    torch.manual_seed(0)


def nearer(*search: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """`nearer_patches` of tensors, which that of the same arrays equals."""
    of_tensors, of_arrays = nearer_patches(*search), nearer_patches(*as_arrays(search))
    for tensor, array in zip(of_tensors, of_arrays, strict=True):
        assert array.dtype == tensor.numpy().dtype
        assert np.array_equal(array, tensor.numpy())
    return of_tensors


def voted_by(*vote: Any) -> torch.Tensor:
    """`vote_patches` of tensors, which that of the same arrays equals."""
    of_tensors, of_arrays = vote_patches(*vote), vote_patches(*as_arrays(vote))
    assert of_arrays.dtype == of_tensors.numpy().dtype
    assert np.array_equal(of_arrays, of_tensors.numpy())
    return of_tensors


def as_arrays(arguments: Any) -> list[Any]:
    """The arguments with NumPy arrays for tensors."""
    return [each.numpy() if isinstance(each, torch.Tensor) else each for each in arguments]


@given(
    targets=st.integers(0, 40), numbers=st.integers(1, 64), sources=st.integers(1, 5),
    largest=st.sampled_from([1, 255]), favour=st.sampled_from([0.0, 0.5, 1.0, 1.15, 3.0]), seed=st.integers(0, 999),
)  # fmt: skip
@settings(deadline=None, max_examples=100)
def test_nearer_is_the_loops(targets: int, numbers: int, sources: int, largest: int, favour: float, seed: int) -> None:
    """Few sources and small values: ties, candidates that are the best already, and distances of 0 are common."""
    generator = np.random.default_rng(seed)
    sources_MK, targets_NK = (
        torch.from_numpy(generator.integers(-largest, largest + 1, (count, numbers))).float()
        for count in (sources, targets)
    )
    candidates_N = torch.from_numpy(generator.integers(-2, sources, targets))
    best_N = torch.from_numpy(generator.integers(0, sources, targets))
    distance_N = (sources_MK[best_N] - targets_NK).square().sum(1)
    before = best_N.clone(), distance_N.clone()
    best, distance = nearer(sources_MK, targets_NK, candidates_N, best_N, distance_N, favour)
    wanted = nearer_by_loops(sources_MK, targets_NK, candidates_N, best_N, distance_N, favour)
    assert (best.tolist(), distance.tolist()) == wanted
    assert torch.equal(best_N, before[0])
    assert torch.equal(distance_N, before[1])


@given(below=st.integers(1, 5000), numbers=st.integers(12, 64), seed=st.integers(0, 999))
@settings(deadline=None, max_examples=60)
def test_distances_just_below_2_to_24_are_exact(below: int, numbers: int, seed: int) -> None:
    """In any order of the numbers; and a candidate that is as far as the best does not win."""
    far = 2**24 - below
    order = torch.from_numpy(np.random.default_rng(seed).permutation(numbers))
    sources_MK, targets_NK = torch.tensor([row_at(far, numbers)])[:, order], torch.zeros(3, numbers)
    candidates_N, best_N = torch.zeros(3, dtype=torch.int64), torch.full((3,), 5)
    distance_N = torch.tensor([far - 1.0, far, far + 1.0])
    best, distance = nearer(sources_MK, targets_NK, candidates_N, best_N, distance_N, 1.0)
    assert best.tolist() == [5, 5, 0]
    assert distance.tolist() == [far - 1, far, far]


@given(numbers=st.integers(1, 64), largest=st.sampled_from([1000, 5000, 100_000]), seed=st.integers(0, 999))
@settings(deadline=None, max_examples=60)
def test_farther_than_2_to_24_is_2_to_24_in_any_order(numbers: int, largest: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.integers(-largest, largest + 1, (20, numbers))
    sources_MK = torch.from_numpy(rows[:, generator.permutation(numbers)]).float()
    candidates_N, best_N = torch.arange(20), torch.full((20,), 99)
    distance_N = torch.from_numpy(generator.choice([2.0**23, 2.0**24, 2.0**25], 20)).float()
    search = (sources_MK, torch.zeros(20, numbers), candidates_N, best_N, distance_N, 1.0)
    best, distance = nearer(*search)
    assert (best.tolist(), distance.tolist()) == nearer_by_loops(*search)


def test_favour_times_distance_is_rounded_to_fp32() -> None:
    """What is exactly as far as the rounded product does not win, though the product itself may be more."""
    distance_N = torch.arange(8_000_000, 8_000_040).float()
    product_N = (np.float32(1.15) * distance_N.numpy()).astype(int)
    sources_MK = torch.tensor([row_at(int(far), 8) for far in product_N])
    rows_N, best_N = torch.arange(40), torch.full((40,), 99)
    best, _ = nearer(sources_MK, torch.zeros(40, 8), rows_N, best_N, distance_N, 1.15)
    assert best.eq(99).all()
    assert (np.float64(np.float32(1.15)) * distance_N.double().numpy() > product_N).any()


def a_vote(
    generator: np.random.Generator, size: tuple[int, int], stride: int, channels: int, dtype: torch.dtype, largest: int
) -> tuple[torch.Tensor, int, torch.Tensor, torch.Tensor]:
    """Colours, columns, patches and weights, many of them 0, for an image of 9 rows."""
    colours = generator.integers(0, largest + 1, (9 * stride, channels))
    patches = generator.integers(3, 6, size) * stride + generator.integers(3, stride - 3, size)
    weights = generator.integers(0, 1024, size) * generator.integers(0, 2, size)
    weights *= generator.random() < 0.9  # or no patch at all
    return (
        torch.from_numpy(colours).to(dtype), stride, torch.from_numpy(patches), torch.from_numpy(weights).to(dtype),
    )  # fmt: skip


@given(
    height=st.integers(7, 12), width=st.integers(7, 12), stride=st.integers(7, 11), channels=st.integers(1, 5),
    dtype=st.sampled_from([torch.float32, torch.float64]), seed=st.integers(0, 999),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_vote_is_the_loops(height: int, width: int, stride: int, channels: int, dtype: torch.dtype, seed: int) -> None:
    largest = 255 if dtype == torch.float32 else 65535
    vote = a_vote(np.random.default_rng(seed), (height, width), stride, channels, dtype, largest)
    voted = voted_by(*vote)
    assert voted.dtype == dtype
    assert np.array_equal(voted.numpy(), vote_by_loops(*vote))


def test_vote_of_a_single_patch_is_every_second_of_its_pixels() -> None:
    image = torch.arange(9 * 11).float()[:, None]
    patches, weights = torch.full((13, 13), 4 * 11 + 5), torch.zeros(13, 13)
    weights[6, 6] = 5
    voted = voted_by(image, 11, patches, weights)
    asked = torch.arange(49).view(7, 7) % 2 == 0
    assert torch.equal(voted[..., 0], image.view(9, 11)[1:8, 2:9] * asked)


@pytest.mark.parametrize(("dtype", "largest"), [(torch.float32, 255), (torch.float64, 65535)])
def test_votes_of_the_largest_weights_and_colours_are_exact(dtype: torch.dtype, largest: int) -> None:
    image = torch.randint(largest - 1, largest + 1, (9 * 11, 3)).to(dtype)
    patches = torch.randint(3, 6, (10, 12)) * 11 + torch.randint(3, 8, (10, 12))
    for lowest in (1023, 1020):
        weights = torch.randint(lowest, 1024, patches.shape).to(dtype)
        vote = (image, 11, patches, weights)
        assert np.array_equal(voted_by(*vote).numpy(), vote_by_loops(*vote))
    image.fill_(largest)
    assert voted_by(image, 11, patches, torch.full_like(weights, 1023)).eq(largest).all()


def test_vote_of_more_places_than_are_summed_up_at_once() -> None:
    """The runs of places meet without a seam: as its left and right halves by themselves."""
    generator = np.random.default_rng(0)
    image, stride, patches, weights = a_vote(generator, (90, 151), 20, 3, torch.float32, 255)
    assert patches.numel() > 2 * PLACES
    whole = vote_patches_reference(image, stride, patches, weights)
    halves = [
        vote_patches_reference(image, stride, patches[:, part], weights[:, part])
        for part in (slice(0, 76), slice(70, 151))
    ]
    assert torch.equal(whole, torch.cat(halves, 1))


GOOD: dict[str, Any] = {
    "sources": torch.zeros(3, 4),
    "targets": torch.zeros(2, 4),
    "candidates": torch.zeros(2, dtype=torch.int64),
    "best": torch.zeros(2, dtype=torch.int64),
    "distance": torch.zeros(2),
    "image": torch.zeros(72, 3),
    "stride": 8,
    "patches": torch.full((7, 8), 36),
    "weights": torch.ones(7, 8),
}


@pytest.mark.parametrize(("name", "value", "message"), [
    ("sources", torch.zeros(3, 5), "sources have descriptors of 5 numbers, targets of 4"),
    ("sources", torch.zeros(3, 4).double(), "sources is torch.float64"),
    ("targets", torch.zeros(4), r"targets is torch.float32 of shape \(4,\)"),
    ("targets", torch.zeros(2, 4, device="meta"), "targets is on meta, sources on cpu"),
    ("candidates", torch.zeros(2).int(), "candidates is torch.int32"),
    ("best", torch.zeros(3).long(), r"best is torch.int64 of shape \(3,\); it must be int64 of shape \(2,\)"),
    ("distance", torch.zeros(2, device="meta"), "distance is on meta"),
    ("image", torch.zeros(72, 3).half(), "image is torch.float16"),
    ("image", torch.zeros(9, 8, 3), r"image is torch.float32 of shape \(9, 8, 3\)"),
    ("stride", 7, "stride is 7 for an image of 72 pixels"),
    ("stride", 6, "stride is 6"),
    ("stride", 12, "stride is 12"),
    ("patches", torch.full((6, 8), 36), r"patches is torch.int64 of shape \(6, 8\); it must be int64, at least 7 a"),
    ("patches", torch.full((7, 8), 36).int(), "patches is torch.int32"),
    ("weights", torch.ones(7, 9), "weights has shape .* patches"),
    ("weights", torch.ones(7, 8).double(), "weights is torch.float64; it must be torch.float32"),
    ("patches", torch.full((7, 8), 36, device="meta"), "weights is on cpu, patches on meta"),
])  # fmt: skip
def test_bad_arguments_are_named(name: str, value: Any, message: str) -> None:
    def call(a: dict[str, Any]) -> None:
        nearer_patches(a["sources"], a["targets"], a["candidates"], a["best"], a["distance"], 1.0)
        vote_patches(a["image"], a["stride"], a["patches"], a["weights"])

    call(GOOD)
    with pytest.raises(ValueError, match=message):
        call(GOOD | {name: value})


@pytest.mark.parametrize(("name", "value", "message"), [
    ("sources", np.zeros((3, 5), np.float32), "sources have descriptors of 5 numbers, targets of 4"),
    ("best", np.zeros(2, np.int32), r"best is int32 of shape \(2,\); it must be int64 of shape \(2,\)"),
    ("distance", np.zeros(2), "distance is float64"),
    ("image", np.zeros((72, 3), np.float16), "image is float16"),
    ("patches", np.full((6, 8), 36), r"patches is int64 of shape \(6, 8\)"),
    ("weights", np.ones((7, 8)), "weights is float64; it must be float32"),
])  # fmt: skip
def test_bad_arrays_are_named(name: str, value: Any, message: str) -> None:
    def call(a: dict[str, Any]) -> None:
        nearer_patches(a["sources"], a["targets"], a["candidates"], a["best"], a["distance"], 1.0)
        vote_patches(a["image"], a["stride"], a["patches"], a["weights"])

    good = dict(zip(GOOD, as_arrays(GOOD.values()), strict=True))
    call(good)
    with pytest.raises(ValueError, match=message):
        call(good | {name: value})
    with pytest.raises(TypeError, match="Multiple namespaces"):
        call(good | {name: GOOD[name]})
