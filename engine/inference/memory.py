"""How much memory can still be taken: what the limits on windows and batches follow from."""

import re
from pathlib import Path

import torch

UNKNOWN = 2 << 30
"""Bytes that are assumed to be free where the system does not say."""


def free_memory(device: torch.device, root: Path = Path("/")) -> int:
    """Bytes that could be allocated now: on a CPU with what the page cache would give up, within a container's limit.

    `root` is where the system's files are.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    available = value_after("MemAvailable:", root / "proc/meminfo")
    free = UNKNOWN if available is None else 1024 * available
    group = root / "sys/fs/cgroup"  # of a container; elsewhere it has no limit
    limit, used = value_after("", group / "memory.max"), value_after("", group / "memory.current")
    if limit is not None and used is not None:
        free = min(free, limit - used + (value_after("inactive_file", group / "memory.stat") or 0))
    return max(free, 0)


def value_after(name: str, file: Path) -> int | None:
    """The number on the line of a system's file that begins with `name`; None if there is none."""
    try:
        found = re.search(rf"^{name}\s*(\d+)", file.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None
