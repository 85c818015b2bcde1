"""Finding the photographs under a folder and reading their headers."""

import bisect
import logging
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from data.entries import OUT_OF_FILES, OWN_FILE, BadPhoto, Columns, Entry, columns_of, entry_of, joined
from data.headers import SUFFIXES, Unusable, parse_header
from data.in_order import in_order
from data.sidecars import MASK_BESIDE, masks_among, why_no_photo

Found = Entry | BadPhoto

HEAD = 16384
"""Bytes read of each photo at first: the header of all but those that carry a preview or a large profile."""

MIN_SIDE = 32
"""Photos with a shorter side are icons and thumbnails: left out."""

THREADS = 8
"""From the page cache one thread reads 75,000 headers a second and more do not help (two cores, 320x256 JPEGs);
disks and network file systems answer many requests at a time."""

PACKING = "packing.json"
"""The file that `data.shards` writes beside its shards."""

_READ_WHOLE = (b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""Files that begin so are read whole: a GIF's second picture, if it is an animation, comes behind the first, and most
TIFFs have their directory at their end, without which Pillow warns of damage."""

COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".tar.lz4")

_TWICE = "each photo counts twice: move one of the two away"

_CHUNK = 1000

log = logging.getLogger(__name__)


class Known:
    """The findings of an earlier scan of the same folder, so that unchanged photos need not be read again."""

    def __init__(self, columns: Columns, shards: Sequence[str], bad: Sequence[BadPhoto], since: int) -> None:
        self.columns, self.shards = columns, shards
        self.since = since
        """When that scan began, in nanoseconds: what changed since is read again, whatever time of change was set."""
        self.own_files = np.flatnonzero(columns["shard"] == OWN_FILE)
        self.bad = {photo.name: photo for photo in bad if photo.modified}
        self.unread = {photo.name for photo in bad if not photo.modified}

    def files(self, names: list[str]) -> dict[str, Found]:
        """Of these files, sorted as `walk` sorts, those that were known."""
        first, last = (
            side(self.own_files, sort_key(name), key=lambda i: sort_key(entry_of(self.columns, i).name))
            for side, name in ((bisect.bisect_left, names[0]), (bisect.bisect_right, names[-1]))
        )
        found: dict[str, Found] = {name: self.bad[name] for name in names if name in self.bad}
        for i in self.own_files[first:last].tolist():
            entry = entry_of(self.columns, i)
            found[entry.name] = entry
        return found

    def shard(self, name: str) -> list[Found]:
        """The photos of that shard; nothing if any of it could not be read, so that it is read again."""
        if name not in self.shards or any(f"{photo}/".startswith(f"{name}/") for photo in self.unread):
            return []
        members = np.flatnonzero(self.columns["shard"] == self.shards.index(name))
        found: list[Found] = [entry_of(self.columns, i) for i in members.tolist()]
        # One that was cut short is itself among the bad, after the photos that it still holds.
        return found + [photo for photo in self.bad.values() if f"{photo.name}/".startswith(f"{name}/")]


def scan(
    root: Path, names: Iterable[str], known: Known | None = None, progress: Callable[[int], None] = lambda count: None
) -> tuple[Columns, list[str], list[BadPhoto]]:
    """Examine the files `names` (photos and tar shards) under `root`, in their order.

    Returns the columns of the usable photos, the shards, and the photos left out. `progress` is told, bit by bit, how
    many names are done.
    """
    shards: list[str] = []
    parts: list[Columns] = []
    bad: list[BadPhoto] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for done, found in in_order(pool, _jobs(root, iter(names), shards, known), ahead=4 * THREADS):
            parts.append(columns_of([photo for photo in found if isinstance(photo, Entry)]))
            bad += [photo for photo in found if isinstance(photo, BadPhoto)]
            progress(done)
    return joined(parts), shards, bad


def _jobs(
    root: Path, names: Iterator[str], shards: list[str], known: Known | None
) -> Iterator[Callable[[], tuple[int, list[Found]]]]:
    """The work in pieces that return (names done, what was found), the shards numbered as they come."""
    since = known.since if known else 0

    def files_job(chunk: list[str]) -> tuple[int, list[Found]]:
        before = known.files(chunk) if known else {}
        return len(chunk), [examine_file(root, name, before.get(name), since) for name in chunk]

    def shard_job(name: str, number: int) -> tuple[int, list[Found]]:
        return 1, examine_shard(root, name, number, known.shard(name) if known else [], since)

    while chunk := list(islice(names, _CHUNK)):
        files = [name for name in chunk if not is_shard(name)]
        if files:
            yield partial(files_job, files)
        for name in filter(is_shard, chunk):
            shards.append(name)
            yield partial(shard_job, name, len(shards) - 1)


def is_shard(name: str) -> bool:
    """True if a file is a tar shard by its name."""
    return name.lower().endswith(".tar")


def is_compressed_shard(name: str) -> bool:
    """True if a file is a tar file by its name in which no photo can be reached without unpacking all before it."""
    return name.lower().endswith(COMPRESSED)


def sort_key(name: str) -> list[str]:
    """Names sort folder by folder."""
    return name.split("/")


def walk(root: Path, tell: bool = True) -> Iterator[str]:
    """Paths of the photos and tar files under `root`, sorted; links to folders are followed, each folder once.

    An entry that cannot be looked at (a link to itself, a folder without the right to read it) is given as well:
    examining it tells why it is left out. OSError if that entry is `root`.

    Folders below `root` that engine-train or engine-data pack filled are left out, or a run's own pictures and a second
    copy of the photos would be trained on; a warning says so, unless `tell` is False.
    """
    seen: set[tuple[int, int]] = set()

    def visit(folder: str, prefix: str) -> Iterator[str]:
        """The entries of a folder; OSError comes at the call, before anything is given."""
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            return iter(())
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as listing:
            found = sorted(listing, key=lambda item: item.name)
        if prefix and (filled_by := _filled_by({item.name for item in found})):
            if tell:
                log.warning("%s: left out, as %s filled it; give that folder itself to use it", folder, filled_by)
            return iter(())
        return given(found, prefix)

    def given(found: list[os.DirEntry[str]], prefix: str) -> Iterator[str]:
        for item in found:
            if item.name.startswith("."):
                continue
            try:
                inside = visit(item.path, f"{prefix}{item.name}/") if item.is_dir() else None
            except OSError as error:
                if error.errno in OUT_OF_FILES:
                    raise
                yield prefix + item.name
                continue
            if inside is not None:
                yield from inside
            elif is_shard(item.name):
                if tell and os.path.isdir(os.path.splitext(item.path)[0]):
                    log.warning("%s: the folder of its name lies beside it; if it is unpacked, %s", item.path, _TWICE)
                yield prefix + item.name
            elif os.path.splitext(item.name)[1].lower() in SUFFIXES or is_compressed_shard(item.name):
                yield prefix + item.name

    yield from visit(os.fspath(root), "")


def _filled_by(names: set[str]) -> str | None:
    """The command that made a folder which holds these, if it is one of ours."""
    if PACKING in names:
        return "engine-data pack"
    # Checkpoints come last: a run that was stopped before its first is none the less a run.
    if "options.json" in names and names & {"checkpoints", "pictures", "metrics.jsonl"}:
        return "engine-train"
    return None


def _unchanged(status: os.stat_result, before: Found, since: int) -> bool:
    """True if a file (photo or shard) is as it was when `before` was found in it, by a scan that began at `since`.

    The time of the last change is not enough: `cp -p`, `rsync -t` and `mv` bring it from another file. The time of the
    last change to the inode cannot be set, so that what was put there since is known by it; and the length costs
    nothing to compare.
    """
    longer = isinstance(before, Entry) and before.offset + before.length > status.st_size
    shorter = isinstance(before, Entry) and before.shard == OWN_FILE and before.length < status.st_size
    return status.st_mtime_ns == before.modified and status.st_ctime_ns < since and not longer and not shorter


def examine_file(root: Path, name: str, before: Found | None = None, since: int = 0) -> Found:
    """The entry of one image file, or why it is left out; what was found `before` if the file has not changed since
    the scan that began at `since`."""
    path = os.path.join(root, name)
    try:
        if is_compressed_shard(name):
            return BadPhoto(name, "a compressed tar file: unpack it, into a .tar or into a folder")
        if reason := why_no_photo(root, name):
            return BadPhoto(name, reason)
        status = os.stat(path)
        if before is not None and _unchanged(status, before, since):
            return before
        if stat.S_ISFIFO(status.st_mode):  # opening it would wait for who writes into it
            return BadPhoto(name, "a pipe and no file", status.st_mtime_ns)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return _examine(descriptor, Entry(name, OWN_FILE, 0, status.st_size, 0, 0, 1, status.st_mtime_ns))
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in OUT_OF_FILES:
            raise
        return BadPhoto(name, f"cannot be read: {error.strerror}")


def examine_shard(root: Path, shard: str, number: int, before: list[Found], since: int = 0) -> list[Found]:
    """The photos in a tar file and those in it that are left out; those `before` if it has not changed since the scan
    that began at `since`."""
    found = _read_shard(root, shard, number, before, since)
    masks = masks_among([photo.name for photo in found if isinstance(photo, Entry)])
    return [
        BadPhoto(f"{shard}/{photo.name}", MASK_BESIDE, photo.modified) if photo.name in masks else photo
        for photo in found
    ]


def _read_shard(root: Path, shard: str, number: int, before: list[Found], since: int) -> list[Found]:
    """The result of `examine_shard`, with masks among the photos."""
    found: list[Found] = []
    modified = 0
    try:
        if stat.S_ISFIFO(os.stat(root / shard).st_mode):
            return [BadPhoto(shard, "a pipe and no file", 0)]
        with open(root / shard, "rb") as file:
            status = os.fstat(file.fileno())
            modified = status.st_mtime_ns
            if before and all(_unchanged(status, photo, since) for photo in before):
                return [photo._replace(shard=number) if isinstance(photo, Entry) else photo for photo in before]
            with tarfile.open(fileobj=file, mode="r:") as archive:
                for member in archive:
                    if member.isfile() and os.path.splitext(member.name)[1].lower() in SUFFIXES:
                        place = Entry(member.name, number, member.offset_data, member.size, 0, 0, 1, modified)
                        photo = _examine(file.fileno(), place)
                        named = isinstance(photo, BadPhoto)
                        found.append(photo._replace(name=f"{shard}/{member.name}") if named else photo)
                if not only_zeros(file.fileno(), archive.offset):
                    why = "damage, or another tar file joined to it by cat (use tar --concatenate, or keep both)"
                    found.append(BadPhoto(shard, f"not read from byte {archive.offset} on: {why}", modified))
    except tarfile.TarError as error:
        found.append(BadPhoto(shard, f"no readable tar file: {error}", modified))
    except OSError as error:
        if error.errno in OUT_OF_FILES:
            raise
        found.append(BadPhoto(shard, f"cannot be read: {error.strerror}"))
    return found


def only_zeros(descriptor: int, offset: int) -> bool:
    """True if a file has nothing else from `offset` on: a tar file ends so, and tarfile ends at the first zeros."""
    while block := os.pread(descriptor, 1 << 20, offset):
        if block.count(0) < len(block):
            return False
        offset += len(block)
    return True


def _examine(descriptor: int, place: Entry) -> Found:
    """`place` with the size and orientation that its header tells."""
    try:
        head = os.pread(descriptor, min(HEAD, place.length), place.offset)
        if head.startswith(_READ_WHOLE):
            head = os.pread(descriptor, place.length, place.offset)
        try:
            header = parse_header(head)
        except Unusable:  # perhaps only because the header is longer than that
            if len(head) == place.length:
                raise
            header = parse_header(os.pread(descriptor, place.length, place.offset))
        if min(header.width, header.height) < MIN_SIDE:
            raise Unusable(f"{header.width}x{header.height} pixels: a side under {MIN_SIDE}")
    except Unusable as reason:
        return BadPhoto(place.name, str(reason), place.modified)
    return place._replace(width=header.width, height=header.height, orientation=header.orientation)
