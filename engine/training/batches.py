"""Photos with holes in them, on the training device, one batch ahead of the step that needs them."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple, Self

import torch
from torch import Tensor

from data.catalog import Catalog
from data.cpu_loader import CpuLoader
from data.loading import Batch
from data.masks import HoleConfig, draw_holes
from data.sampler import CropSampler
from engine.training.config import TrainConfig
from engine.training.distributed import World

COMPLETION_HOLES, DISCRIMINATOR_HOLES = 0, 1
"""Random streams of M_c, the hole that is completed, and M_d, which places the real patch (Algorithm 1)."""


class TrainingBatch(NamedTuple):
    """The input of a step: N photos of side S."""

    image_N3SS: Tensor
    """uint8 RGB, channels-last."""

    mask_N1SS: Tensor
    """bool, True in the hole M_c."""

    centres_N2: Tensor
    """int64 (y, x): centres of the local patches of the completed images."""

    real_centres_N2: Tensor
    """int64 (y, x): centres of the local patches of the real images, from M_d."""

    ids: list[int]
    """Numbers of the samples in the run's order, for reports."""

    def chunks(self, count: int) -> list[Self]:
        """The batch in `count` parts of equal size, for gradient accumulation."""
        size = len(self.ids) // count
        return [self._part(slice(start, start + size)) for start in range(0, count * size, size)]

    def _part(self, part: slice) -> Self:
        return type(self)(
            self.image_N3SS[part],
            self.mask_N1SS[part],
            self.centres_N2[part],
            self.real_centres_N2[part],
            self.ids[part],
        )


def make_batch(batch: Batch, holes: HoleConfig, seed: int, device: torch.device) -> TrainingBatch:
    """Draw the holes of a loader's batch: they depend on the seed and the sample's number alone."""
    size = batch.image_N3HW.shape[-1]
    completed = draw_holes(holes, seed, COMPLETION_HOLES, batch.ids_N, size)
    real = draw_holes(holes, seed, DISCRIMINATOR_HOLES, batch.ids_N, size)

    def send(tensor: Tensor) -> Tensor:
        if device.type == "cuda" and not tensor.is_cuda:
            return tensor.pin_memory().to(device, non_blocking=True)
        return tensor

    return TrainingBatch(
        image_N3SS=send(batch.image_N3HW.contiguous(memory_format=torch.channels_last)),
        mask_N1SS=send(completed.mask_N1HW),
        centres_N2=send(completed.centres_N2),
        real_centres_N2=send(real.centres_N2),
        ids=batch.ids_N.tolist(),
    )


def fixed_batch(catalog: Catalog, config: TrainConfig, count: int, device: torch.device) -> TrainingBatch:
    """The first crops of the catalog with their holes: the same for all runs with the same sizes, whatever the seed.

    One of each photo if there are fewer photos.
    """
    count = min(count, len(catalog))
    sampler = CropSampler(catalog, 0, config.crop_size, config.shorter_edge)
    with CpuLoader(catalog, sampler, count, workers=0) as loader:
        return make_batch(next(iter(loader)), config.holes, 0, device)


@contextmanager
def training_batches(
    loader: Iterable[Batch], holes: HoleConfig, seed: int, world: World
) -> Iterator[Iterator[TrainingBatch]]:
    """Batches without end; the next one is prepared in a thread while the caller works on this one."""
    source = iter(loader)

    def following() -> TrainingBatch:
        return make_batch(next(source), holes, seed, world.device)

    # Not in the thread below: it would be the one that forks the loader's workers, and a process forked from an
    # executor's thread ends with an error, since Python then waits there for the thread that it is itself.
    first = following()

    def batches(thread: ThreadPoolExecutor) -> Iterator[TrainingBatch]:
        batch = first
        while True:
            ahead = thread.submit(following)
            yield batch
            batch = ahead.result()

    with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
        yield batches(thread)
