"""The Triton kernels compiled for GPUs that are not there: no spills, no fp64, 16-byte accesses on the aligned path."""

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
    assert ".f64" not in kernel.ptx
    assert kernel.registers <= 128, "fewer than 16 warps fit a multiprocessor"
    # Everything that scales with the picture travels 16 bytes at a time; what does not is listed in the case.
    assert 16 * kernel.loads[16] * kernel.threads >= case.loads * case.pixels
    assert 16 * kernel.stores[16] * kernel.threads >= case.stores * case.pixels
    assert set(kernel.loads + kernel.stores) - {16} <= set(case.narrow)
