"""The Triton kernels compiled for GPUs that are not there: no spills, no stray fp64, accesses as wide as can be."""

import pytest

pytest.importorskip("triton", reason="Triton is not installed")

from bench.kernel_cases import Case, cases
from bench.kernel_report import CAPABILITIES, compile_case

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@pytest.mark.parametrize("capability", CAPABILITIES)
def test_what_it_compiles_to(case: Case, capability: int) -> None:
    kernel = compile_case(case, capability)
    assert kernel.spilled == 0
    assert (".f64" in kernel.ptx) == case.double
    assert kernel.registers <= 128, "fewer than 16 warps fit a multiprocessor"
    # Everything that scales with the picture travels 16 bytes at a time, or as many as rows are aligned to; what does
    # not is listed in the case.
    assert case.wide * kernel.loads[case.wide] * kernel.threads >= case.loads * case.pixels
    assert case.wide * kernel.stores[case.wide] * kernel.threads >= case.stores * case.pixels
    assert set(kernel.loads + kernel.stores) - {case.wide} <= set(case.narrow)
    if case.kernel == "_vote_patches_kernel":
        assert ("div.rn.f64" if case.double else "div.rn.f32") in kernel.ptx
        assert "div.full" not in kernel.ptx
