"""The data parts against plain pipelines: python -m pytest bench/test_data.py --benchmark-only

Photos: $ENGINE_BENCH_PHOTOS, else pieces of scikit-image's photographs at about the size of Places2's. Loaders and the
plain pipeline take turns on the same machine, and the fastest turn of each counts; the ratios are in `extra_info`.
On two cores that were shared with other work (load 5 to 8), 320x256 JPEGs, three runs: the CPU loader made 1.40 to 1.73
times the crops/s of the plain pipeline, DALI on the CPU 1.29 to 1.60 times; a CPU second gave 1.28 to 1.35 and 1.53 to
1.71 times as many. 28,000 to 34,000 headers/s; the index of 8.1 million photos and the first batch of a resumed sampler
take 1 ms, and 71 MB of private memory.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

from data.catalog import Catalog
from data.cpu_loader import CpuLoader
from data.dali_loader import DaliLoader
from data.entries import OWN_FILE
from data.masks import HoleConfig, draw_holes
from data.sampler import CropSampler
from data.scan import scan, walk

BATCH, WORKERS, BATCHES, TURNS = 32, 2, 12, 4
PLACES2 = 8_097_967


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if given := os.environ.get("ENGINE_BENCH_PHOTOS"):
        return Path(given)
    folder = tmp_path_factory.mktemp("photos")
    scenes = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea(), skimage.data.rocket()]
    for number in range(400):
        scene = scenes[number % 4][number % 40 :, number % 53 :]
        Image.fromarray(scene).resize((320, 256)).save(folder / f"{number:03d}.jpg", quality=90)
    return folder


class PlainCrops(torch.utils.data.Dataset):
    """What a user would write: Pillow, resize the shorter edge, crop."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.rglob("*.jpg"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> torch.Tensor:
        photo = Image.open(self.paths[i]).convert("RGB")
        scale = random.randint(256, 384) / min(photo.size)
        photo = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.BILINEAR)
        x, y = random.randint(0, photo.width - 256), random.randint(0, photo.height - 256)
        return torch.from_numpy(np.array(photo.crop((x, y, x + 256, y + 256)))).permute(2, 0, 1)


def plain_batches(folder: Path) -> Iterator[torch.Tensor]:
    batches = torch.utils.data.DataLoader(
        PlainCrops(folder), BATCH, shuffle=True, num_workers=WORKERS, drop_last=True, persistent_workers=True
    )
    while True:
        yield from batches


def cpu_seconds() -> float:
    """Of this process and of those it has ended."""
    return sum(os.times()[:4])


def turn(make: Callable[[], Iterator[object]]) -> tuple[float, float]:
    """Crops a second over some batches, after those that were prepared in advance; and crops a CPU second over all,
    which other work on the machine disturbs less."""
    cpu_began = cpu_seconds()
    batches = make()
    for _ in range(2 * WORKERS + 1):
        next(batches)
    began = time.perf_counter()
    for _ in range(BATCHES):
        next(batches)
    rate = BATCH * BATCHES / (time.perf_counter() - began)
    batches.close()  # type: ignore[attr-defined]
    return rate, BATCH * (BATCHES + 2 * WORKERS + 1) / (cpu_seconds() - cpu_began)


def test_loaders_against_a_plain_pipeline(benchmark: BenchmarkFixture, folder: Path) -> None:
    catalog = Catalog.open(folder)
    sampler = CropSampler(catalog, 0)
    makers: dict[str, Callable[[], Iterator[object]]] = {
        "plain": lambda: plain_batches(folder),
        "cpu": lambda: iter(CpuLoader(catalog, sampler, BATCH, workers=WORKERS)),
        "dali": lambda: iter(DaliLoader(catalog, sampler, BATCH, threads=WORKERS)),
    }
    best = {name: np.zeros(2) for name in makers}

    def turns() -> None:
        for _ in range(TURNS):
            for name, make in makers.items():  # one at a time: what prefetches would slow the others down
                best[name] = np.maximum(best[name], turn(make))

    benchmark.pedantic(turns, rounds=1)
    for name, rates in best.items():
        for unit, value, plain in zip(("s", "CPU s"), rates, best["plain"], strict=True):
            benchmark.extra_info[f"{name}, crops/{unit}"] = f"{value:.0f} ({value / plain:.2f} of plain)"
    print(benchmark.extra_info)


def test_header_rate(benchmark: BenchmarkFixture, folder: Path) -> None:
    names = [*walk(folder)] * max(1, 20_000 // len([*walk(folder)]))
    benchmark.pedantic(scan, (folder, names), rounds=3, warmup_rounds=1)
    benchmark.extra_info["headers/s"] = round(len(names) / benchmark.stats.stats.min)
    print(benchmark.extra_info)


@pytest.fixture(scope="module")
def places2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of as many photos as Places2 has, none of which exists."""
    name = np.frombuffer(b"/a/airfield/00000001.jpg", np.uint8)
    constant = {"shard": OWN_FILE, "offset": 0, "length": 25_000, "width": 320, "height": 256, "modified": 1}
    kinds = {"shard": np.int32, "width": np.int32, "height": np.int32}
    columns = {key: np.full(PLACES2, value, kinds.get(key, np.int64)) for key, value in constant.items()}
    columns["orientation"] = np.ones(PLACES2, np.uint8)
    columns["names"] = np.tile(name, PLACES2)
    columns["name_start"] = np.arange(PLACES2 + 1) * len(name)
    index = tmp_path_factory.mktemp("places2") / "photos.index"
    Catalog(index.parent, columns, [], []).save(index)
    return index


def private_megabytes() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) / 1000


def test_places2_opens_and_resumes(benchmark: BenchmarkFixture, places2: Path) -> None:
    """Open the index, then the sampler's first batch in the middle of epoch 37."""
    before = private_megabytes()

    def resume() -> CropSampler:
        sampler = CropSampler(Catalog.open(places2), 0)
        sampler.crops(np.arange(96) + 37 * PLACES2 + PLACES2 // 2)
        return sampler

    sampler = benchmark.pedantic(resume, rounds=5)
    for start in range(0, 10**6, 10**5):  # a while of training
        sampler.crops(np.arange(start, start + 960))
    benchmark.extra_info["private MB"] = round(private_megabytes() - before, 1)
    print(benchmark.extra_info)


@pytest.mark.parametrize("kind", ["box", "freeform"])
def test_masks(benchmark: BenchmarkFixture, kind: str) -> None:
    benchmark(draw_holes, HoleConfig(kind=kind), 0, 0, np.arange(96), 256)  # type: ignore[arg-type]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_dali_on_the_gpu(benchmark: BenchmarkFixture, folder: Path) -> None:
    """The loader alone; what the training step consumes is in the training benchmark."""
    catalog = Catalog.open(folder)
    loader = DaliLoader(catalog, CropSampler(catalog, 0), 96, threads=4, device_id=0)
    batch = benchmark(next, loader)
    assert batch.image_N3HW.is_cuda
    torch.cuda.synchronize()
    benchmark.extra_info["crops/s"] = round(96 / benchmark.stats.stats.median)
