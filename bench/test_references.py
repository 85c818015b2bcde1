"""What the kernels' plain versions take on a CPU, where they are what runs: python -m bench bench/test_references.py

The bytes are those that a fused kernel would move, so that the share of the copy's rate is what fusing could win.
"""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench import limits
from bench.kernel_work import PATCH_WORK, SIDE, TARGETS, WORK, make_inputs
from bench.rows import measure

BATCH = 8


@pytest.mark.parametrize("name", WORK)
def test_reference(benchmark: BenchmarkFixture, name: str) -> None:
    torch.manual_seed(0)
    inputs, work = make_inputs(BATCH, torch.channels_last, "cpu"), WORK[name]
    call = work.around(work.fused)
    measure(
        benchmark,
        "Kernels: plain versions on the CPU",
        f"{name}, bf16, batch {BATCH} of {SIDE}x{SIDE}",
        lambda: call(inputs),
        limit=limits.copying(),
        images=BATCH,
        moved=work.bytes_per_pixel * BATCH * SIDE * SIDE,
    )


@pytest.mark.parametrize("name", PATCH_WORK)
def test_patch_reference(benchmark: BenchmarkFixture, name: str) -> None:
    torch.manual_seed(0)
    work = PATCH_WORK[name]
    arguments = work.arguments("cpu")
    measure(
        benchmark,
        "Kernels: plain versions on the CPU",
        f"{name}, {TARGETS}x{TARGETS}",
        lambda: work.fused(*arguments),
        limit=limits.copying(),
        moved=work.moved,
    )
