"""What completing a hole costs: against the full frame, against the hole's area, against the photo's, stage by stage.

    python -m pytest bench/test_inference.py --benchmark-only      (also writes bench/plots/*.svg)

Each ratio is of one run on one machine, with untrained networks (time does not depend on the weights' values), fp32.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.inference.batch import Options, complete_files
from engine.inference.completer import Completer
from engine.inference.jobs import Job, MaskSource
from engine.inference.photo import Photo, write_photo
from engine.inference.report import Report
from engine.networks import CompletionNetwork, CompletionSpec

PLOTS = Path(__file__).with_name("plots")
SIZE_24_MP = (4000, 6000)


def completer(base_width: int) -> Completer:
    torch.manual_seed(0)
    return Completer.of(CompletionNetwork(CompletionSpec(base_width=base_width)), memory=1 << 30)


def smooth_photo(height: int, width: int) -> np.ndarray:
    """Made without temporary arrays, which would hide the peak of memory that is measured."""
    photo_HW3 = np.empty((height, width, 3), np.uint8)
    photo_HW3[..., 0] = np.linspace(0, 255, height).astype(np.uint8)[:, None]
    photo_HW3[..., 1] = np.linspace(0, 255, width).astype(np.uint8)
    photo_HW3[..., 2] = (127 + 100 * np.sin(np.arange(width) / 40)).astype(np.uint8)
    return photo_HW3


def holes(size: tuple[int, int], side: int, count: int = 1) -> np.ndarray:
    """`count` (a square number) square holes, spread evenly."""
    mask_HW = np.zeros(size, bool)
    per_side = round(count**0.5)
    for row in range(per_side):
        for column in range(per_side):
            y = (2 * row + 1) * size[0] // (2 * per_side) - side // 2
            x = (2 * column + 1) * size[1] // (2 * per_side) - side // 2
            mask_HW[y : y + side, x : x + side] = True
    return mask_HW


PROGRAM = """
import json, resource, sys, time
from bench.test_inference import SIZE_24_MP, completer, holes, smooth_photo
side, count, full_frame = json.loads(sys.argv[1])
photo_HW3, mask_HW, lite = smooth_photo(*SIZE_24_MP), holes(SIZE_24_MP, side, count), completer(16)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.perf_counter()
lite.complete(photo_HW3, mask_HW, octaves=0, full_frame=full_frame)
seconds = time.perf_counter() - started
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))
"""


def seconds_and_memory(side: int, count: int, full_frame: bool) -> tuple[float, float]:
    """Of one completion in a process of its own: time, and the peak of memory above the photo's own."""
    words = [sys.executable, "-c", PROGRAM, json.dumps([side, count, full_frame])]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    seconds, kilobytes = json.loads(done.stdout)
    return seconds, kilobytes / 1024


@pytest.mark.parametrize(("side", "count", "faster"), [(256, 1, 25), (48, 64, 5)], ids=["one-256", "64-of-48"])
def test_windows_against_the_full_frame_on_24_megapixels(benchmark, side, count, faster):
    """Base width 16: the full frame of the paper's width does not fit in 23 GB."""
    windowed = benchmark.pedantic(lambda: seconds_and_memory(side, count, False), rounds=3)
    full = seconds_and_memory(side, count, True)
    ratio, memory = full[0] / windowed[0], windowed[1] / full[1]
    benchmark.extra_info.update(seconds=windowed[0], full_seconds=full[0], times_faster=ratio)
    benchmark.extra_info.update(megabytes=windowed[1], full_megabytes=full[1], share_of_memory=memory)
    print(f"\n{count} hole(s) of {side} px in 24 MP: {windowed[0]:.2f} s, {windowed[1]:.0f} MB above the photo")
    print(f"full frame {full[0]:.1f} s, {full[1]:.0f} MB: {ratio:.0f} times faster, {memory:.3f} of the memory")
    assert ratio >= faster
    assert count > 1 or memory <= 0.1


