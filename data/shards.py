"""Packing photographs into WebDataset tar shards: few large files, which disks and network file systems prefer.

Reading them back is the catalog's work (`Catalog.open` of the folder); the `webdataset` package reads them too.
"""

import fcntl
import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from data.catalog import Catalog
from data.decode import check, decode
from data.entries import BadPhoto
from data.files import atomic_writer, write_atomically
from data.headers import SUFFIXES, Unusable
from data.in_order import in_order
from data.orientation import upright
from data.sampler import reduction
from data.scan import PACKING

_SUFFIX = {"jpeg": "jpg", "tiff": "tif"}  # others are called by their format's name, if that is among SUFFIXES


@dataclass(frozen=True, kw_only=True, slots=True)
class Packing:
    """The options of packing. The same packing of the same catalog gives the same shards."""

    shard_megabytes: int = 1024
    """Encoded photos in one shard, in MB of what they are before any re-encoding."""

    shorter_edge: int | None = None
    """Re-encode photos whose shorter edge is longer than this many pixels, shrunk to it, upright; None keeps all."""

    quality: int = 95
    """JPEG quality (1..100) of what is re-encoded."""

    def __post_init__(self) -> None:
        edge = 1 if self.shorter_edge is None else self.shorter_edge
        if self.shard_megabytes < 1 or not 1 <= self.quality <= 100 or edge < 1:
            raise ValueError(f"{self}: it takes shard_megabytes >= 1, shorter_edge >= 1 and quality 1..100")


def pack(
    catalog: Catalog,
    out: Path,
    packing: Packing,
    *,
    threads: int = 2,
    progress: Callable[[int], None] = lambda count: None,
) -> list[BadPhoto]:
    """Write the photos as shards `photos-000000.tar`, ... in the folder `out`; returns those that were left out.

    A shard is there whole or not at all, so a packing that was stopped continues at the first missing shard; the
    photos left out of shards that are there already are not told again. `progress` is told how many photos are done.
    ValueError if `out` holds the shards of another catalog or packing, or is where the photos are or inside it.
    """
    if out.resolve().is_relative_to(catalog.root.resolve()):
        there = "the folder of the photos" if out.resolve() == catalog.root.resolve() else f"inside {catalog.root}"
        raise ValueError(f"{out} is {there}, which would hold each photo twice: pack into a folder outside")
    out.mkdir(parents=True, exist_ok=True)
    _claim(out, catalog, packing)
    ends_N = np.cumsum(catalog.columns["length"])
    shard_N = (ends_N - 1) // (packing.shard_megabytes * 10**6)
    jobs = []
    for number, first in enumerate(np.unique(shard_N, return_index=True)[1].tolist()):
        last = int(np.searchsorted(shard_N, shard_N[first], side="right"))
        shard = out / f"photos-{number:06d}.tar"
        jobs.append(partial(_write_shard, catalog, range(first, last), shard, packing))
    bad: list[BadPhoto] = []
    with _at_work(out), ThreadPoolExecutor(threads) as pool:
        for photos, left_out in in_order(pool, jobs, ahead=threads):
            bad += left_out
            progress(photos)
    return bad


def _claim(out: Path, catalog: Catalog, packing: Packing) -> None:
    """Note in `out` what is packed there, or compare with what is noted."""
    plan = {
        "photos": len(catalog),
        "bytes": int(catalog.columns["length"].sum()),
        "root": str(catalog.root.resolve()),
        **asdict(packing),
    }
    note = out / PACKING
    if note.exists() and (before := json.loads(note.read_text())) != plan:
        raise ValueError(f"{out} holds shards of another packing ({before}, now {plan}): pack into another folder")
    write_atomically(note, json.dumps(plan).encode())


@contextmanager
def _at_work(out: Path) -> Iterator[None]:
    """Note, by a lock on the folder, that a packing is at work in it; remove first what killed ones left half written
    (up to a shard each, see `data.files.replacing`), if no other is at work.

    A lock ends with its process however that ends, and holds between containers, which do not see each other's.
    """
    folder = os.open(out, os.O_RDONLY)
    try:
        with suppress(OSError):  # another is at work, or the file system has no locks
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in out.glob(".photos-*.tar.*.tmp"):
                path.unlink(missing_ok=True)
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_SH)
        yield
    finally:
        os.close(folder)


def _write_shard(catalog: Catalog, photos: range, shard: Path, packing: Packing) -> tuple[int, list[BadPhoto]]:
    """The number of photos that the shard is for, and those that were left out of it."""
    if shard.exists():
        return len(photos), []
    bad: list[BadPhoto] = []
    with atomic_writer(shard) as file, tarfile.open(fileobj=file, mode="w") as archive:
        for i in photos:
            try:
                content, suffix = _content(catalog, i, packing)
            except Unusable as reason:
                bad.append(BadPhoto(catalog.name(i), str(reason)))
                continue
            member = tarfile.TarInfo(member_name(i, catalog.name(i), suffix))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return len(photos), bad


def member_name(i: int, name: str, suffix: str) -> str:
    """The name of photo `i` in its shard. WebDataset takes what comes before the first dot for the sample's key, so
    the key has no dot, and the number makes it unique."""
    stem = re.sub(r"[^\w-]+", "_", os.path.splitext(name)[0], flags=re.ASCII)
    return f"{i:09d}-{stem[-80:]}.{suffix}"


def _content(catalog: Catalog, i: int, packing: Packing) -> tuple[bytes, str]:
    """The encoded photo as it goes into the shard, and its file name suffix."""
    data = catalog.read(i)
    header = check(data, catalog.stored_size(i))
    shorter = min(header.width, header.height)
    if packing.shorter_edge is None or shorter <= packing.shorter_edge:
        suffix = _SUFFIX.get(header.format, header.format)
        if f".{suffix}" not in SUFFIXES:  # an AVIF called .jpg, as the web has them: by another name it is not found
            own = os.path.splitext(catalog.name(i))[1].lower()
            suffix = own[1:] if own in SUFFIXES else "jpg"  # a list may name files of any suffix
        return data, suffix
    reduced = reduction(shorter, packing.shorter_edge) if header.format == "jpeg" else 1
    photo_HW3 = upright(decode(data, reduced), catalog.orientation(i))
    scale = packing.shorter_edge / shorter
    width, height = (max(1, round(edge * scale)) for edge in catalog.size(i))
    small_HW3 = cv2.resize(photo_HW3, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small_HW3, [cv2.IMWRITE_JPEG_QUALITY, packing.quality])[1].tobytes(), "jpg"
