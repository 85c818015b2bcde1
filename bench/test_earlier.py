"""The engine beside an earlier commit of itself, as its users run both, in turns:

    ENGINE_BENCH_EARLIER=0344509 python -m bench bench/test_earlier.py

Whole commands, from their start to the file they have written, and calls in a process that has loaded the engine. Both
take the packages of this environment. Rows of whole commands and of quality are by the clock; where other programs
run beside, and for a scan's specks, they are CPU time.
"""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

from bench.gate import unpacked
from bench.rows import OURS, ROOT, write_row
from bench.setups import whole_photos
from bench.test_peers import HOLES, LARGE, PHOTOS, SIDE, dusty_scan
from bench.timing import Timing
from data.catalog import Catalog
from engine.evaluation import Task, telea, without
from engine.metrics import measure as measure_quality
from engine.quality import FeatureDistance

EARLIER = os.environ.get("ENGINE_BENCH_EARLIER", "")

pytestmark = pytest.mark.skipif(not EARLIER, reason="no commit to compare with: ENGINE_BENCH_EARLIER=COMMIT")

TABLE = "An earlier commit"
BUSY, FOLDER = 8, 48
"""Other programs that each keep a core busy, and photos of 384x384 in a folder."""

COMMAND = "from engine.commands.start import infer; infer()"

IN_PROCESS = """
import json, sys, time
import numpy as np
from engine.inference.completer import Completer
folder, options, rounds = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
cases = [np.load(f"{folder}/{number}.npz") for number in range(int(sys.argv[4]))]
completer = Completer.load(device="cpu", **options.pop("load", {}))
taken = []
for number, case in enumerate(cases):
    photo_HW3, mask_HW = case["photo"], case["mask"]
    for _ in range(rounds):
        began, cpu = time.perf_counter(), time.process_time()
        completed_HW3 = completer.complete(photo_HW3, mask_HW, **options)
        taken.append((time.perf_counter() - began, time.process_time() - cpu))
    np.save(f"{folder}/{number}.completed.npy", completed_HW3)
with open("/proc/self/status") as status, open(f"{folder}/peak", "w") as peak:
    peak.write(next(line for line in status if line.startswith("VmHWM")).split()[1])
print(json.dumps(taken))
"""

Photo = NDArray[np.uint8]


class Spent(NamedTuple):
    """The cost of a process, seconds by the clock and of CPU, and what it printed."""

    seconds: float
    cpu: float
    printed: str


@pytest.fixture(scope="module")
def trees() -> Iterator[dict[str, Path]]:
    """The folders of both commits, by the names that rows give them."""
    with unpacked(ROOT, EARLIER) as tree:
        yield {OURS: ROOT, EARLIER: tree}


def spend(tree: Path, program: str, *arguments: str | Path) -> Spent:
    """Run a program on one commit's engine."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(tree)}, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    printed = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, printed
    return Spent(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, printed)


def in_turns(trees: dict[str, Path], rounds: int, program: str, *arguments: str | Path) -> dict[str, list[Spent]]:
    """The program's costs on both, after a round that warms up the disk."""
    spent: dict[str, list[Spent]] = {name: [] for name in trees}
    for turn in range(rounds + 1):
        for name, tree in trees.items():
            cost = spend(tree, program, *arguments)
            if turn:
                spent[name].append(cost)
    return spent


def put(folder: Path, *cases: tuple[Photo, NDArray[np.bool_]]) -> None:
    """Write what IN_PROCESS reads: photos with nothing in the holes, and these."""
    for number, (original_HW3, mask_HW) in enumerate(cases):
        np.savez(folder / f"{number}.npz", photo=without(original_HW3, mask_HW), mask=mask_HW)


def psnr_of(folder: Path, number: int, original_HW3: Photo, mask_HW: NDArray[np.bool_]) -> float:
    """In the hole, of what IN_PROCESS has written last."""
    return measure_quality(np.load(folder / f"{number}.completed.npy"), original_HW3, mask_HW).psnr_hole


