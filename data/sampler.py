"""The photo, and the square of it, of each training sample: a function of (seed, sample number) alone.

Samples are numbered 0, 1, 2, ... over all epochs and all ranks: epoch e holds the numbers e*count..(e+1)*count-1 and
shows every photo once, in an order of its own. Nobody has a state: a resume, another number of workers, ranks or
photos per batch all meet the same samples under the same numbers.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.catalog import Catalog
from data.randomness import integers, key_of, permute, random_bits

_ORDER, _CROP = 1, 2  # what a key is for


class Crop(NamedTuple):
    """A square of a photo, in pixels of the photo as it is seen (after its EXIF orientation)."""

    photo: int
    x: int
    y: int
    side: int
    flip: bool
    """Mirror it left to right."""


def reduction(side: int, crop_size: int) -> int:
    """By how much (1, 2, 4, 8) a JPEG may be shrunk while it is decoded: the square must not get under crop_size."""
    return max(factor for factor in (1, 2, 4, 8) if factor == 1 or side >= factor * crop_size)


@dataclass(frozen=True, eq=False)
class CropSampler:
    """Crops as in section 4 of the paper: the shorter edge is resized to a random length, then a random square of
    `crop_size` is cut. Here that square is given in pixels of the photo itself, to be resized to `crop_size`."""

    catalog: Catalog
    seed: int
    crop_size: int = 256
    shorter_edge: tuple[int, int] = (256, 384)
    """Smallest and largest length that the shorter edge is resized to, in pixels, both inclusive."""
    flip: bool = False
    """Mirror half of the samples."""

    def __post_init__(self) -> None:
        low, high = self.shorter_edge
        if not 0 < self.crop_size <= low <= high:
            raise ValueError(
                f"shorter_edge {low}..{high} does not fit crop_size {self.crop_size}: "
                "it takes 0 < crop_size <= smallest <= largest"
            )

    def photos(self, ids_N: NDArray[np.int64]) -> NDArray[np.int64]:
        """The photo of each sample."""
        count = len(self.catalog)
        epoch_N, place_N = np.divmod(ids_N, count)
        photo_N = np.empty_like(place_N)
        for epoch in np.unique(epoch_N):
            now = epoch_N == epoch
            photo_N[now] = permute(place_N[now], count, key_of(self.seed, _ORDER, int(epoch)))
        return photo_N

    def crops(self, ids_N: NDArray[np.int64]) -> list[Crop]:
        """The crops of the samples with these numbers."""
        photo_N = self.photos(ids_N)
        size_N2 = self.catalog.sizes(photo_N)
        shorter_N = size_N2.min(axis=-1)
        edge_bits, x_bits, y_bits, flip_bits = random_bits(key_of(self.seed, _CROP), ids_N, 4).T
        edge_N = integers(edge_bits, *self.shorter_edge)
        side_N = np.maximum(1, np.rint(self.crop_size * shorter_N / edge_N).astype(np.int64))
        # Where a reduced decode is possible, squares lie on its pixel grid, so that every decoder cuts the same one. In
        # a photo that is stored mirrored or turned they can miss it, where its side is no multiple of the grid: the
        # decoder that reduces then cuts less than one reduced pixel beside the others.
        grid_N = np.array([reduction(side, self.crop_size) for side in side_N.tolist()], np.int64)
        side_N -= side_N % grid_N
        x_N = integers(x_bits, 0, (size_N2[:, 0] - side_N) // grid_N) * grid_N
        y_N = integers(y_bits, 0, (size_N2[:, 1] - side_N) // grid_N) * grid_N
        flip_N = (flip_bits & np.uint64(self.flip)).astype(bool)
        columns = (column.tolist() for column in (photo_N, x_N, y_N, side_N, flip_N))
        return [Crop(*row) for row in zip(*columns, strict=True)]
