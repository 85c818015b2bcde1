"""Batches of crops decoded by OpenCV, in worker processes or in this one."""

import multiprocessing
import signal
from collections.abc import Iterator

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from data.catalog import BadPhoto, Catalog
from data.decode import Pixels, decode_crop
from data.loading import MOST_REPLACEMENTS, Loader
from data.sampler import CropSampler

Ids = NDArray[np.int64]


class CpuLoader(Loader):
    """See Loader. `workers` processes decode ahead; 0 decodes in this process when a batch is asked for.

    `pin` puts batches in page-locked memory, from which a GPU copies asynchronously.
    """

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
        pin: bool = False,
    ) -> None:
        super().__init__(catalog, sampler, batch_size, rank=rank, ranks=ranks, start=start)
        if workers < 0:
            raise ValueError(f"workers {workers}: give 0 to decode in this process, or a number of processes")
        self.workers, self.pin = workers, pin

    def _batches(self, start: int) -> Iterator[tuple[Tensor, list[BadPhoto]]]:
        batches = DataLoader(
            _Crops(self.catalog, self.sampler),
            sampler=_IdsFrom(self, start),
            batch_size=None,  # the data set makes whole batches, in one piece of shared memory each
            num_workers=self.workers,
            multiprocessing_context=_context() if self.workers else None,
            worker_init_fn=_be_quiet_worker,
            prefetch_factor=2 if self.workers else None,
            pin_memory=self.pin,
        )
        return iter(batches)

    def _stop(self) -> None:
        pass  # DataLoader ends its workers as its iterator goes


class _IdsFrom(Sampler[Ids]):
    """The sample numbers of batch after batch, without end."""

    def __init__(self, loader: Loader, start: int) -> None:
        self.loader, self.start = loader, start

    def __iter__(self) -> Iterator[Ids]:
        start = self.start
        while True:
            yield self.loader.ids(start)
            start += self.loader.batch_size * self.loader.ranks


class _Crops(Dataset[tuple[Tensor, list[BadPhoto]]]):
    """From sample numbers to a batch: what a worker process does."""

    def __init__(self, catalog: Catalog, sampler: CropSampler) -> None:
        self.catalog, self.sampler = catalog, sampler

    def __getitem__(self, ids_N: Ids) -> tuple[Tensor, list[BadPhoto]]:
        size = self.sampler.crop_size
        image_NHW3 = torch.empty(len(ids_N), size, size, 3, dtype=torch.uint8)
        bad: list[BadPhoto] = []
        for sample, out_HW3 in zip(ids_N.tolist(), image_NHW3.numpy(), strict=True):
            self._fill(sample, out_HW3, bad)
        return image_NHW3.permute(0, 3, 1, 2), bad

    def _fill(self, sample: int, out_HW3: Pixels, bad: list[BadPhoto]) -> None:
        """The crop of a sample, or of the first one after it whose photo can be used."""
        for candidate in range(sample, sample + MOST_REPLACEMENTS):
            (crop,) = self.sampler.crops(np.array([candidate]))
            try:
                orientation = int(self.catalog.columns["orientation"][crop.photo])
                decode_crop(self.catalog.read(crop.photo), crop, self.catalog.size(crop.photo), orientation, out_HW3)
                return
            except ValueError as reason:
                bad.append(BadPhoto(self.catalog.name(crop.photo), str(reason)))
        raise ValueError(
            f"{MOST_REPLACEMENTS} photos in a row cannot be used, the last being {bad[-1].name} ({bad[-1].reason}): "
            f"is {self.catalog.root} whole? engine-data check tells which photos to leave out"
        )


def _context() -> str:
    return "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"


def _be_quiet_worker(worker: int) -> None:
    """One thread each, since there is a process for each core; Ctrl-C is the main process's to handle."""
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
