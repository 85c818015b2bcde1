"""How time and memory grow: with the photo, the hole, the holes' number, the batch, the catalog.

    python -m bench bench/test_scaling.py          # writes bench/plots/*.svg too

Untrained networks of base width 8, fp32, on the CPU. Each point is the median of a few calls; memory is the process's
peak beyond what it held before.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.counting import peak_resident
from bench.rows import OURS, write_row
from bench.setups import detailed_photo, index_of_no_photos, small_training_step, square_holes, untrained_completer
from bench.timing import in_turns
from data.catalog import Catalog
from data.sampler import CropSampler
from engine.inference.completer import Completer
from engine.training.phases import Phase

ROUNDS = 2


def scale(benchmark: BenchmarkFixture, size: str, x: str, calls: dict[float, Callable[[], object]], plot: str) -> None:
    """Measure the calls, by the size that each is of, and write the row with all points; its times are the first's."""
    memory = {amount: peak_resident(call) for amount, call in calls.items()}
    timings = in_turns({str(amount): call for amount, call in calls.items()}, ROUNDS)
    benchmark.pedantic(next(iter(calls.values())), rounds=1)
    points = [(amount, timings[str(amount)].p50, memory[amount]) for amount in calls]
    first = {OURS: next(iter(timings.values()))}
    write_row(benchmark, "Scaling", f"Against {size}", first, points=points, size=size, x=x, plot=plot)


@pytest.fixture(scope="module")
def completer() -> Completer:
    return untrained_completer(8)


def completing(completer: Completer, size: tuple[int, int], side: int, count: int = 1) -> Callable[[], object]:
    photo_HW3, mask_HW = detailed_photo(*size), square_holes(size, side, count)
    return lambda: completer.complete(photo_HW3, mask_HW, octaves=0, texture="none")


def test_photo_area(benchmark: BenchmarkFixture, completer: Completer) -> None:
    sizes = ((1000, 1500), (2000, 3000), (4000, 6000), (5000, 8000))
    calls = {height * width / 1e6: completing(completer, (height, width), 128) for height, width in sizes}
    scale(benchmark, "the photo's area", "megapixels of photo, hole of 128x128", calls, "photo_area")


def test_hole_area(benchmark: BenchmarkFixture, completer: Completer) -> None:
    calls = {side**2 / 1e6: completing(completer, (1500, 1500), side) for side in (32, 64, 128, 256, 512)}
    scale(benchmark, "the hole's area", "megapixels of hole, photo of 1500x1500", calls, "hole_area")


def test_number_of_holes(benchmark: BenchmarkFixture, completer: Completer) -> None:
    calls = {float(count): completing(completer, (2000, 2000), 48, count) for count in (1, 4, 16)}
    scale(benchmark, "the number of holes", "holes of 48x48, photo of 2000x2000", calls, "number_of_holes")


def test_batch(benchmark: BenchmarkFixture) -> None:
    calls = {float(batch): small_training_step(Phase.JOINT, batch=batch) for batch in (1, 2, 4, 8, 16)}
    scale(benchmark, "the batch", "crops of 64x64 in a joint step", calls, "batch")


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> dict[float, Path]:
    folder = tmp_path_factory.mktemp("indexes")
    return {float(size): index_of_no_photos(folder, size) for size in (10**4, 10**5, 10**6, 8 * 10**6)}


def test_catalog_size(benchmark: BenchmarkFixture, indexes: dict[float, Path]) -> None:
    def resuming(index: Path) -> Callable[[], object]:
        return lambda: CropSampler(Catalog.open(index), 0).crops(np.arange(96) + 10**9)

    calls = {size: resuming(index) for size, index in indexes.items()}
    scale(benchmark, "the catalog", "photos in the index opened for a first batch of 96", calls, "catalog_size")