@contextmanager
def a_busy_machine() -> Iterator[None]:
    """Other programs, each of which would have a core for itself."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BUSY)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


@pytest.mark.parametrize(("side", "hole", "rounds"), [((512, 512), 110, 7), ((6000, 4000), 256, 3)])
def test_a_photo_from_file_to_file(
    benchmark: BenchmarkFixture, trees: dict[str, Path], tmp_path: Path, side: tuple[int, int], hole: int, rounds: int
) -> None:
    original_HW3 = cv2.resize(skimage.data.astronaut(), side, interpolation=cv2.INTER_CUBIC)
    x, y = side[0] // 2, side[1] // 3
    photo, completed = tmp_path / "photo.jpg", tmp_path / "completed.jpg"
    Image.fromarray(original_HW3).save(photo, quality=95)
    words = (photo, "--hole", f"{x},{y},{hole},{hole}", "--out", completed, "--overwrite", "--mask-dilate", "0")
    spent = benchmark.pedantic(in_turns, (trees, rounds, COMMAND, *words), rounds=1)
    box = slice(y, y + hole), slice(x, x + hole)
    quality: dict[str, float | str] = {}
    for name, tree in trees.items():
        spend(tree, COMMAND, *words)
        error_P3 = np.asarray(Image.open(completed))[box].astype(float) - original_HW3[box]
        quality[f"{name}, dB"] = round(-10 * math.log10(float(np.square(error_P3 / 255).mean())), 3)
    write_row(
        benchmark, TABLE, f"engine-infer, {side[0]}x{side[1]}, hole of {hole} px, file to file",
        {name: Timing.of(cost.seconds for cost in costs) for name, costs in spent.items()}, images=1, quality=quality,
    )  # fmt: skip


def test_a_dusty_scan(benchmark: BenchmarkFixture, trees: dict[str, Path], tmp_path: Path) -> None:
    """CPU time in a process."""
    original_HW3, mask_HW = dusty_scan()
    put(tmp_path, (original_HW3, mask_HW))
    taken, quality = {}, {}
    for name, tree in trees.items():
        spent = spend(tree, IN_PROCESS, tmp_path, "{}", "1", "1")
        taken[name] = [cpu for _, cpu in json.loads(spent.printed)]
        quality[f"{name}, dB"] = psnr_of(tmp_path, 0, original_HW3, mask_HW)
        # As the process itself has it: what wait4 tells begins with the peak of whoever started it.
        quality[f"{name}, GB at the peak"] = round(1024 * int((tmp_path / "peak").read_text()) / 1e9, 2)
    began = time.process_time()
    by_telea_HW3 = telea(without(original_HW3, mask_HW), mask_HW)
    taken["Telea"] = [time.process_time() - began]
    quality["Telea, dB"] = measure_quality(by_telea_HW3, original_HW3, mask_HW).psnr_hole
    benchmark.pedantic(lambda: None)
    timings = {name: Timing.of(seconds) for name, seconds in taken.items()}
    write_row(benchmark, TABLE, "scan of 12 megapixels with 3,500 specks, CPU time", timings, quality=quality)


def test_a_folder_on_a_busy_machine(benchmark: BenchmarkFixture, trees: dict[str, Path], tmp_path: Path) -> None:
    """By the clock, beside programs that would take all cores."""
    photos, done = tmp_path / "photos", tmp_path / "done"
    photos.mkdir()
    original_HW3 = cv2.resize(skimage.data.astronaut(), (384, 384), interpolation=cv2.INTER_AREA)
    for number in range(FOLDER):
        Image.fromarray(np.roll(original_HW3, 8 * number, (0, 1))).save(photos / f"{number:03d}.png")
    words = (photos, "--hole", "150,120,80,90", "--out", done, "--overwrite")
    with a_busy_machine():
        spent = benchmark.pedantic(in_turns, (trees, 1, COMMAND, *words), rounds=1)
    quality = {f"{name}, s of CPU": round(costs[0].cpu, 1) for name, costs in spent.items()}
    timings = {name: Timing.of(cost.seconds for cost in costs) for name, costs in spent.items()}
    what = f"folder of {FOLDER} photos of 384x384 beside {BUSY} busy programs"
    write_row(benchmark, TABLE, what, timings, images=FOLDER, quality=quality)


@pytest.mark.parametrize("texture", ["auto", "none"])
@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_four_holes_in_a_process(
    benchmark: BenchmarkFixture, trees: dict[str, Path], tmp_path: Path, precision: str, texture: str
) -> None:
    """The default of ours beside both precisions of the earlier one, which has no texture."""
    original_HW3, mask_HW = skimage.data.astronaut(), np.zeros((SIDE, SIDE), bool)
    for x, y, width, height in HOLES:
        mask_HW[y : y + height, x : x + width] = True
    put(tmp_path, (original_HW3, mask_HW))
    taken, quality = {}, {}
    for name, tree in trees.items():
        options: dict[str, Any] = {"load": {"precision": precision}} if name == EARLIER else {"texture": texture}
        spent = spend(tree, IN_PROCESS, tmp_path, json.dumps(options), "9", "1")
        taken[name] = [seconds for seconds, _ in json.loads(spent.printed)][2:]
        quality[f"{name}, dB"] = psnr_of(tmp_path, 0, original_HW3, mask_HW)
    benchmark.pedantic(lambda: None)
    timings = {name: Timing.of(seconds) for name, seconds in taken.items()}
    what = f"four holes of 48 to 64 px in {SIDE}x{SIDE}, texture {texture} beside {precision} earlier"
    write_row(benchmark, TABLE, what, timings, images=1, quality=quality)


def test_quality(benchmark: BenchmarkFixture, trees: dict[str, Path], tmp_path: Path) -> None:
    """Photos of $ENGINE_BENCH_PHOTOS with a box each."""
    features = FeatureDistance.load()
    with whole_photos() as folder:
        task = Task.of(Catalog.open(folder), "random", seed=0, limit=PHOTOS, size=SIDE, hole_size=LARGE)
        cases = [(task.photo(place), task.hole(place)) for place in task.photos]
    put(tmp_path, *cases)
    taken, quality = {}, {}
    for name, tree in trees.items():
        spent = spend(tree, IN_PROCESS, tmp_path, "{}", "1", str(len(cases)))
        taken[name] = [seconds for seconds, _ in json.loads(spent.printed)]
        found = []
        for number, (original_HW3, hole_HW) in enumerate(cases):
            completed_HW3 = np.load(tmp_path / f"{number}.completed.npy")
            looks = features.looks(completed_HW3, original_HW3, hole_HW)
            psnr = psnr_of(tmp_path, number, original_HW3, hole_HW)
            found.append((psnr, looks.feature_distance, looks.sharpness))
        psnr, distance, _ = np.mean(found, axis=0)
        quality |= {
            f"{name}, dB": round(float(psnr), 3),
            f"{name}, feature distance": round(float(distance), 3),
            f"{name}, sharpness": round(float(np.median([row[2] for row in found])), 3),
        }
    benchmark.pedantic(lambda: None)
    timings = {name: Timing.of(seconds[1:], seconds[0]) for name, seconds in taken.items()}
    what = f"{len(cases)} photos of {folder.name} at {SIDE}x{SIDE}, a box of {LARGE[0]} to {LARGE[1]} px each"
    write_row(benchmark, TABLE, what, timings, images=1, quality=quality)