def seconds_for(model: Completer, size: tuple[int, int], side: int) -> float:
    photo_HW3, mask_HW = smooth_photo(*size), holes(size, side)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        model.complete(photo_HW3, mask_HW, octaves=0)
        times.append(time.perf_counter() - started)
    return min(times)


def test_time_follows_the_hole_and_not_the_photo(benchmark):
    lite = completer(16)
    by_photo = [(h * w / 1e6, seconds_for(lite, (h, w), 256)) for h, w in
                ((1000, 1500), (2000, 3000), (4000, 6000), (6000, 9000))]  # fmt: skip
    by_hole = [(side**2 / 1e6, seconds_for(lite, (3000, 3000), side)) for side in (32, 64, 128, 256, 512, 1024)]
    benchmark.pedantic(lambda: lite.complete(smooth_photo(600, 600), holes((600, 600), 256), octaves=0), rounds=3)
    benchmark.extra_info.update(by_photo_megapixels=by_photo, by_hole_megapixels=by_hole)
    plot("time_by_photo_area", "photo, megapixels (hole of 256 px)", by_photo)
    plot("time_by_hole_area", "hole, megapixels (photo of 9)", by_hole)
    print("\nphoto MP: s ", ", ".join(f"{x:.1f}: {y:.2f}" for x, y in by_photo))
    print("hole MP: s ", ", ".join(f"{x:.3f}: {y:.2f}" for x, y in by_hole))


@pytest.mark.parametrize("base_width", [64, 16])
def test_stages_of_a_24_megapixel_jpeg(benchmark, base_width, tmp_path):
    photo = Photo(pixels_HW3=smooth_photo(*SIZE_24_MP), alpha_HW=None, grey=False, container="PNG", exif=None, icc=None,
                  xmp=None, dpi=None)  # fmt: skip
    write_photo(tmp_path / "photo.jpg", photo, photo.pixels_HW3)
    job = Job(tmp_path / "photo.jpg", Path("photo.jpg"), tmp_path / "out.jpg")
    options = Options(masks=MaskSource(holes=((3000, 2000, 256, 256),)), dilate=4, blend="poisson", feather=4,
                      octaves=None, overwrite=True)  # fmt: skip
    model = completer(base_width)
    reports: list[Report] = []
    benchmark.pedantic(lambda: reports.extend(one.report for one in complete_files(model, [job], options)), rounds=3,
                       warmup_rounds=1)  # fmt: skip
    stages = {name: min(report.seconds[name] for report in reports) for name in reports[0].seconds}
    outside = 1 - stages["network"] / sum(stages.values())
    benchmark.extra_info.update(stages, outside_the_network=outside)
    print(f"\nbase width {base_width}: " + ", ".join(f"{name} {seconds:.3f} s" for name, seconds in stages.items()))
    print(f"outside the network {outside:.0%}")


def plot(name: str, label: str, points: list[tuple[float, float]]) -> None:
    """The points as a line in bench/plots/name.svg, from the origin."""
    right, top = max(x for x, _ in points), 1.1 * max(y for _, y in points)
    places = [(60 + 500 * x / right, 300 - 260 * y / top) for x, y in points]
    marks = "".join(
        f'<circle cx="{px:.1f}" cy="{py:.1f}" r="4"/><text x="{px:.1f}" y="{py - 10:.1f}">{y:.2f} s</text>'
        f'<text x="{px:.1f}" y="318">{x:.3g}</text>'
        for (px, py), (x, y) in zip(places, points, strict=True)
    )
    line = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
    PLOTS.mkdir(exist_ok=True)
    (PLOTS / f"{name}.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="640" height="350" font-family="sans-serif" font-size="12" '
        'text-anchor="middle"><rect width="640" height="350" fill="white"/>'
        '<path d="M60 30V300H600" fill="none" stroke="grey"/>'
        f'<polyline points="{line}" fill="none" stroke="black"/>{marks}<text x="320" y="340">{label}</text></svg>\n'
    )
