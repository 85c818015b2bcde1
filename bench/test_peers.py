"""The engine beside what else completes a photo, each as its users would run it: python -m bench bench/test_peers.py

Speed: one photo (scikit-image's astronaut, as it is and enlarged) with four holes of 48 to 64 pixels, the weights that
come with the engine, on the CPU. Everybody starts from the photo with black holes and gives back the completed photo.
The engine computes in fp32, and in what it chooses by itself; the others in fp32 but where a name says bf16. PSNR is of
the holes' pixels: one photo says little of quality, only that speed was not bought with it.

A dusty scan: the same photo at 12 megapixels, with 3,500 specks.

Quality beside speed: up to 40 photos of $ENGINE_BENCH_PHOTOS, spread evenly, or scikit-image's, at 512x512 with one
seeded box each, completed in turns by the engine, with and without its texture, PyPatchMatch and Telea. Each way's row
has the median time of a photo and what engine-evaluate reports of the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import cv2
import numpy as np
import onnxruntime
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from bench.rows import OURS, measure, write_row
from bench.setups import whole_photos
from bench.timing import Timing
from data.catalog import Catalog
from engine.evaluation import Case, Task, evaluate, means, navier_stokes, patchmatch, smooth, telea, without
from engine.inference.completer import Completer
from engine.inference.graphs.export import cached_onnx
from engine.metrics import measure as measure_quality
from engine.quality import FeatureDistance
from engine.weights import DEFAULT_WEIGHTS, load_weights

HOLES = ((60, 60, 64, 64), (330, 60, 48, 64), (70, 380, 64, 48), (400, 400, 56, 56))
"""x, y, width and height in pixels."""

PHOTOS, SIDE = 40, 512
"""Most photos whose completions are judged, and the side in pixels that they are brought to."""

LARGE, SMALL = (90, 150), (48, 64)
"""Smallest and largest side of their holes in pixels."""

SCAN, SPECKS = (4000, 3000), 3500
"""Width and height in pixels of a dusty scan, and the specks on it."""

WAYS = ("engine", "engine without texture", "PyPatchMatch", "Telea")

Photo = NDArray[np.uint8]
Method = Callable[[], Photo]


@dataclass(frozen=True)
class Scene:
    """A photo, its holes, the other ways to complete it, and how well each does."""

    original_HW3: Photo
    holed_HW3: Photo
    mask_HW: NDArray[np.bool_]
    others: dict[str, Method]
    quality: dict[str, float]


@cache
def scene(side: int) -> Scene:
    """The photo at `side`x`side`; the holes stay as large, and where they are in it."""
    original_HW3 = cv2.resize(skimage.data.astronaut(), (side, side), interpolation=cv2.INTER_CUBIC)
    mask_HW = np.zeros((side, side), bool)
    for x, y, width, height in HOLES:
        top, left = y * side // 512, x * side // 512
        mask_HW[top : top + height, left : left + width] = True
    holed_HW3 = without(original_HW3, mask_HW)
    others = other_methods(holed_HW3, mask_HW)
    quality = {
        f"{name}, dB": measure_quality(method(), original_HW3, mask_HW).psnr_hole for name, method in others.items()
    }
    return Scene(original_HW3.astype(np.uint8), holed_HW3, mask_HW, others, quality)


def other_methods(holed_HW3: Photo, mask_HW: NDArray[np.bool_]) -> dict[str, Method]:
    """OpenCV's methods, and the same network on the whole photo, without this engine's windows and blending."""
    network = load_weights(DEFAULT_WEIGHTS)
    assert network.spec.fill == "smooth", "what follows fills as these weights want it"
    compiled = torch.compile(network)
    options = onnxruntime.SessionOptions()
    # Its threads otherwise go on spinning for a while, and whoever has the next turn takes half as long again.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    content = cached_onnx(network, "fp32", "padded")
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def whole_photo(run: Callable[[Tensor], Tensor]) -> Photo:
        filled_HW3 = smooth(holed_HW3, mask_HW)
        holed_HW4 = np.dstack((filled_HW3 / np.float32(255), mask_HW.astype(np.float32)))
        generated_N3HW = run(torch.from_numpy(holed_HW4).permute(2, 0, 1)[None].contiguous())
        generated_HW3 = (generated_N3HW[0].permute(1, 2, 0) * 255).round().byte().numpy()
        return np.where(mask_HW[..., None], generated_HW3, holed_HW3)

    def in_onnx_runtime(holed_N4HW: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: holed_N4HW.numpy()})[0])

    @torch.inference_mode()
    def in_bf16(holed_N4HW: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return compiled(holed_N4HW).float()

    return {
        "Telea": lambda: telea(holed_HW3, mask_HW),
        "Navier-Stokes": lambda: navier_stokes(holed_HW3, mask_HW),
        "plain PyTorch": lambda: whole_photo(torch.inference_mode()(network)),
        "torch.compile": lambda: whole_photo(torch.inference_mode()(compiled)),
        "torch.compile in bf16": lambda: whole_photo(in_bf16),
        "ONNX Runtime": lambda: whole_photo(in_onnx_runtime),
    }


@pytest.mark.parametrize("side", [512, 1024])
@pytest.mark.parametrize(("runtime", "precision"), [("torch", "fp32"), ("torch", "auto"), ("openvino", "auto")])
def test_engine_against_peers(benchmark: BenchmarkFixture, side: int, runtime: str, precision: str) -> None:
    photo, completer = scene(side), Completer.load(runtime=runtime, precision=precision, device="cpu")
    if (runtime, precision, completer.runtime.precision) == ("torch", "auto", "fp32"):
        pytest.skip("this CPU has no bf16: it is the same as the row above")

    def engine() -> Photo:
        return completer.complete(photo.holed_HW3, photo.mask_HW)

    what = f"photo of {side}x{side}, four holes of 48 to 64 px, {runtime} {completer.runtime.precision}"
    measure(
        benchmark,
        "Peers",
        what,
        engine,
        photo.others,
        rounds=3,
        images=1,
        quality={"engine, dB": measure_quality(engine(), photo.original_HW3, photo.mask_HW).psnr_hole} | photo.quality,
        **({"headline": what} if precision == "auto" else {}),
    )


def dusty_scan() -> tuple[Photo, NDArray[np.bool_]]:
    """A large photo, and the mask of SPECKS on it."""
    original_HW3 = cv2.resize(skimage.data.astronaut(), SCAN, interpolation=cv2.INTER_CUBIC)
    generator, specks_HW = np.random.default_rng(0), np.zeros(SCAN[::-1], np.uint8)
    for _ in range(SPECKS):
        middle = tuple(float(generator.integers(10, side - 10)) for side in SCAN)
        cv2.ellipse(specks_HW, (middle, tuple(generator.uniform(3, 7, 2)), generator.uniform(0, 180)), 1, -1)
    return original_HW3.astype(np.uint8), specks_HW > 0


def test_dusty_scan(benchmark: BenchmarkFixture) -> None:
    """Specks of dust all over a scan, as the engine and Telea fill them."""
    (original_HW3, mask_HW), completer = dusty_scan(), Completer.load(device="cpu")
    holed_HW3 = without(original_HW3, mask_HW)
    ways = {
        "engine": lambda: completer.complete(holed_HW3, mask_HW),
        "Telea": lambda: telea(holed_HW3, mask_HW),
    }
    quality = {f"{name}, dB": measure_quality(way(), original_HW3, mask_HW).psnr_hole for name, way in ways.items()}
    what = f"scan of {SCAN[0]}x{SCAN[1]} with {SPECKS} specks of 3 to 7 px"
    measure(benchmark, "Peers", what, ways["engine"], {"Telea": ways["Telea"]}, rounds=3, images=1, quality=quality)


@dataclass(frozen=True)
class Comparison:
    """Several photos, completed in each of WAYS, and the name of the folder that they are of."""

    folder: str
    cases: list[Case]

    def timing(self, way: str) -> Timing:
        """Of a photo; the first one warms up."""
        first, *others = (case.seconds[way] for case in self.cases)
        return Timing.of(others or [first], first)

    def quality(self, way: str) -> dict[str, float]:
        """What is typical, and the sharpest photo: much above 1 is noise."""
        row = means(self.cases)[way]
        sharpest = float(np.nanmax([case.looks[way].sharpness for case in self.cases]))
        names = ("sharpness", "feature_distance", "texture_distance")
        found = {"PSNR in the hole, dB": row["psnr_hole"]} | {name.replace("_", " "): row[name] for name in names}
        return found | {"sharpest photo": sharpest}


@cache
def compare(hole_size: tuple[int, int]) -> Comparison:
    """All ways on all photos, with boxes of these sides in pixels."""
    complete = Completer.load(device="cpu").complete
    methods = dict(zip(WAYS, (complete, partial(complete, texture="none"), patchmatch, telea), strict=True))
    with whole_photos() as folder:
        task = Task.of(Catalog.open(folder), "random", seed=0, limit=PHOTOS, size=SIDE, hole_size=hole_size)
        return Comparison(folder.name, list(evaluate(task, methods, features=FeatureDistance.load())))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("hole_size", [LARGE, SMALL])
def test_quality_beside_speed(benchmark: BenchmarkFixture, hole_size: tuple[int, int], way: str) -> None:
    found = benchmark.pedantic(compare, (hole_size,), rounds=1)
    photos = f"{len(found.cases)} photos of {found.folder}"
    holes = f"at {SIDE}x{SIDE}, a box of {hole_size[0]} to {hole_size[1]} px each"
    write_row(
        benchmark,
        f"Peers: photos {holes}",
        f"{way}, {photos}",
        {OURS if name == way else name: found.timing(name) for name in WAYS},
        images=1,
        quality=found.quality(way),
        **({"headline": f"{way}, {photos} {holes}"} if hole_size == LARGE else {}),
    )
