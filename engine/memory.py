"""Memory on the CPU and the GPU: how much can still be taken, and whether what is freed stays with the process."""

import ctypes
import re
from contextlib import suppress
from pathlib import Path

UNKNOWN = 2 << 30
"""Bytes that are assumed to be free where the system does not say."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Of glibc's mallopt(3)."""


def free_memory(device: str, root: Path = Path("/")) -> int:
    """Bytes that could be allocated now on "cpu", "cuda" or "cuda:N".

    On a CPU that is with what the page cache would give up, within a container's limit. `root` is where the system's
    files are.
    """
    if device.startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info(device)[0]
    available = value_after("MemAvailable:", root / "proc/meminfo")
    free = UNKNOWN if available is None else 1024 * available
    group = root / "sys/fs/cgroup"  # of a container; elsewhere it has no limit
    limit, used = value_after("", group / "memory.max"), value_after("", group / "memory.current")
    if limit is not None and used is not None:
        free = min(free, limit - used + (value_after("inactive_file", group / "memory.stat") or 0))
    return max(free, 0)


def memory_limit(memory: int | None, device: str) -> int:
    """Bytes for one run of the network: `memory` if that is given, else half of what is free."""
    return memory or free_memory(device) // 2


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, for the layers to come. Without glibc, nothing happens.

    glibc gives buffers of some megabytes back to the system as soon as they are freed, and each layer of the network
    pays for getting them again, page by page: for a window of 812x812, 167 ms in place of 108 at base width 16, and
    2.0 s in place of 1.4 at 64 (two cores of an AMD EPYC). engine-infer then holds 2 to 10 % more at most, for a
    photo of 21 megapixels. For commands, not for a library to decide.
    """
    with suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in ((M_TRIM_THRESHOLD, 2**31 - 1), (M_MMAP_THRESHOLD, 2**30), (M_ARENA_MAX, 1)):
            mallopt(parameter, value)


def give_freed_memory_back() -> None:
    """The opposite, once: for a server that waits."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def value_after(name: str, file: Path) -> int | None:
    """The number on the line of a system's file that begins with `name`; None if there is none."""
    try:
        found = re.search(rf"^{name}\s*(\d+)", file.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None
