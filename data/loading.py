"""The common part of both loaders: the batch, the place in the order of samples, and what becomes of bad photos."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.catalog import Catalog
from data.headers import Unusable
from data.sampler import Crop, CropSampler

log = logging.getLogger(__name__)

MOST_REPLACEMENTS = 100
"""So many unusable photos in a row are no accident."""


INSTALL_DALI = "pip install 'glcic-engine[dali]'"


class Skipped(NamedTuple):
    """A photo of the catalog that could not be used for a sample, and why."""

    photo: int
    reason: str


class Batch(NamedTuple):
    """Crops of N photos."""

    image_N3HW: Tensor
    """uint8 RGB, channels-last in memory, on the loader's device."""
    ids_N: Tensor
    """int64 numbers of the samples, on the CPU: what the sampler and the masks are functions of."""


def use_or_replace(
    catalog: Catalog, sampler: CropSampler, ids_N: NDArray[np.int64], use: Callable[[int, Crop], None]
) -> list[Skipped]:
    """Call `use(n, crop)` with the crop of each sample, or of the first after it for which `use` is not Unusable.

    Returns the photos that were passed over. ValueError if too many in a row are.
    """
    passed: list[Skipped] = []
    for n, first in enumerate(sampler.crops(ids_N)):
        crop = first
        for attempt in range(1, MOST_REPLACEMENTS + 1):
            try:
                use(n, crop)
                break
            except Unusable as reason:
                passed.append(Skipped(crop.photo, str(reason)))
                (crop,) = sampler.crops(ids_N[n : n + 1] + attempt)
        else:
            raise ValueError(
                f"{MOST_REPLACEMENTS} photos in a row cannot be used, at last {catalog.name(passed[-1].photo)} "
                f"({passed[-1].reason}): "
                f"is {catalog.root} whole? engine-data check {catalog.root} lists the photos to leave out"
            )
    return passed


class Loader(ABC):
    """An iterator without end over one rank's batches, from the global sample `start` on.

    Rank r of R gets the samples r, r + R, r + 2R, ... of the sampler's one order, so that together the ranks see the
    same samples whatever their number. A photo that cannot be used is replaced by the next sample's, and counted.
    After an error the next call tries the same batch again.
    """

    def __init__(
        self, catalog: Catalog, sampler: CropSampler, batch_size: int, *, rank: int = 0, ranks: int = 1, start: int = 0
    ) -> None:
        if batch_size < 1 or not 0 <= rank < ranks:
            raise ValueError(
                f"batch_size {batch_size}, rank {rank} of {ranks}: it takes batch_size >= 1, 0 <= rank < ranks"
            )
        if batch_size * ranks > len(catalog):
            raise ValueError(
                f"{len(catalog)} photos are fewer than one batch of {batch_size}"
                + (f" on each of {ranks} ranks: " if ranks > 1 else ": ")
                + "use more photos, a smaller batch (--batch)"
                + (" or fewer processes" if ranks > 1 else "")
            )
        self.catalog, self.sampler = catalog, sampler
        self.batch_size, self.rank, self.ranks = batch_size, rank, ranks
        self.next_sample = start
        """The global number of the first sample of the next batch of all ranks."""
        self.replaced = 0
        """Unusable photos that were passed over so far, each as often as it came."""
        self.bad: dict[str, str] = {}
        """Name and reason of each photo that could not be used so far."""
        self._running: Iterator[tuple[Tensor, list[Skipped]]] | None = None

    @abstractmethod
    def _batches(self, start: int) -> Iterator[tuple[Tensor, list[Skipped]]]:
        """Images of this rank's batches from the global sample `start` on, and the photos each had to replace."""

    def ids(self, start: int) -> NDArray[np.int64]:
        """The samples of this rank's batch that begins at the global sample `start`."""
        return start + self.rank + self.ranks * np.arange(self.batch_size, dtype=np.int64)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if self._running is None:
            self._running = self._batches(self.next_sample)
        try:
            image_N3HW, passed = next(self._running)
        except BaseException:  # it would only tell of its end from now on
            self.close()
            raise
        self._report(passed)
        ids_N = torch.from_numpy(self.ids(self.next_sample))
        self.next_sample += self.batch_size * self.ranks
        return Batch(image_N3HW, ids_N)

    def _report(self, passed: list[Skipped]) -> None:
        self.replaced += len(passed)
        for photo, reason in passed:
            name = self.catalog.name(photo)
            if name not in self.bad:
                self.bad[name] = reason
                log.warning("%s: %s; wherever it comes, the next sample takes its place", name, reason)

    def close(self) -> None:
        """Stop the workers. The loader can be used again: it continues where it was."""
        self._running = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
