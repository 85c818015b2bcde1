"""Which photographs there are: where each one's bytes lie and how large it is, in columns that can be mapped from disk.

A catalog comes from a folder of images, from a folder of WebDataset tar shards, or from the index file that
`engine-data index` makes of either (which is what to use beyond some ten thousand photos: it opens at once).
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from data import index_file
from data.scan import OWN_FILE, BadPhoto, Entry, scan

log = logging.getLogger(__name__)

INDEX_NAME = "photos.index"
"""The index of a folder that lies in the folder itself: `Catalog.open(folder)` uses it instead of scanning."""

COLUMNS: dict[str, type[np.generic]] = {
    "shard": np.int32,
    "offset": np.int64,
    "length": np.int64,
    "width": np.int32,
    "height": np.int32,
    "orientation": np.uint8,
    "modified": np.int64,
}


class Catalog:
    """Photographs 0..len-1 under `root`. Cheap to send to another process if it was opened from an index file."""

    def __init__(
        self,
        root: Path,
        columns: dict[str, NDArray[Any]],
        shards: Sequence[str],
        bad: Sequence[BadPhoto],
        index: Path | None = None,
    ) -> None:
        self.root, self.columns, self.shards, self.bad, self.index = root, columns, list(shards), list(bad), index
        self._open_shards: dict[int, int] = {}

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """A folder of images (at any depth) or of tar shards, or an index file.

        ValueError if there is nothing at `path`, no usable photograph in it, or it is a file but no index.
        """
        path = Path(path)
        if not path.exists():
            raise ValueError(
                f"{path} does not exist: give a folder of photographs, or a file made by engine-data index"
            )
        index = path / INDEX_NAME if path.is_dir() else path
        if index.is_file():
            catalog = cls.from_index(index)
            if path.is_dir():
                log.info("%s: using its index; after adding or removing photos run engine-data index %s", path, path)
        else:
            catalog = cls.from_entries(path, *scan(path))
            if len(catalog) > 50_000:
                log.warning("%s has %d photos: engine-data index %s spares reading their headers at every start",
                            path, len(catalog), path)  # fmt: skip
        if not len(catalog):
            raise ValueError(f"{path} holds no usable photograph ({_summary(catalog.bad) or 'and no image file'})")
        if catalog.bad:
            log.warning("%s: %d photos left out: %s", path, len(catalog.bad), _summary(catalog.bad))
        return catalog

    @classmethod
    def from_entries(cls, root: Path, entries: Sequence[Entry], shards: Sequence[str], bad: Sequence[BadPhoto]) -> Self:
        """A catalog in memory."""
        columns: dict[str, NDArray[Any]] = {
            name: np.array([getattr(entry, name) for entry in entries], kind) for name, kind in COLUMNS.items()
        }
        names = [os.fsencode(entry.name) for entry in entries]
        columns["names"] = np.frombuffer(b"".join(names), np.uint8)
        columns["name_start"] = np.cumsum([0, *map(len, names)], dtype=np.int64)
        return cls(root, columns, shards, bad)

    @classmethod
    def from_index(cls, index: Path) -> Self:
        """The catalog of an index file, mapped: nothing but what is looked at is read."""
        columns, about = index_file.read(index)
        root = (index.parent / about["root"]).resolve()
        return cls(root, columns, about["shards"], [BadPhoto(*bad) for bad in about["bad"]], index)

    def save(self, index: Path) -> None:
        """Write the index file. A root that holds the index is stored relative to it, so that both can move."""
        root, folder = self.root.resolve(), index.parent.resolve()
        inside = folder.is_relative_to(root)
        about = {"root": os.path.relpath(root, folder) if inside else str(root), "shards": self.shards, "bad": self.bad}
        index_file.write(index, self.columns, about)

    def __len__(self) -> int:
        return len(self.columns["length"])

    def name(self, i: int) -> str:
        """Path of photo `i` under the root; for a member of a shard, the shard's path and the member's name."""
        start, stop = self.columns["name_start"][i : i + 2]
        name = os.fsdecode(self.columns["names"][start:stop].tobytes())
        shard = int(self.columns["shard"][i])
        return name if shard == OWN_FILE else f"{self.shards[shard]}/{name}"

    def size(self, i: int) -> tuple[int, int]:
        """(width, height) of photo `i` as it is seen, after its EXIF orientation."""
        width, height = self.sizes(np.array([i]))[0]
        return int(width), int(height)

    def sizes(self, index_N: NDArray[np.int64]) -> NDArray[np.int64]:
        """(width, height) as seen, of several photos: int64 of shape (N, 2)."""
        columns = self.columns
        size_N2 = np.stack([columns["width"][index_N], columns["height"][index_N]], axis=-1).astype(np.int64)
        lying_N = columns["orientation"][index_N] >= 5
        size_N2[lying_N] = size_N2[lying_N, ::-1]
        return size_N2

    def read(self, i: int) -> bytes:
        """The encoded photo `i`. ValueError if its file is gone or cut short."""
        shard = int(self.columns["shard"][i])
        length, offset = int(self.columns["length"][i]), int(self.columns["offset"][i])
        try:
            if shard == OWN_FILE:
                data = (self.root / self.name(i)).read_bytes()
                length = len(data)  # a photo that was edited since may have another length
            else:
                data = os.pread(self._shard(shard), length, offset)
        except OSError as error:
            raise ValueError(f"{self.name(i)} cannot be read: {error}") from error
        if len(data) < length:
            raise ValueError(f"{self.name(i)}: its shard was cut short or replaced since it was indexed")
        return data

    def _shard(self, shard: int) -> int:
        """The shard's file descriptor, opened at its first use in this process and kept.

        Read by `pread` and not mapped: a shard that is cut short on disk then gives an error and not a fatal signal,
        and the cost is the copy that `bytes` needs anyway.
        """
        if shard not in self._open_shards:
            self._open_shards[shard] = os.open(self.root / self.shards[shard], os.O_RDONLY)
        return self._open_shards[shard]

    def close(self) -> None:
        """Close the shards that were read; they open again when needed."""
        for descriptor in self._open_shards.values():
            os.close(descriptor)
        self._open_shards.clear()

    def __del__(self) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_open_shards": {}}
        if self.index is not None:  # the other process maps the same file
            state["columns"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.index is not None:
            self.columns = index_file.read(self.index)[0]


def _summary(bad: Sequence[BadPhoto]) -> str:
    """The first few bad photos with their reasons, for a message."""
    shown = "; ".join(f"{photo.name}: {photo.reason}" for photo in bad[:3])
    return shown + ("; ..." if len(bad) > 3 else "")
