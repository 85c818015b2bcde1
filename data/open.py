"""The choice of a run's loader."""

import logging
from typing import Literal

import torch

from data.catalog import Catalog
from data.cpu_loader import CpuLoader
from data.loading import INSTALL_DALI, Loader
from data.sampler import CropSampler

log = logging.getLogger(__name__)


def open_loader(
    kind: Literal["auto", "dali", "cpu"],
    catalog: Catalog,
    sampler: CropSampler,
    batch_size: int,
    *,
    device: torch.device,
    rank: int = 0,
    ranks: int = 1,
    workers: int = 2,
    start: int = 0,
) -> Loader:
    """The loader asked for; `auto` is DALI where CUDA and DALI are, else OpenCV in worker processes.

    `workers` is the number of processes (cpu) or threads (dali). Batches of DALI on a CUDA `device` are already there.
    ValueError if `dali` is asked for and not installed.
    """
    if kind == "auto":
        kind, reason = _choose(device)
        log.info("photos are decoded by the %s loader: %s", kind, reason)
    if kind == "dali":
        from data.dali_loader import DaliLoader

        gpu = device.index or 0 if device.type == "cuda" else None
        return DaliLoader(
            catalog, sampler, batch_size, rank=rank, ranks=ranks, threads=max(1, workers), start=start, device_id=gpu
        )
    return CpuLoader(catalog, sampler, batch_size, rank=rank, ranks=ranks, workers=workers, start=start)


def _choose(device: torch.device) -> tuple[Literal["dali", "cpu"], str]:
    if device.type != "cuda":
        return "cpu", f"training runs on {device.type}"
    try:
        import nvidia.dali  # noqa: F401
    except ImportError:
        return "cpu", f"DALI is not installed ({INSTALL_DALI})"
    return "dali", "CUDA and DALI are there"
