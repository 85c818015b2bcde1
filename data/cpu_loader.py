"""Batches of crops decoded by OpenCV, in worker processes or in this one."""

import atexit
import errno
import math
import multiprocessing
import os
import shutil
import signal
import threading
import weakref
from collections.abc import Iterator
from functools import partial
from multiprocessing.util import Finalize, get_temp_dir

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from data.catalog import Catalog
from data.decode import decode_crop
from data.loading import Loader, Skipped, use_or_replace
from data.sampler import Crop, CropSampler

Ids = NDArray[np.int64]

_AHEAD = 2
"""Batches that each worker decodes ahead."""


class CpuLoader(Loader):
    """See Loader. `workers` processes decode ahead; 0 decodes in this process when a batch is asked for."""

    def __init__(
        self,
        catalog: Catalog,
        sampler: CropSampler,
        batch_size: int,
        *,
        rank: int = 0,
        ranks: int = 1,
        workers: int = 2,
        start: int = 0,
    ) -> None:
        super().__init__(catalog, sampler, batch_size, rank=rank, ranks=ranks, start=start)
        if workers < 0:
            raise ValueError(f"workers {workers}: give 0 to decode in this process, or a number of processes")
        self.workers = workers

    def _batches(self, start: int) -> Iterator[tuple[Tensor, list[Skipped]]]:
        several = self.workers > 0
        batches = DataLoader(
            _Crops(self.catalog, self.sampler),
            sampler=_IdsFrom(self, start),
            batch_size=None,  # the data set makes whole batches, in one piece of shared memory each
            num_workers=self.workers,
            multiprocessing_context=_start_method() if several else None,
            worker_init_fn=partial(_prepare_worker, os.getpid(), _folder_for_sockets()) if several else None,
            prefetch_factor=_AHEAD if several else None,
        )
        iterator = iter(batches)
        # Workers that are stopped only as the interpreter ends make it wait 5 s for each.
        atexit.register(_close, weakref.ref(self))
        try:
            for image_N3HW, passed in iterator:
                if isinstance(image_N3HW, Exception):
                    raise image_N3HW
                yield image_N3HW, passed
        finally:
            del iterator  # ends the workers now, where an exception's traceback would keep them


class _IdsFrom(Sampler[Ids]):
    """The sample numbers of batch after batch, without end."""

    def __init__(self, loader: Loader, start: int) -> None:
        self.loader, self.start = loader, start

    def __iter__(self) -> Iterator[Ids]:
        start = self.start
        while True:
            yield self.loader.ids(start)
            start += self.loader.batch_size * self.loader.ranks


class _Crops(Dataset[tuple[Tensor | Exception, list[Skipped]]]):
    """From sample numbers to a batch: what a worker process does."""

    def __init__(self, catalog: Catalog, sampler: CropSampler) -> None:
        self.catalog, self.sampler = catalog, sampler

    def __getitem__(self, ids_N: Ids) -> tuple[Tensor | Exception, list[Skipped]]:
        try:
            return decode_batch(self.catalog, self.sampler, ids_N)
        except (ValueError, OSError) as error:  # raised where it can be read, without the worker's traceback
            return error, []


def decode_batch(catalog: Catalog, sampler: CropSampler, ids_N: Ids) -> tuple[Tensor, list[Skipped]]:
    """The crops of some samples, uint8 channels-last of shape (N, 3, H, W), and the photos that had to be replaced."""
    image_NHW3 = empty_batch(len(ids_N), sampler.crop_size, sampler.crop_size, 3)
    out_NHW3 = image_NHW3.numpy()

    def use(n: int, crop: Crop) -> None:
        photo = crop.photo
        decode_crop(catalog.read(photo), crop, catalog.size(photo), catalog.orientation(photo), out_NHW3[n])

    passed = use_or_replace(catalog, sampler, ids_N, use)
    return image_NHW3.permute(0, 3, 1, 2), passed


def empty_batch(*shape: int) -> Tensor:
    """A uint8 tensor to be filled: in a worker, in the memory that it is sent in, as torch's own collation does.

    Else the batch is copied there: 1,160 crops of 256 a CPU second instead of 1,360 (medians of 8 turns, two workers).
    """
    worker = get_worker_info()
    if worker is None:
        return torch.empty(shape, dtype=torch.uint8)
    size = math.prod(shape)
    try:
        shared = torch.UntypedStorage._new_shared(size)
    except RuntimeError as error:
        if os.strerror(errno.ENOSPC) not in str(error):
            raise
        raise ValueError(_little_shared_memory(size, worker.num_workers)) from None
    return torch.empty(0, dtype=torch.uint8).set_(shared).view(shape)


def _little_shared_memory(batch_bytes: int, workers: int) -> str:
    """The advice where the batches do not fit; besides those decoded ahead, one is used and one is handed over."""
    try:
        about = os.statvfs("/dev/shm")
        there = f"/dev/shm, the shared memory, has {about.f_blocks * about.f_frsize / 2**20:.0f} MiB"
    except OSError:
        there = "the shared memory is full"
    needed = (_AHEAD * workers + 2) * batch_bytes
    return (
        f"{there}; the batches of {workers} workers need up to {needed / 2**20:.0f} MiB of it (for each GPU): "
        f"give a container more (docker run --shm-size={math.ceil(needed / 2**30)}g), "
        "or decode without worker processes (--workers 0)"
    )


def _start_method() -> str:
    """Forked workers start in milliseconds, where others import torch first (2 s each), and leave no tracker process
    behind that would complain of a killed run."""
    return "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"


def _close(loader: "weakref.ref[CpuLoader]") -> None:
    if (still_there := loader()) is not None:
        still_there.close()


def _folder_for_sockets() -> str | None:
    """Make the folder that multiprocessing has for a process's sockets, so that workers find it and make none.

    This process removes it at its end; if it is killed, its workers do. Not one (None) that it has from its own parent.
    """
    folder = get_temp_dir()
    return folder if multiprocessing.parent_process() is None else None


def _prepare_worker(parent: int, sockets: str | None, worker: int) -> None:
    """One thread, since every core has a process; and signals to the whole run are the main process's to handle."""
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A scheduler ends a run by SIGTERM to all its processes, a closed terminal by SIGHUP, and the main one needs its
    # workers to finish the step.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
    # torch's own loop may be the first to see that the main process is gone, and returns from this one.
    Finalize(None, _remove_if_orphaned, args=(parent, sockets), exitpriority=-100)
    threading.Thread(target=_end_when_parent_says, args=(parent, sockets), daemon=True).start()


def _end_when_parent_says(parent: int, sockets: str | None) -> None:
    """Wait for a SIGTERM that comes from the main process, or for that to be gone without a word.

    torch looks for the latter too, but asks the worker who its parent is, which is too late where that was killed
    while the worker still started.
    """
    while os.getppid() == parent:
        received = signal.sigtimedwait({signal.SIGTERM}, 1.0)
        if received is not None and received.si_pid == parent:
            break
    _remove_if_orphaned(parent, sockets)
    os._exit(0)


def _remove_if_orphaned(parent: int, sockets: str | None) -> None:
    """Remove the folder that the main process has left behind, if that is gone."""
    if sockets and os.getppid() != parent:
        shutil.rmtree(sockets, ignore_errors=True)
