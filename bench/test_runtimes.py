"""The completion network in each runtime, against PyTorch in the same run, with the error beside the speed.

    python -m bench bench/test_runtimes.py
    python -m bench -m gpu bench/test_runtimes.py

Base width 64 (the paper's), untrained, with batch norms that have seen photographs. On the CPU: `whole` is a photo of
that size against eager channels-last PyTorch with batch norms as they are; `window` is that region with its halo, away
from the photo's borders, against this engine's own torch runtime. The limit is the fp32 matrix product, which int8 and
bf16 may exceed. On a GPU: TensorRT against compiled PyTorch in bf16, forward alone and from photo to photo.
"""

import os
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from bench.limits import gemm
from bench.rows import ON_GPU, measure
from bench.setups import detailed_photo, square_holes, untrained
from engine.inference.calibration import Sample, calibrate, judged, network_inputs, psnr
from engine.inference.completer import Completer
from engine.inference.graphs.int8 import calibration_file, save_calibration
from engine.inference.runtimes import open_runtime
from engine.inference.runtimes.torch_runtime import TorchRuntime
from engine.inference.windows.layer_plan import NO_MARGINS, Margins, multiply_adds
from engine.inference.windows.network import WindowNetwork
from engine.networks import CompletionNetwork
from engine.spec import CompletionSpec
from engine.weights import NetworkWeights

HALO = CompletionSpec().halo
MARGINS = {"whole": NO_MARGINS, "window": Margins(HALO, HALO, HALO, HALO)}
MEMORY = 1 << 34
SIDE = 256

CPU_ROWS = [
    ("onnx", "fp32", "whole", 256),
    ("openvino", "fp32", "whole", 256),
    ("openvino", "fp32", "whole", 512),
    ("openvino", "fp32", "window", 256),
    ("openvino", "bf16", "whole", 512),
    ("openvino", "int8", "whole", 256),
    ("openvino", "int8", "whole", 512),
    ("openvino", "int8", "window", 256),
]
HEADLINES = {("openvino", "fp32", "whole", 512), ("openvino", "int8", "whole", 512)}


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """Four crops of a photograph, with a hole each."""
    import skimage.data

    photo_HW3 = skimage.data.astronaut()
    hole_HW = square_holes((SIDE, SIDE), 112)
    corners = [(y, x) for y in (0, SIDE) for x in (0, SIDE)]
    return [Sample(photo_HW3[y : y + SIDE, x : x + SIDE], hole_HW) for y, x in corners]


