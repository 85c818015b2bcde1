"""The catalog of photographs: where each one's bytes lie and how large it is, in columns that can be mapped from disk.

A catalog comes from a folder of images, from a folder of WebDataset tar shards, or from the index file that
`engine-data index` makes of either (which is what to use beyond some ten thousand photos: it opens at once).
"""

import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from data import index_file
from data.cache import cached_index
from data.entries import OUT_OF_FILES, OWN_FILE, BadPhoto, Columns, entry_of, without
from data.headers import Unreadable, Unusable
from data.scan import Known, scan, walk

log = logging.getLogger(__name__)

INDEX_NAME = "photos.index"
"""The index of a folder that lies in the folder itself, where it comes before one in the cache."""

MANY_PHOTOS = 50_000
"""From here on, reading every header at every start is worth a warning."""


_CLOCK_STEP = 20_000_000
"""Nanoseconds by which the clock that files are stamped with may lag: it goes in steps of up to 10 ms."""

MOST_OPEN = 100
"""Shards that a catalog keeps open: a process may have some 1,000 files open (on macOS 256), and all its catalogs,
sockets and workers' pipes are among them."""


class _OpenShard:
    """A shard to read from, closed when nobody refers to it any more: not while a thread still reads.

    Read by `pread` and not mapped: a shard that is cut short on disk then gives an error and not a fatal signal,
    and the cost is the copy that `bytes` needs anyway.
    """

    def __init__(self, path: str) -> None:
        self.descriptor = -1
        self.descriptor = os.open(path, os.O_RDONLY)

    def read(self, length: int, offset: int) -> bytes:
        return os.pread(self.descriptor, length, offset)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


