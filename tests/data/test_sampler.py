"""Order and crops as a function of (seed, sample number)."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.catalog import Catalog
from data.entries import OWN_FILE, Entry, columns_of
from data.sampler import CropSampler, reduction


def catalog_of(sizes: list[tuple[int, int]], orientation: int = 1) -> Catalog:
    """A catalog of photos that need not exist."""
    entries = [Entry(f"{i}.jpg", OWN_FILE, 0, 1, *size, orientation, 0) for i, size in enumerate(sizes)]
    return Catalog(Path("nowhere"), columns_of(entries), [], [])


def test_every_epoch_shows_every_photo_once_in_an_order_of_its_own() -> None:
    sampler = CropSampler(catalog_of([(300, 300)] * 101), seed=5)
    epochs = sampler.photos(np.arange(3 * 101)).reshape(3, 101)
    assert (np.sort(epochs, axis=1) == np.arange(101)).all()
    assert len({tuple(epoch) for epoch in epochs.tolist()}) == 3
    assert (sampler.photos(np.arange(101)) != CropSampler(sampler.catalog, seed=6).photos(np.arange(101))).any()


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(32, 3000), st.integers(32, 3000)), min_size=1, max_size=30),
    st.integers(0, 2**40),
    st.integers(0, 10**9),
    st.sampled_from([(64, (64, 64)), (256, (256, 384)), (65, (70, 200))]),
    st.sampled_from([1, 6]),
)
def test_crops_lie_inside_at_the_scale_asked_for(
    sizes: list[tuple[int, int]], seed: int, start: int, shape: tuple[int, tuple[int, int]], orientation: int
) -> None:
    crop_size, shorter_edge = shape
    catalog = catalog_of(sizes, orientation)
    crops = CropSampler(catalog, seed, crop_size, shorter_edge).crops(np.arange(start, start + 20))
    for crop in crops:
        width, height = catalog.size(crop.photo)
        assert 0 <= crop.x <= width - crop.side
        assert 0 <= crop.y <= height - crop.side
        grid = reduction(crop.side, crop_size)
        assert crop.x % grid == crop.y % grid == crop.side % grid == 0
        smallest, largest = (crop_size * min(width, height) / edge for edge in shorter_edge[::-1])
        assert smallest - 0.5 - grid <= crop.side <= largest + 0.5


def test_a_crop_depends_on_its_number_alone() -> None:
    sampler = CropSampler(catalog_of([(300 + i, 500 - i) for i in range(50)]), seed=1, flip=True)
    whole = sampler.crops(np.arange(40, 140))
    assert [sampler.crops(np.array([g]))[0] for g in range(40, 140)] == whole
    assert sampler.crops(np.arange(139, 39, -1)) == whole[::-1]


def test_positions_scales_and_flips_are_spread_evenly() -> None:
    sampler = CropSampler(catalog_of([(640, 512)] * 10), seed=3, flip=True)
    crops = sampler.crops(np.arange(4000))
    edges = np.array([256 * 512 / crop.side for crop in crops])
    assert 256 <= edges.min() < 258
    assert 380 < edges.max() <= 386
    assert abs(edges.mean() - 320) < 3
    places = np.array([(crop.x / (640 - crop.side), crop.y / max(1, 512 - crop.side)) for crop in crops])
    assert (abs(places.mean(axis=0) - 0.5) < 0.03).all()
    assert abs(np.mean([crop.flip for crop in crops]) - 0.5) < 0.04
    assert not any(crop.flip for crop in CropSampler(sampler.catalog, seed=3).crops(np.arange(200)))


def test_samples_stay_what_they_are() -> None:
    """A run is resumed with the same samples after any update: these values must not change."""
    crops = CropSampler(catalog_of([(640, 480)] * 1000), seed=0, flip=True).crops(np.array([0, 37_500]))
    assert [tuple(crop) for crop in crops] == [(353, 178, 48, 399, True), (638, 102, 74, 390, True)]


def test_shorter_edge_below_the_crop_is_refused() -> None:
    with pytest.raises(ValueError, match=r"200\.\.384 does not fit crop_size 256"):
        CropSampler(catalog_of([(300, 300)]), 0, 256, (200, 384))
