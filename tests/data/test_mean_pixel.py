"""The mean colour of photographs."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.catalog import Catalog
from data.mean_pixel import mean_pixel
from tests.data.made_photos import encoded, scene


def test_all_photos_against_the_plain_mean(photo_folder: Path) -> None:
    catalog = Catalog.open(photo_folder)
    photos = [np.asarray(Image.open(photo_folder / catalog.name(i)).convert("RGB")) for i in range(len(catalog))]
    expected = np.mean([photo.mean(axis=(0, 1)) for photo in photos], axis=0) / 255
    mean, error = mean_pixel(catalog)
    np.testing.assert_allclose(mean, expected, atol=1 / 255)
    assert error is None


def test_a_sample_tells_how_far_off_it_is(photo_folder: Path) -> None:
    catalog = Catalog.open(photo_folder)
    exact, _ = mean_pixel(catalog)
    done: list[int] = []
    mean, error = mean_pixel(catalog, sample=12, seed=1, progress=done.append)
    assert sum(done) == 12
    assert error is not None
    assert (abs(mean - exact) < 4 * error).all()
    assert (error > 0).all()
    assert not np.array_equal(mean, mean_pixel(catalog, sample=12, seed=2)[0])


def test_channels_are_red_green_blue(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), (250, 100, 0)).save(tmp_path / "orange.png")
    np.testing.assert_allclose(mean_pixel(Catalog.open(tmp_path))[0], [250 / 255, 100 / 255, 0])


def test_damaged_photos_are_passed_over_and_none_is_an_error(tmp_path: Path) -> None:
    data = encoded(scene(0, 100, 80))
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="none of the 1 photos"):
        mean_pixel(Catalog.open(tmp_path))
    Image.new("RGB", (64, 64), (51, 51, 51)).save(tmp_path / "grey.png")
    np.testing.assert_allclose(mean_pixel(Catalog.open(tmp_path))[0], [0.2] * 3)


def test_photos_are_not_queued_by_the_million(photo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A future is 2 KB: at most a few are waiting for the photo that is being decoded."""
    catalog = Catalog.open(photo_folder)
    ahead: list[int] = []
    submitted = 0

    class Pool(ThreadPoolExecutor):
        def submit(self, *job: Callable) -> Future:
            nonlocal submitted
            submitted += 1
            return super().submit(*job)

    monkeypatch.setattr("data.mean_pixel.ThreadPoolExecutor", Pool)
    mean_pixel(catalog, threads=2, progress=lambda count: ahead.append(submitted - len(ahead)))
    assert submitted == len(catalog)
    assert max(ahead) < 20


@pytest.mark.parametrize("sample", [0, -3])
def test_a_sample_of_nothing_is_refused(photo_folder: Path, sample: int) -> None:
    with pytest.raises(ValueError, match=f"sample {sample}: measure at least 1"):
        mean_pixel(Catalog.open(photo_folder), sample=sample)
