"""The completion network in each runtime on the CPU: time against PyTorch's in one run, with the error beside it.

    python -m pytest bench/test_runtimes.py --benchmark-only -s

`padded` is a whole 256x256 or 512x512 photo, against eager channels-last PyTorch with batch norms as they are;
`interior` is a window with that region and its halo, against this engine's own torch runtime. Base width 64 (the
paper's), fp32, untrained (time does not depend on the weights' values). The share is of the fp32 GEMM rate that PyTorch
reaches, measured between the runs: on a machine that is not quiet it may come out above 1.
"""

import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from engine.inference.runtimes import open_runtime
from engine.inference.runtimes.torch_runtime import TorchRuntime
from engine.inference.window_network import NO_MARGINS, Margins, layer_weights, multiply_adds
from engine.networks import CompletionNetwork, CompletionSpec

HALO = CompletionSpec().halo
INTERIOR = Margins(HALO, HALO, HALO, HALO)
ROUNDS = 3
GEMM = 2048
"""Side of the matrices whose product is the machine's measured limit."""


@pytest.fixture(scope="module")
def network() -> CompletionNetwork:
    torch.manual_seed(0)
    return CompletionNetwork(CompletionSpec()).eval().requires_grad_(False)


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


@pytest.mark.parametrize("name", ["onnx", "openvino"])
@pytest.mark.parametrize("side", [256, 512])
@pytest.mark.parametrize("kind", ["padded", "interior"])
def test_cpu_runtimes(benchmark, network, name, side, kind):
    margins = INTERIOR if kind == "interior" else NO_MARGINS
    holed_N4HW = torch.rand(1, 4, side + margins.top + margins.bottom, side + margins.left + margins.right)
    holed_N4HW = holed_N4HW.contiguous(memory_format=torch.channels_last)
    eager = network.to(memory_format=torch.channels_last)
    ours = TorchRuntime(network, device="cpu", memory=1 << 34)
    runtime = open_runtime(name, network, memory=1 << 34)

    @torch.inference_mode()
    def pytorch() -> Tensor:
        return ours.run(holed_N4HW, margins) if kind == "interior" else eager(holed_N4HW)

    difference = (runtime.run(holed_N4HW, margins) - pytorch()).abs().max().item()
    matrix = torch.rand(GEMM, GEMM)
    taken: dict[str, list[float]] = {"pytorch": [], name: [], "gemm": []}
    for _ in range(ROUNDS):  # turn by turn, so that what else the machine does touches both
        taken["pytorch"].append(seconds(pytorch))
        taken[name].append(seconds(lambda: runtime.run(holed_N4HW, margins)))
        taken["gemm"] += [seconds(lambda: matrix @ matrix) for _ in range(3)]
    benchmark.pedantic(lambda: runtime.run(holed_N4HW, margins), rounds=1)
    side_outputs = multiply_adds(holed_N4HW.shape[2], margins.top, margins.bottom)
    work = sum(outputs**2 * weight for outputs, weight in zip(side_outputs, layer_weights(), strict=True))
    benchmark.extra_info |= {
        "times_as_fast_as_pytorch": round(min(taken["pytorch"]) / min(taken[name]), 2),
        "share_of_gemm_rate": round(work / min(taken[name]) * min(taken["gemm"]) / GEMM**3, 2),
        "largest_difference": difference,
        "seconds": round(min(taken[name]), 3),
    }
    print(f"\n{name} {kind} {side}: {benchmark.extra_info}")
    assert difference < 1e-4
