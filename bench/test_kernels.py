"""The Triton kernels on a CUDA device: close to the copy bandwidth, ahead of plain and of compiled PyTorch.

    make gpu-kernels       # or python -m bench -m gpu bench/test_kernels.py

Every time is the GPU's alone: the calls queue up behind a sleeping kernel, so that launching them costs nothing that is
measured. Inputs and outputs together are several times the L2 cache, and no two calls share any. Patch synthesis is the
exception: its holes fit into the cache, its plain version waits for the GPU, and so a call is timed from start to end.
"""

import copy
import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench import limits
from bench.kernel_work import PATCH_WORK, SIDE, TARGETS, WORK, make_inputs
from bench.rows import LIMIT, ON_GPU, OURS, measure, write_row
from bench.timing import Timing
from kernels.adadelta import Adadelta

pytestmark = ON_GPU

L2_MULTIPLE = 4
SLEEP_CYCLES = 100_000_000
"""Of the kernel that holds the queue: some 50 ms, longer than launching what is measured takes."""

SHARE_OF_COPY, OVER_EAGER, OVER_COMPILE, ADADELTA_OVER_FOREACH = 0.85, 4.0, 0.97, 3.0
"""The bounds; 0.97 because "not slower" is measured with noise."""


def gpu_timings(functions: dict[str, Callable[[Any], Any]], arguments: list[Any]) -> dict[str, Timing]:
    """Seconds per call on the GPU, in turns, the calls queued back to back, each with arguments and results of its own.

    Warming up, compilation included, is timed by the clock, with as many calls: a first allocation would wait for the
    sleeping kernel.
    """
    warm_up = {name: queued_seconds(function, arguments, by_clock=True) for name, function in functions.items()}
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(7):
        for name, function in functions.items():
            taken[name].append(queued_seconds(function, arguments))
    return {name: Timing.of(taken[name], warm_up[name]) for name in functions}


def queued_seconds(function: Callable[[Any], Any], arguments: list[Any], by_clock: bool = False) -> float:
    """Seconds per call of one queue of calls."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    began = time.perf_counter()
    if not by_clock:
        torch.cuda._sleep(SLEEP_CYCLES)
    start.record()
    results = [function(argument) for argument in arguments]
    assert by_clock or not start.query(), "launching took longer than the sleep: raise SLEEP_CYCLES"
    end.record()
    torch.cuda.synchronize()
    del results
    return (time.perf_counter() - began if by_clock else start.elapsed_time(end) / 1000) / len(arguments)


def copies_of(bytes_per_call: float, calls: int) -> Callable[[object], None]:
    """A copy that moves as much as one call, each time in other memory: what a launch costs is in it."""
    half = int(bytes_per_call / 2)
    pairs = [tuple(torch.empty(half, dtype=torch.uint8, device="cuda") for _ in range(2)) for _ in range(calls)]
    turn = itertools.cycle(pairs)

    def once(_: object) -> None:
        source, target = next(turn)
        target.copy_(source)

    return once


def calls_beyond_l2(bytes_per_call: float) -> int:
    l2 = torch.cuda.get_device_properties(0).L2_cache_size
    return max(3, int(L2_MULTIPLE * l2 / bytes_per_call) + 1)


@pytest.fixture(autouse=True)
def _fused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernels.launch._backend", "triton")
    torch.manual_seed(0)
    torch._dynamo.reset()


@pytest.mark.parametrize("batch", [96, 384])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["planar", "interleaved"])
@pytest.mark.parametrize("name", WORK)
def test_speed(benchmark: BenchmarkFixture, name: str, memory_format: torch.memory_format, batch: int) -> None:
    work, limit = WORK[name], limits.copying("cuda")
    bytes_per_call = work.bytes_per_pixel * batch * SIDE * SIDE
    inputs = [make_inputs(batch, memory_format) for _ in range(calls_beyond_l2(bytes_per_call))]
    fused = work.around(work.fused)
    functions: dict[str, Callable[[Any], Any]] = {
        OURS: fused,
        "eager": work.around(work.plain),
        # The forward pass is compiled, and with it its backward pass: autograd.grad would break the graph.
        "torch.compile": work.around(torch.compile(work.plain, fullgraph=True)),
        "copy of as many bytes": copies_of(bytes_per_call, len(inputs)),
        LIMIT: lambda _: limit.call(),
    }
    layout = "interleaved" if memory_format == torch.channels_last else "planar"
    timings = gpu_timings(functions, inputs)
    benchmark.pedantic(lambda: queued_seconds(fused, inputs), rounds=1)
    row = f"{name}, {layout}, batch {batch}"
    write_row(benchmark, "Kernels", row, timings, limit=limit, device="cuda", images=batch, moved=bytes_per_call)
    measured = benchmark.extra_info
    assert measured["share_of_limit"] >= SHARE_OF_COPY, measured
    assert measured["times_as_fast_as"]["eager"] >= OVER_EAGER, measured
    assert measured["times_as_fast_as"]["torch.compile"] >= OVER_COMPILE, measured


@pytest.mark.parametrize("network", ["CompletionNetwork", "ContextDiscriminator"])
def test_adadelta_speed(benchmark: BenchmarkFixture, network: str) -> None:
    from engine.networks import CompletionNetwork
    from engine.spec import CompletionSpec
    from engine.training.discriminator import ContextDiscriminator

    limit = limits.copying("cuda")
    model = CompletionNetwork(CompletionSpec()) if network == "CompletionNetwork" else ContextDiscriminator()
    model = model.to("cuda", memory_format=torch.channels_last)  # type: ignore[call-overload]
    moved = 28 * sum(param.numel() for param in model.parameters())
    steps: list[dict[str, Callable[[], Any]]] = []
    for _ in range(calls_beyond_l2(moved)):
        params = list(copy.deepcopy(model).parameters())
        for param in params:
            param.grad = torch.randn_like(param)
        steps.append({OURS: Adadelta(params).step,
                      "foreach": torch.optim.Adadelta(params, foreach=True).step})  # fmt: skip
    functions: dict[str, Callable[[Any], Any]] = {
        OURS: lambda step: step[OURS](),
        "foreach": lambda step: step["foreach"](),
        LIMIT: lambda _: limit.call(),
    }
    timings = gpu_timings(functions, steps)
    benchmark.pedantic(steps[0][OURS], rounds=1)
    write_row(benchmark, "Kernels", f"Adadelta, {network}", timings, limit=limit, device="cuda", moved=moved)
    assert benchmark.extra_info["times_as_fast_as"]["foreach"] >= ADADELTA_OVER_FOREACH, benchmark.extra_info


@pytest.mark.parametrize("name", PATCH_WORK)
def test_patch_speed(benchmark: BenchmarkFixture, name: str) -> None:
    work, limit = PATCH_WORK[name], limits.copying("cuda")
    arguments = work.arguments("cuda")
    measure(
        benchmark,
        "Kernels",
        f"{name}, {TARGETS}x{TARGETS}",
        lambda: work.fused(*arguments),
        {"eager": lambda: work.plain(*arguments)},
        limit=limit,
        device="cuda",
        moved=work.moved,
    )
    assert benchmark.extra_info["times_as_fast_as"]["eager"] > 1, benchmark.extra_info
