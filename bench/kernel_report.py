"""What the Triton kernels compile to, without a GPU: registers, shared memory, spills, access widths, instructions.

    python -m bench.kernel_report            # sm_80, sm_90 and sm_120

Each kernel goes through its real launch code with tensors of the training's shapes on the CPU; Triton then compiles
exactly what it would have run, for a GPU that need not be there, and the launch itself is left out. Beside that, the
bytes that the same work moves as plain PyTorch: inputs and outputs of every operation that it dispatches.
"""

import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from bench.counting import Moved
from bench.kernel_cases import Case, cases
from bench.kernel_work import WORK, make_inputs

CAPABILITIES = (80, 90, 120)


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """What ptxas made of a kernel."""

    name: str
    threads: int
    registers: int
    spilled: int
    shared: int
    loads: Counter[int]
    """Global loads per thread, by width in bytes."""
    stores: Counter[int]
    instructions: int
    ptx: str


class GpuThatIsNotThere:
    """As much of a Triton driver as compiling takes."""

    def __init__(self, capability: int) -> None:
        self.capability = capability

    def get_current_target(self) -> Any:
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", self.capability, 32)

    def get_current_device(self) -> int:
        return self.capability  # one cache of compiled kernels for each

    def get_current_stream(self, device: int) -> int:
        return 0


@contextmanager
def compiling_ahead(capability: int) -> Iterator[list[Compiled]]:
    """Inside, a Triton launch only compiles, for `capability` (90 = sm_90); the list says what came out."""
    from triton.runtime.driver import driver
    from triton.runtime.jit import JITFunction

    compiled: list[Compiled] = []
    run, active = JITFunction.run, driver._active

    def compile_only(self: Any, *args: Any, grid: Any, warmup: bool, **options: Any) -> None:
        compiled.append(examine(run(self, *args, grid=grid, warmup=True, **options)))

    JITFunction.run = compile_only
    driver.set_active(GpuThatIsNotThere(capability))
    try:
        yield compiled
    finally:
        JITFunction.run, driver._active = run, active


def examine(kernel: Any) -> Compiled:
    """Read a compiled kernel's PTX, cubin and SASS with the tools of Triton's wheel."""
    with TemporaryDirectory() as folder:
        cubin = Path(folder) / "kernel.cubin"
        cubin.write_bytes(kernel.asm["cubin"])
        usage = nvidia_tool("cuobjdump", "-res-usage", cubin)
        sass = nvidia_tool("nvdisasm", "-c", cubin)
    used = {name: int(number) for name, number in re.findall(r"(REG|STACK|LOCAL):(\d+)", usage)}
    ptx = kernel.asm["ptx"]
    return Compiled(
        name=kernel.metadata.name,
        threads=32 * kernel.metadata.num_warps,
        registers=used["REG"],
        spilled=used["STACK"] + used["LOCAL"],
        shared=kernel.metadata.shared,
        loads=access_widths(ptx, "ld.global"),
        stores=access_widths(ptx, "st.global"),
        instructions=len(re.findall(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?!.*\bNOP\b)", sass, re.MULTILINE)),
        ptx=ptx,
    )


def nvidia_tool(name: str, *arguments: str | Path) -> str:
    import triton

    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / name
    return subprocess.run([tool, *arguments], check=True, capture_output=True, text=True).stdout


def access_widths(ptx: str, operation: str) -> Counter[int]:
    """How many accesses of each width in bytes the PTX has."""
    found = re.findall(rf"\b{re.escape(operation)}[\w:.]*?(?:\.v(\d))?\.b(\d+)\s", ptx)
    return Counter(int(vector or 1) * int(bits) // 8 for vector, bits in found)


def compile_case(case: Case, capability: int) -> Compiled:
    """The kernel that `case` is about."""
    with compiling_ahead(capability) as compiled:
        case.call()
    return next(kernel for kernel in compiled if kernel.name == case.kernel)


def plain_bytes_per_pixel() -> dict[str, float]:
    """Of the references of `WORK`, and of torch's Adadelta."""
    inputs = make_inputs(2, torch.channels_last, "cpu")
    pixels = inputs.mask.numel()
    param = torch.nn.Parameter(torch.zeros(pixels))
    param.grad = torch.zeros_like(param)
    optimiser = torch.optim.Adadelta([param], foreach=False)  # the passes of foreach=True, each in an operation
    optimiser.step()
    calls: dict[str, Callable[[], Any]] = {
        name: partial(work.around(work.plain), inputs) for name, work in WORK.items()
    }
    moved = {}
    for name, call in (calls | {"adadelta": optimiser.step}).items():
        with Moved() as counter:
            call()
        moved[name] = counter.bytes / pixels
    return moved


def main() -> None:
    moved = plain_bytes_per_pixel()
    print("Bytes per pixel (for Adadelta, per parameter) of the same work in plain PyTorch:")
    print("; ".join(f"{name} {count:.0f}" for name, count in moved.items()) + "\n")
    print(
        f"{'':34} {'sm':>4} {'regs':>5} {'shared':>7} {'spilled':>8} {'B/pixel':>8} {'instr/pixel':>12}  loads; stores"
    )
    for case in cases():
        for capability in CAPABILITIES:
            kernel = compile_case(case, capability)
            widths = "; ".join(
                " ".join(f"{count}x{width}B" for width, count in sorted(accesses.items(), reverse=True))
                for accesses in (kernel.loads, kernel.stores)
            )
            per_pixel = kernel.instructions * kernel.threads / case.pixels
            print(
                f"{case.name:34} {capability:4} {kernel.registers:5} {kernel.shared:7} {kernel.spilled:8} "
                f"{case.total:8} {per_pixel:12.0f}  {widths}"
            )


if __name__ == "__main__":
    main()
