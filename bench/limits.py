"""What this machine can do at most, measured now: the ceilings that every benchmark is held against.

    python -m bench.limits            # all of them, in a table

A `Limit` is a piece of work that does nothing else than what it measures. Benchmarks run it in turns with what they
measure (`bench.rows`), since the machine's speed changes; the best rate seen in this process is kept and printed.
"""

import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from bench.timing import in_turns

GEMM_SIDE = {"cpu": 2048, "cuda": 8192}
ROWS, INNER, COLUMNS = 16384, 1024, 256
"""Of the matrices whose product oneDNN is timed with: of five shapes the fastest in fp32."""
CPU_FLOAT16_SIDE = 256
"""PyTorch's CPU libraries have no fast routine for it: 0.2 GFLOP/s on an AMD EPYC of 2024."""

COPY_BYTES = {"cpu": 2**28, "cuda": 2**30}
"""Several times the last cache."""

DISK_BYTES, DISK_PIECE = 2**28, 2**23
ROUNDS = 5

FLOPS, BYTES, PIXELS = "FLOP/s", "bytes/s", "pixels/s"

best_rates: dict[str, float] = {}
"""The highest rate seen in this process of each limit, by its name with its unit."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Work that goes as fast as the machine can; `call` does `work` units of it."""

    name: str
    unit: str
    work: float
    call: Callable[[], object]
    device: str = "cpu"

    def rate(self, seconds: float) -> float:
        """Units per second of a call that took this long; remembered if it is the best so far."""
        rate, key = self.work / seconds, f"{self.name}, {self.unit}"
        best_rates[key] = max(rate, best_rates.get(key, 0.0))
        return rate


@cache
def gemm(dtype: torch.dtype = torch.float32, device: str = "cpu", tf32: bool = False) -> Limit:
    """The product of two large matrices of `dtype` (int8 accumulates in int32), a multiply-add counted as two.

    `tf32` lets a GPU round fp32 factors to TF32, as convolutions do by default.
    """
    if device == "cpu" and dtype in (torch.float32, torch.bfloat16):
        return onednn_gemm(dtype)
    side = CPU_FLOAT16_SIDE if (dtype, device) == (torch.float16, "cpu") else GEMM_SIDE[device]
    a, b = (
        torch.randint(-100, 100, (side, side), dtype=dtype, device=device)
        if dtype is torch.int8
        else torch.randn(side, side, device=device).to(dtype)
        for _ in range(2)
    )

    def multiply() -> torch.Tensor:
        allowed, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, tf32
        # The second factor by columns: cuBLAS of CUDA 13 has no int8 kernel for two factors by rows.
        product = torch._int_mm(a, b.t()) if dtype is torch.int8 else a @ b
        torch.backends.cuda.matmul.allow_tf32 = allowed
        return product

    name = "TF32" if tf32 else str(dtype).removeprefix("torch.")
    return Limit(f"{name} GEMM on {device}", FLOPS, 2 * side**3, multiply, device)


def onednn_gemm(dtype: torch.dtype) -> Limit:
    """A matrix product on the CPU as a 1x1 convolution, which oneDNN computes, as it does all of a network's.

    `a @ b` in fp32 is MKL's, which on an AMD EPYC of 2024 gives 180 GFLOP/s where oneDNN gives 440.
    """
    pixels_NKHW = torch.randn(1, INNER, ROWS // 128, 128).to(dtype, memory_format=torch.channels_last)
    weights_MK11 = torch.randn(COLUMNS, INNER, 1, 1).to(dtype, memory_format=torch.channels_last)

    @torch.inference_mode()
    def multiply() -> torch.Tensor:
        return torch.nn.functional.conv2d(pixels_NKHW, weights_MK11)

    name = str(dtype).removeprefix("torch.")
    return Limit(f"{name} GEMM on cpu", FLOPS, 2 * ROWS * INNER * COLUMNS, multiply)


@cache
def copying(device: str = "cpu") -> Limit:
    """A copy of a large tensor to another, counting the bytes read and those written."""
    source = torch.ones(COPY_BYTES[device], dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    return Limit(f"copy on {device}", BYTES, 2 * source.numel(), lambda: target.copy_(source), device)


@cache
def decoding(threads: int = 1) -> Limit:
    """Decoding JPEG photographs of 512x512 at quality 90 with OpenCV's library, each in one of so many threads."""
    import cv2
    import skimage.data

    encoded = cv2.imencode(".jpg", skimage.data.astronaut(), [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    count = 8 * threads
    pool = ThreadPoolExecutor(threads)

    def decode() -> None:
        list(pool.map(lambda _: cv2.imdecode(encoded, cv2.IMREAD_COLOR), range(count)))

    return Limit(f"JPEG decoding, {threads} thread{'s' * (threads > 1)}", PIXELS, count * 512 * 512, decode)


@cache
def reading_disk() -> Limit:
    """Reading a file in pieces of 8 MiB, its pages dropped from the kernel's cache before.

    In the folder for temporary files; where that is kept in memory, it is memory's speed.
    """
    handle, piece = nameless_file(), bytearray(DISK_PIECE)

    def read() -> None:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.lseek(handle, 0, os.SEEK_SET)
        while os.readv(handle, [piece]):
            pass

    return Limit("disk read", BYTES, DISK_BYTES, read)


@cache
def writing_disk() -> Limit:
    """Writing a file in pieces of 8 MiB and waiting until the disk has it, in the folder for temporary files."""
    handle, piece = nameless_file(), os.urandom(DISK_PIECE)

    def write() -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        for _ in range(DISK_BYTES // DISK_PIECE):
            os.write(handle, piece)
        os.fsync(handle)

    return Limit("disk write", BYTES, DISK_BYTES, write)


def nameless_file() -> int:
    """A file on disk, of random bytes, that is gone with this process."""
    handle, name = tempfile.mkstemp()
    Path(name).unlink()
    for _ in range(DISK_BYTES // DISK_PIECE):
        os.write(handle, os.urandom(DISK_PIECE))
    os.fsync(handle)
    return handle


def best_rate(limit: Limit) -> float:
    """The limit's rate, measured if this process has not yet done so."""
    key = f"{limit.name}, {limit.unit}"
    if key not in best_rates:
        limit.rate(in_turns({key: limit.call}, ROUNDS, limit.device)[key].best)
    return best_rates[key]


def all_limits() -> list[Limit]:
    """Every limit that this machine has."""
    dtypes = (torch.float32, torch.bfloat16, torch.float16, torch.int8)
    limits = [*(gemm(dtype) for dtype in dtypes), copying(), decoding(), reading_disk(), writing_disk()]
    if torch.cuda.is_available():
        limits += [*(gemm(dtype, "cuda") for dtype in dtypes), gemm(torch.float32, "cuda", tf32=True), copying("cuda")]
    return limits


def lines() -> list[str]:
    """What has been measured in this process, readable: to be printed with every table."""
    return [f"{name:32} {rate / 1e9:12,.2f} 10^9" for name, rate in sorted(best_rates.items())]


def main() -> None:
    for limit in all_limits():
        best_rate(limit)
    print("\n".join(lines()))


if __name__ == "__main__":
    main()