class Catalog:
    """Photographs 0..len-1 under `root`. Cheap to send to another process if it was opened from an index file."""

    def __init__(
        self,
        root: Path,
        columns: Columns,
        shards: Sequence[str],
        bad: Sequence[BadPhoto],
        index: Path | None = None,
        scanned_at: int = 0,
    ) -> None:
        self.scanned_at = scanned_at
        """When the scan began that found the photos (or just before), in nanoseconds; 0 if the index does not say."""
        self.root, self.columns, self.shards, self.bad, self.index = root, columns, list(shards), list(bad), index
        self._open_shards: dict[int, _OpenShard] = {}  # the one used last is the last

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """A folder of images (at any depth) or of tar shards, or an index file.

        ValueError if there is nothing at `path`, no usable photograph in it, or it is a file but no index, or the index
        of a folder that is gone.
        """
        path = Path(path)
        if not path.exists():
            raise ValueError(
                f"{path} does not exist: give a folder of photographs, or a file made by engine-data index"
            )
        index = index_of(path)
        if index is not None and index.is_file():
            catalog = cls.from_index(index)
            if not catalog.root.is_dir():
                raise ValueError(
                    f"{index} is the index of {catalog.root}, which is not there: mount it, or index where it is now"
                )
            if path.is_dir():
                log.info("%s: using %s; after adding or removing photos run engine-data index %s", path, index, path)
        else:
            catalog = cls.scanned(path)
            if len(catalog) > MANY_PHOTOS:
                log.warning(
                    "%s: engine-data index %s spares reading %d headers at every start", path, path, len(catalog)
                )
        if not len(catalog):
            raise ValueError(f"{path} holds no usable photograph ({summary(catalog.bad) or 'and no image file'})")
        if catalog.bad:
            log.warning("%s: %d photos left out: %s", path, len(catalog.bad), summary(catalog.bad))
        return catalog

    @classmethod
    def scanned(
        cls,
        root: Path,
        names: Iterable[str] | None = None,
        known: Self | None = None,
        progress: Callable[[int], None] = lambda count: None,
    ) -> Self:
        """The catalog of what is under `root` now (or of those `names` under it), reading headers only.

        What `known`, an earlier catalog of the same root, says of files that did not change since is taken from it.
        """
        before = Known(known.columns, known.shards, known.bad, known.scanned_at) if known is not None else None
        begun = time.time_ns() - _CLOCK_STEP
        return cls(root, *scan(root, walk(root) if names is None else names, before, progress), scanned_at=begun)

    @classmethod
    def from_index(cls, index: Path) -> Self:
        """The catalog of an index file, mapped: nothing but what is looked at is read. ValueError if it is none."""
        columns, about = index_file.read(index)
        root = (index.parent / about["root"]).resolve()
        return cls(
            root, columns, about["shards"], [BadPhoto(*bad) for bad in about["bad"]], index, about.get("scanned_at", 0)
        )

    def save(self, index: Path) -> None:
        """Write the index file. A root that holds the index is stored relative to it, so that both can move."""
        root, folder = self.root.resolve(), index.parent.resolve()
        inside = folder.is_relative_to(root)
        about = {
            "root": os.path.relpath(root, folder) if inside else str(root),
            "shards": self.shards,
            "bad": self.bad,
            "scanned_at": self.scanned_at,
        }
        index_file.write(index, self.columns, about)

    def __len__(self) -> int:
        return len(self.columns["length"])

    def name(self, i: int) -> str:
        """Path of photo `i` under the root; for a member of a shard, the shard's path and the member's name."""
        entry = entry_of(self.columns, i)
        return entry.name if entry.shard == OWN_FILE else f"{self.shards[entry.shard]}/{entry.name}"

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

    def stored_size(self, i: int) -> tuple[int, int]:
        """(width, height) of photo `i` as its pixels are stored, before its EXIF orientation."""
        return int(self.columns["width"][i]), int(self.columns["height"][i])

    def orientation(self, i: int) -> int:
        """EXIF orientation of photo `i`, 1..8."""
        return int(self.columns["orientation"][i])

    def read(self, i: int) -> bytes:
        """The encoded photo `i`. Unusable (a ValueError) if its shard is cut short, Unreadable if it cannot be read.

        OSError if no more files can be opened, which says nothing of the photo.
        """
        shard = int(self.columns["shard"][i])
        try:
            if shard == OWN_FILE:
                with open(os.path.join(self.root, self.name(i)), "rb", buffering=0) as file:
                    return file.read()
            length, offset = int(self.columns["length"][i]), int(self.columns["offset"][i])
            data = self._shard(shard).read(length, offset)
        except OSError as error:
            if error.errno in OUT_OF_FILES:
                raise
            raise Unreadable(f"cannot be read: {error.strerror}") from None
        if len(data) < length:
            raise Unusable("its shard was cut short or replaced since it was indexed")
        return data

    def _shard(self, shard: int) -> "_OpenShard":
        """The shard, opened at its first use in this process and kept while it is among those used last.

        No lock, which a process forked while another thread holds it would wait for without end: each step on the
        dictionary is whole by itself, and two threads at once cost no more than opening a shard twice.
        """
        opened = self._open_shards.pop(shard, None) or _OpenShard(os.path.join(self.root, self.shards[shard]))
        self._open_shards[shard] = opened  # now the last
        for oldest in list(self._open_shards)[:-MOST_OPEN]:
            self._open_shards.pop(oldest, None)
        return opened

    def without(self, unwanted: dict[int, Unusable]) -> "Catalog":
        """A catalog in memory that leaves out some more photos, given with the reason for each."""
        bad = []
        for i, reason in unwanted.items():
            modified = 0 if isinstance(reason, Unreadable) else entry_of(self.columns, i).modified
            bad.append(BadPhoto(self.name(i), str(reason), modified))
        columns = without(self.columns, [*unwanted])
        return Catalog(self.root, columns, self.shards, [*self.bad, *bad], scanned_at=self.scanned_at)

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_open_shards": {}}
        if self.index is not None:  # the other process maps the same file
            state["columns"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.index is not None:
            self.columns = index_file.read(self.index)[0]


def index_of(path: Path) -> Path | None:
    """The index of a folder, in itself or else in the cache, which may have none yet; a file's is the file itself.

    None where a folder has none in itself and there is no cache.
    """
    if not path.is_dir():
        return path
    inside = path / INDEX_NAME
    try:
        return inside if inside.is_file() else cached_index(path)
    except OSError:
        return None


def summary(bad: Sequence[BadPhoto]) -> str:
    """The first few bad photos with their reasons, for a message."""
    shown = "; ".join(f"{photo.name}: {photo.reason}" for photo in bad[:3])
    return shown + ("; ..." if len(bad) > 3 else "")
