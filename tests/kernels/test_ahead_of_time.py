"""The Triton kernels compiled for GPUs that are not there: no spills, no stray fp64, accesses as wide as can be."""

import re

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

import triton
import triton.language as tl

from bench.kernel_cases import Case, cases
from bench.kernel_report import CAPABILITIES, compile_case, compiling_ahead

CASES = cases()

INEXACT = re.compile(
    r"\b(fma\.rn(?:\.ftz)?\.f(?:32|64)|div\.(?:full|approx)|(?:sqrt|rsqrt|rcp)\.approx|cvt\.rz[\w.]*\.bf16)"
)
"""Instructions that round otherwise than the references: fused, approximate, or toward zero. The fma.rn.bf16 of sm_80
is a product or a sum alone, exact but for its one rounding. No test in the interpreter shows any of them."""


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@pytest.mark.parametrize("capability", CAPABILITIES)
def test_what_it_compiles_to(case: Case, capability: int) -> None:
    kernel = compile_case(case, capability)
    assert kernel.spilled == 0
    assert (".f64" in kernel.ptx) == case.double
    assert INEXACT.findall(kernel.ptx) == []
    assert kernel.registers <= 128, "fewer than 16 warps fit a multiprocessor"
    # Everything that scales with the picture travels 16 bytes at a time, or as many as rows are aligned to; what does
    # not is listed in the case.
    assert case.wide * kernel.loads[case.wide] * kernel.threads >= case.loads * case.pixels
    assert case.wide * kernel.stores[case.wide] * kernel.threads >= case.stores * case.pixels
    assert set(kernel.loads + kernel.stores) - {case.wide} <= set(case.narrow)
    if case.kernel == "_vote_patches_kernel":
        assert ("div.rn.f64" if case.double else "div.rn.f32") in kernel.ptx
        assert "div.full" not in kernel.ptx


@triton.jit
def _inexact_kernel(x_ptr, y_ptr, rounded_ptr, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    x, y = tl.load(x_ptr + at), tl.load(y_ptr + at)
    tl.store(rounded_ptr + at, (x * y + tl.sqrt(x) / y).to(tl.bfloat16, fp_downcast_rounding="rtz"))


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_what_rounds_otherwise_is_seen_in_the_compiled_code(capability: int) -> None:
    x = torch.zeros(1024)
    with compiling_ahead(capability) as compiled:
        _inexact_kernel[(1,)](x, x, x.bfloat16(), BLOCK=1024, enable_fp_fusion=True)
    found = set(INEXACT.findall(compiled[0].ptx))
    assert {"fma.rn.f32", "div.full", "sqrt.approx"} <= found
    assert any(instruction.startswith("cvt.rz") for instruction in found)
