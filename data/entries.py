"""The record of one photograph, and records by the million as columns."""

import errno
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]

OWN_FILE = -1
"""In `Entry.shard`: the photo is a file of its own."""

OUT_OF_FILES = (errno.EMFILE, errno.ENFILE)
"""Errors that tell of this process or machine, whatever file it was that could not be opened."""


class Entry(NamedTuple):
    """One photograph: a file under the root, or a member of a shard under the root."""

    name: str
    """Path under the root, with forward slashes; in a shard, the member's name."""
    shard: int
    """Number of its shard, or OWN_FILE."""
    offset: int
    length: int
    """Where its bytes begin in the file or shard, and how many they are."""
    width: int
    height: int
    """Size of the stored pixels, before the EXIF orientation."""
    orientation: int
    """EXIF orientation, 1..8; 1 is upright, 5..8 exchange width and height."""
    modified: int
    """Time of the last change of its file or shard, in nanoseconds."""


class BadPhoto(NamedTuple):
    """A photograph that is left out, and why."""

    name: str
    reason: str
    modified: int = 0
    """As in Entry: while it is the same, the photo need not be examined again. 0 if it (or its shard) could not be
    read, which says nothing of the next time: rights and disks are mended without changing files."""


_KINDS: dict[str, type[np.generic]] = {
    "shard": np.int32,
    "offset": np.int64,
    "length": np.int64,
    "width": np.int32,
    "height": np.int32,
    "orientation": np.uint8,
    "modified": np.int64,
}


def columns_of(entries: Sequence[Entry]) -> Columns:
    """One array per field; the names as one run of bytes (`names`) and where each begins (`name_start`, N + 1)."""
    columns: Columns = {key: np.array([getattr(entry, key) for entry in entries], kind) for key, kind in _KINDS.items()}
    names = [os.fsencode(entry.name) for entry in entries]
    columns["names"] = np.frombuffer(b"".join(names), np.uint8)
    columns["name_start"] = np.cumsum([0, *map(len, names)], dtype=np.int64)
    return columns


def joined(parts: Sequence[Columns]) -> Columns:
    """The columns of all parts, one after the other."""
    parts = [*parts] or [columns_of([])]
    columns: Columns = {key: np.concatenate([part[key] for part in parts]) for key in (*_KINDS, "names")}
    lengths = [np.diff(part["name_start"]) for part in parts]
    columns["name_start"] = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    return columns


def entry_of(columns: Columns, i: int) -> Entry:
    """Row `i` as a record."""
    start, stop = columns["name_start"][i : i + 2]
    name = os.fsdecode(columns["names"][start:stop].tobytes())
    return Entry(name, *(int(columns[key][i]) for key in _KINDS))


def without(columns: Columns, unwanted: Sequence[int]) -> Columns:
    """The columns without some rows."""
    keep_N = np.ones(len(columns["length"]), bool)
    keep_N[list(unwanted)] = False
    lengths_N = np.diff(columns["name_start"])
    kept: Columns = {key: columns[key][keep_N] for key in _KINDS}
    kept["names"] = columns["names"][np.repeat(keep_N, lengths_N)]
    kept["name_start"] = np.concatenate([[0], np.cumsum(lengths_N[keep_N])]).astype(np.int64)
    return kept