def photo_input(samples: list[Sample], side: int) -> Tensor:
    """`holed_14HW` of a part of a photograph, mirrored where it is too small, channels-last."""
    holed_14HW = torch.cat(list(network_inputs(untrained(2), samples[:1])))
    repeats = -(-side // SIDE)
    row = torch.cat([holed_14HW.flip(3) if i % 2 else holed_14HW for i in range(repeats)], 3)
    both = torch.cat([row.flip(2) if i % 2 else row for i in range(repeats)], 2)
    return both[:, :, :side, :side].contiguous(memory_format=torch.channels_last)


@pytest.fixture(scope="module")
def network(samples: list[Sample]) -> CompletionNetwork:
    network = untrained(64)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the statistics are the mean over what is seen
    with torch.no_grad():
        network.train()(photo_input(samples, SIDE))
    return network.eval()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "ENGINE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def int8_loss(cache: Path, network: CompletionNetwork, samples: list[Sample]) -> float:
    """The network's calibration lies beside its weights; dB that it loses."""
    network.file = cache / "network.safetensors"
    calibration = judged(network, calibrate(network, samples[:2]), samples[2:])
    save_calibration(calibration_file(network.file), network, calibration)
    return calibration.loss.int8_loss_db


def flops(side: int, margins: Margins) -> float:
    """Of a forward pass on a square input."""
    return 2.0 * multiply_adds(side, side, margins, base_width=64)


@pytest.mark.parametrize(("name", "precision", "kind", "side"), CPU_ROWS)
def test_cpu_runtimes(
    benchmark: BenchmarkFixture,
    network: CompletionNetwork,
    samples: list[Sample],
    int8_loss: float,
    name: str,
    precision: str,
    kind: str,
    side: int,
) -> None:
    margins = MARGINS[kind]
    holed_N4HW = photo_input(samples, side + margins.top + margins.bottom)
    eager = network.to(memory_format=torch.channels_last)
    own = TorchRuntime(network, precision="fp32", device="cpu", memory=MEMORY)
    runtime = open_runtime(name, NetworkWeights.of(network), precision=precision, memory=MEMORY)

    @torch.inference_mode()
    def pytorch() -> Tensor:
        return own.run(holed_N4HW, margins) if kind == "window" else eager(holed_N4HW)

    generated_N3HW, expected_N3HW = torch.as_tensor(runtime.run(holed_N4HW, margins)), pytorch()
    quality: dict[str, float | str] = {
        "largest difference": (generated_N3HW - expected_N3HW).abs().max().item(),
        "dB to fp32": round(psnr(generated_N3HW.numpy(), expected_N3HW.numpy()), 1),
    }
    if precision == "int8":
        quality["dB lost in holes"] = round(int8_loss, 3)
    row = (name, precision, kind, side)
    measure(
        benchmark,
        "Runtimes on the CPU",
        f"{name} {precision}, {kind}, {side}x{side}",
        lambda: runtime.run(holed_N4HW, margins),
        {"pytorch": pytorch},
        limit=gemm(),
        rounds=4,
        flops=flops(holed_N4HW.shape[2], margins),
        quality=quality,
        **({"headline": f"{name} {precision} against eager PyTorch"} if row in HEADLINES else {}),
    )
    assert quality["dB to fp32"] >= (20 if precision == "int8" else 30 if precision == "bf16" else 80)


gpu = [
    *ON_GPU,
    pytest.mark.skipif(not (find_spec("tensorrt") or find_spec("tensorrt_rtx")), reason="TensorRT is not installed"),
]


@pytest.fixture(scope="module")
def compiled(network: CompletionNetwork) -> nn.Module:
    """PyTorch at its best: folded, unpadded, bf16, channels-last, compiled."""
    module = WindowNetwork(network).to("cuda", torch.bfloat16, memory_format=torch.channels_last)
    return torch.compile(module, mode="max-autotune-no-cudagraphs", dynamic=False)


@pytest.mark.parametrize(("side", "batch"), [(560, 1), (560, 4), (1072, 1)])
@pytest.mark.parametrize("precision", [pytest.param(name, marks=gpu) for name in ("fp16", "bf16")])
def test_tensorrt_forward(
    benchmark: BenchmarkFixture,
    cache: Path,
    network: CompletionNetwork,
    samples: list[Sample],
    compiled: nn.Module,
    precision: str,
    side: int,
    batch: int,
) -> None:
    """A window of that side, a static one with its halo included, and its latency's 50th and 99th percentile."""
    runtime = open_runtime("tensorrt", NetworkWeights.of(network), precision=precision, device="cuda")
    margins = MARGINS["window"]
    holed_N4HW = photo_input(samples, side).cuda().expand(batch, -1, -1, -1).contiguous()
    bf16_N4HW = holed_N4HW.to(torch.bfloat16, memory_format=torch.channels_last)
    generated_N3HW = runtime.run(holed_N4HW, margins)
    expected_N3HW = TorchRuntime(network, precision="fp32", device="cuda").run(holed_N4HW, margins)
    latencies = [cuda_seconds(lambda: runtime.run(holed_N4HW, margins)) for _ in range(200)]
    with torch.inference_mode():
        measure(
            benchmark,
            "TensorRT, forward",
            f"{precision}, {batch} x {side}x{side}",
            lambda: runtime.run(holed_N4HW, margins),
            {"compiled bf16": lambda: compiled(bf16_N4HW, margins)},
            limit=gemm(torch.float16 if precision == "fp16" else torch.bfloat16, "cuda"),
            device="cuda",
            rounds=30,
            images=batch,
            flops=batch * flops(side, margins),
            quality={"dB to fp32": round(psnr(generated_N3HW.cpu().numpy(), expected_N3HW.cpu().numpy()), 1)},
            latency_p50_ms=round(1e3 * float(np.percentile(latencies, 50)), 3),
            latency_p99_ms=round(1e3 * float(np.percentile(latencies, 99)), 3),
        )


@pytest.mark.parametrize("side", [pytest.param(side, marks=gpu) for side in (128, 512)])
def test_tensorrt_end_to_end(benchmark: BenchmarkFixture, cache: Path, network: CompletionNetwork, side: int) -> None:
    """A hole of that side in a photo of 6 megapixels, from array to array."""
    photo_HW3, hole_HW = detailed_photo(2000, 3000), square_holes((2000, 3000), side)
    completers = {
        name: Completer.of(network, name, precision, "cuda")
        for name, precision in (("torch", "bf16"), ("tensorrt", "fp16"))
    }

    def complete(name: str) -> np.ndarray:
        return completers[name].complete(photo_HW3, hole_HW, octaves=0, texture="none")

    difference = np.abs(complete("tensorrt").astype(int) - complete("torch")).max()
    measure(
        benchmark,
        "TensorRT, photo to photo",
        f"hole of {side}x{side}",
        lambda: complete("tensorrt"),
        {"torch bf16": lambda: complete("torch")},
        device="cuda",
        rounds=20,
        images=1,
        quality={"largest difference, grey levels": float(difference)},
    )


def cuda_seconds(call: Callable[[], object]) -> float:
    """By the clock, with all work of the GPU done."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return time.perf_counter() - started
