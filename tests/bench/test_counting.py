"""What the gate counts is what was done."""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench import counting, limits, rows
from bench.timing import Timing


def test_a_matrix_product_is_counted_exactly() -> None:
    a, b = torch.rand(8, 16), torch.rand(16, 32)
    counts = counting.count(lambda: a @ b)
    assert counts == {
        "operators": 1,
        "bytes moved": 4 * (8 * 16 + 16 * 32 + 8 * 32),
        "FLOPs": 2 * 8 * 16 * 32,
        "peak memory": 4 * 8 * 32,
    }
    assert counting.flops_of(lambda: a @ b) == counts["FLOPs"]


def test_the_peak_is_what_was_held_at_once() -> None:
    def work() -> None:
        for _ in range(3):
            torch.ones(1000) + torch.ones(1000)

    assert counting.peak_memory(work) == 3 * 4000


def test_peak_resident_sees_memory_that_is_given_back() -> None:
    size = 2**28
    peak = counting.peak_resident(lambda: bytearray(b"x") * size)
    assert 0.99 * size < peak < 1.2 * size  # the kernel counts in steps


def test_a_graph_break_and_a_recompile_are_seen() -> None:
    torch._dynamo.reset()
    sizes = iter((2, 3, 4))

    def broken(x: torch.Tensor) -> torch.Tensor:
        x = x * 2
        torch._dynamo.graph_break()
        return x + 1

    compiled = torch.compile(broken, backend="eager", dynamic=False)
    assert counting.compilations(lambda: compiled(torch.ones(2))) == {"graphs": 2, "graph breaks": 1, "recompiles": 0}
    torch._dynamo.reset()
    counts = counting.compilations(lambda: compiled(torch.ones(next(sizes))))
    assert counts["recompiles"] == 4


def test_a_row_says_what_it_was_measured_on(benchmark: BenchmarkFixture) -> None:
    limit = limits.Limit("adding", limits.FLOPS, 1000, lambda: sum(range(1000)))
    rows.measure(benchmark, "T", "r", lambda: sum(range(2000)), {"plain": lambda: sum(range(9000))}, limit=limit,
                 flops=2000, images=3, quality={"error": 0.0})  # fmt: skip
    info = benchmark.extra_info
    assert info["times_as_fast_as"].keys() == {"plain"}
    assert info["p20_ms"] <= info["p50_ms"] <= info["p80_ms"]
    assert info["images_per_s"] == pytest.approx(3000 / info["p50_ms"], rel=0.01)
    assert info["share_of_limit"] == pytest.approx(info["flops_per_s"] / info["limit_rate"], abs=0.001)
    assert limits.best_rates["adding, FLOP/s"] == info["limit_rate"]
    assert {"device", "versions", "commit"} <= info.keys()
    assert f"torch {torch.__version__.split('+')[0]}" in info["versions"]
    assert "cores" in info["device"]


def test_percentiles() -> None:
    timing = Timing.of([float(value) for value in range(11)], warm_up=99)
    assert (timing.p20, timing.p50, timing.p80, timing.best, timing.warm_up) == (2, 5, 8, 0, 99)
