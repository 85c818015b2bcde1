"""The data parts against plain pipelines: python -m bench bench/test_data.py

Photos: $ENGINE_BENCH_PHOTOS, else pieces of scikit-image's photographs at about the size of Places2's. Loaders and the
plain pipeline take turns on the same machine; the limit is decoding alone, in as many threads as there are workers.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

from bench import limits
from bench.rows import LIMIT, OURS, measure, write_row
from bench.setups import index_of_no_photos, write_photos
from bench.timing import Timing, seconds_of
from data.catalog import Catalog
from data.cpu_loader import CpuLoader
from data.dali_loader import DaliLoader
from data.masks import HoleConfig, draw_holes
from data.sampler import CropSampler
from data.scan import scan, walk

BATCH, WORKERS, BATCHES, TURNS = 32, 2, 40, 3
PLAIN = "Pillow and DataLoader"
PLACES2 = 8_097_967


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if given := os.environ.get("ENGINE_BENCH_PHOTOS"):
        return Path(given)
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder, 400)
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
    """Seconds a batch over some batches, after those that were prepared in advance; and CPU seconds a batch over all,
    which other work on the machine disturbs less."""
    cpu_began = cpu_seconds()
    batches = make()
    for _ in range(2 * WORKERS + 1):
        next(batches)
    began = time.perf_counter()
    for _ in range(BATCHES):
        next(batches)
    seconds = (time.perf_counter() - began) / BATCHES
    batches.close()  # type: ignore[attr-defined]
    return seconds, (cpu_seconds() - cpu_began) / (BATCHES + 2 * WORKERS + 1)


@pytest.mark.parametrize("back_end", ["cpu", "dali"])
def test_loaders_against_a_plain_pipeline(benchmark: BenchmarkFixture, folder: Path, back_end: str) -> None:
    catalog = Catalog.open(folder)
    sampler = CropSampler(catalog, 0)
    loaders: dict[str, Callable[[], Iterator[object]]] = {
        "cpu": lambda: iter(CpuLoader(catalog, sampler, BATCH, workers=WORKERS)),
        "dali": lambda: iter(DaliLoader(catalog, sampler, BATCH, threads=WORKERS)),
    }
    makers = {OURS: loaders[back_end], PLAIN: lambda: plain_batches(folder)}
    limit = limits.decoding(WORKERS)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in (*makers, LIMIT)}

    def turns() -> None:
        for _ in range(TURNS):
            for name, make in makers.items():  # one at a time: what prefetches would slow the others down
                taken[name].append(turn(make))
            taken[LIMIT].append((seconds_of(limit.call), 0.0))

    benchmark.pedantic(turns, rounds=1)
    cpu = {name: min(cpu for _, cpu in both) for name, both in taken.items()}
    width_and_height_N2 = catalog.sizes(np.arange(len(catalog)))
    write_row(
        benchmark,
        "Loaders: crops of JPEGs",
        f"{back_end}, {WORKERS} workers",
        {name: Timing.of(seconds for seconds, _ in both) for name, both in taken.items()},
        limit=limit,
        images=BATCH,
        pixels=BATCH * float(width_and_height_N2.prod(1).mean()),
        quality={"crops in a CPU second, of plain's": cpu[PLAIN] / cpu[OURS]},
    )


def test_header_rate(benchmark: BenchmarkFixture, folder: Path) -> None:
    names = [*walk(folder)] * max(1, 20_000 // len([*walk(folder)]))
    measure(benchmark, "Index", f"{len(names)} headers", lambda: scan(folder, names), rounds=3, images=len(names))


def test_places2_opens_and_resumes(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Open the index, then the sampler's first batch in the middle of epoch 37."""
    index = index_of_no_photos(tmp_path, PLACES2)

    def resume() -> CropSampler:
        sampler = CropSampler(Catalog.open(index), 0)
        sampler.crops(np.arange(96) + 37 * PLACES2 + PLACES2 // 2)
        return sampler

    row = "open Places2's index of 8.1 million photos, first batch in the middle of epoch 37"
    measure(benchmark, "Index", row, resume, images=96)
    sampler, before = resume(), private_bytes()
    for start in range(0, 10**6, 10**5):  # a while of training
        sampler.crops(np.arange(start, start + 960))
    benchmark.extra_info["memory_bytes"] = private_bytes() - before


def private_bytes() -> int:
    """Of this process, without what it shares through the page cache."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private"))


@pytest.mark.parametrize("kind", ["box", "freeform"])
def test_masks(benchmark: BenchmarkFixture, kind: Literal["box", "freeform"]) -> None:
    holes = HoleConfig(kind=kind)
    measure(benchmark, "Holes", kind, lambda: draw_holes(holes, 0, 0, np.arange(96), 256), images=96, rounds=20)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_dali_on_the_gpu(benchmark: BenchmarkFixture, folder: Path) -> None:
    """The loader alone; what the training step consumes is in the training benchmark."""
    pytest.importorskip("nvidia.dali", reason="DALI is not installed: pip install 'glcic-engine[dali]'")
    catalog = Catalog.open(folder)
    loader = iter(DaliLoader(catalog, CropSampler(catalog, 0), 96, threads=4, device_id=0))
    assert next(loader).image_N3HW.is_cuda

    def batch() -> None:
        next(loader)
        torch.cuda.synchronize()

    measure(benchmark, "Loaders: crops of JPEGs", "DALI on the GPU", batch, device="cuda", images=96, rounds=30)
