"""Abilities of the CPU, which training and inference must see alike."""

import os


def cpu_has_bf16() -> bool:
    """True if it has instructions for bfloat16; without, PyTorch computes in that all the same, but slower."""
    import torch

    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def cpu_threads() -> int:
    """The threads that one run of the network may have: OMP_NUM_THREADS, or one for each CPU that this process has."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return cpus()


def cpus() -> int:
    """The CPUs that this process has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
