"""What completing a hole costs: against the full frame, and stage by stage. How it grows is in test_scaling.py.

    python -m bench bench/test_inference.py

Each ratio is of one run on one machine, with untrained networks (time does not depend on the weights' values), fp32.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench import limits
from bench.counting import flops_of, peak_resident
from bench.rows import ON_GPU, OURS, measure, write_row
from bench.setups import SIZE_24_MP, detailed_photo, smooth_photo, square_holes, untrained, untrained_completer
from bench.timing import Timing
from engine.inference.completer import Completer, CompletionOptions
from engine.inference.folders.complete import Options, complete_files
from engine.inference.folders.jobs import Job
from engine.inference.folders.mask_sources import MaskSource
from engine.inference.photos.photo import Photo
from engine.inference.photos.writing import write_photo
from engine.inference.report import Report
from engine.inference.runtimes.torch_runtime import DTYPES, TorchRuntime

PROGRAM = """
import json, sys, time
from bench.counting import peak_resident
from bench.setups import SIZE_24_MP, detailed_photo, square_holes, untrained_completer
side, count, full_frame = json.loads(sys.argv[1])
photo_HW3, mask_HW, lite = detailed_photo(*SIZE_24_MP), square_holes(SIZE_24_MP, side, count), untrained_completer(16)
started = time.perf_counter()
peak = peak_resident(lambda: lite.complete(photo_HW3, mask_HW, octaves=0, texture="none", full_frame=full_frame))
print(json.dumps([time.perf_counter() - started, peak]))
"""


def seconds_and_memory(side: int, count: int, full_frame: bool) -> tuple[float, int]:
    """Of one completion in a process of its own: time, and the peak of memory above the photo's own."""
    words = [sys.executable, "-c", PROGRAM, json.dumps([side, count, full_frame])]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    seconds, peak = json.loads(done.stdout)
    return seconds, peak


@pytest.mark.parametrize(("side", "count", "faster"), [(256, 1, 25), (48, 64, 5)], ids=["one-256", "64-of-48"])
def test_windows_against_the_full_frame_on_24_megapixels(
    benchmark: BenchmarkFixture, side: int, count: int, faster: int
) -> None:
    """Base width 16: the full frame of the paper's width does not fit in 23 GB. Processes are started in turns."""
    first, full_frame = (seconds_and_memory(side, count, full_frame) for full_frame in (False, True))
    windowed = benchmark.pedantic(seconds_and_memory, (side, count, False), rounds=1)
    timings = {OURS: Timing.of([first[0], windowed[0]]), "full frame": Timing.of([full_frame[0]])}
    row = f"{count} hole{'s' * (count > 1)} of {side}x{side} in a photo of 24 megapixels, width 16"
    write_row(
        benchmark,
        "Inference: windows against the full frame",
        row,
        timings,
        memory_bytes=windowed[1],
        quality={"share of the full frame's memory": windowed[1] / full_frame[1]},
        headline=row,
    )
    assert timings["full frame"].p50 / timings[OURS].p50 >= faster
    assert count > 1 or windowed[1] <= 0.1 * full_frame[1]


@pytest.mark.parametrize("base_width", [64, 16])
def test_stages_of_a_24_megapixel_jpeg(benchmark: BenchmarkFixture, base_width: int, tmp_path: Path) -> None:
    photo = Photo(pixels_HW3=smooth_photo(*SIZE_24_MP), alpha_HW=None, grey=False, container="PNG", exif=None, icc=None,
                  xmp=None, dpi=None)  # fmt: skip
    write_photo(tmp_path / "photo.jpg", photo, photo.pixels_HW3)
    job = Job(tmp_path / "photo.jpg", Path("photo.jpg"), tmp_path / "out.jpg")
    masks = MaskSource(holes=((3000, 2000, 256, 256),))
    options = Options(masks=masks, completion=CompletionOptions(dilate=4), overwrite=True)
    model = untrained_completer(base_width)
    reports: list[Report] = []
    benchmark.pedantic(lambda: reports.extend(one.report for one in complete_files(model, [job], options)), rounds=3,
                       warmup_rounds=1)  # fmt: skip
    stages = {name: min(report.seconds[name] for report in reports) for name in reports[0].seconds}
    outside = 1 - stages["network"] / sum(stages.values())
    write_row(
        benchmark,
        "Inference: the stages of a JPEG of 24 megapixels with a hole of 256x256",
        f"base width {base_width}",
        {OURS: Timing.of(sum(report.seconds.values()) for report in reports[1:])},
        quality={f"{name}, s": seconds for name, seconds in stages.items()} | {"outside the network": outside},
    )


@pytest.mark.parametrize("precision", [pytest.param(name, marks=ON_GPU) for name in DTYPES])
def test_network_on_the_gpu(benchmark: BenchmarkFixture, precision: str) -> None:
    """The paper's network on whole images, against plain PyTorch in fp32 (TF32), NCHW."""
    torch.manual_seed(0)
    holed_N4HW = torch.rand(8, 4, 512, 512, device="cuda")
    network = untrained(64).cuda()
    runtime = TorchRuntime(network, precision=precision, device="cuda")
    plain = torch.inference_mode()(network)
    measure(
        benchmark,
        "Inference: the network on a GPU, 8 images of 512x512",
        precision,
        lambda: runtime.run(holed_N4HW),
        {"plain TF32 NCHW": lambda: plain(holed_N4HW)},
        limit=limits.gemm(DTYPES[precision], "cuda"),
        device="cuda",
        rounds=20,
        images=8,
        flops=flops_of(lambda: plain(holed_N4HW)),
        quality={"largest difference": (runtime.run(holed_N4HW) - plain(holed_N4HW)).abs().max().item()},
    )


@pytest.mark.parametrize("precision", [pytest.param(name, marks=ON_GPU) for name in DTYPES])
def test_photo_on_the_gpu(benchmark: BenchmarkFixture, precision: str) -> None:
    """A hole of 256x256 in 24 megapixels, from the photo to the photo."""
    completer = Completer.of(untrained(64), "torch", precision, "cuda")
    photo_HW3, mask_HW = detailed_photo(*SIZE_24_MP), square_holes(SIZE_24_MP, 256)

    def windows() -> object:
        return completer.complete(photo_HW3, mask_HW, octaves=0, texture="none")

    measure(
        benchmark,
        "Inference: a hole of 256x256 in a photo of 24 megapixels on a GPU",
        precision,
        windows,
        device="cuda",
        images=1,
        memory_bytes=peak_resident(windows, "cuda"),
        headline=f"hole of 256x256 in a photo of 24 megapixels, width 64, {precision}",
    )
