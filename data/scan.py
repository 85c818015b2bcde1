"""Finding the photographs under a folder and reading their headers."""

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from data.headers import SUFFIXES, Unusable, parse_header

OWN_FILE = -1
"""In `Entry.shard`: the photo is a file of its own."""

HEAD = 16384
"""Bytes read of each photo at first: the header of all but those that carry a preview or a large profile."""

MIN_SIDE = 32
"""Photos with a shorter side are icons and thumbnails: left out."""


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


def scan(root: Path) -> tuple[list[Entry], list[str], list[BadPhoto]]:
    """Entries of the photos under `root` in the order of their names, the tar shards, and the photos left out."""
    entries: list[Entry] = []
    shards: list[str] = []
    bad: list[BadPhoto] = []
    for name in walk(root):
        if name.lower().endswith(".tar"):
            shards.append(name)
            found = examine_shard(root, name, len(shards) - 1)
        else:
            found = iter([examine_file(root, name)])
        for photo in found:
            if isinstance(photo, Entry):
                entries.append(photo)
            else:
                bad.append(photo)
    return entries, shards, bad


def walk(root: Path) -> Iterator[str]:
    """Paths of the photos and tar files under `root`, sorted; links to folders are followed, each folder once."""
    seen: set[tuple[int, int]] = set()

    def visit(folder: str, prefix: str) -> Iterator[str]:
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as listing:
            found = sorted(listing, key=lambda item: item.name)
        for item in found:
            if item.name.startswith("."):
                continue
            if item.is_dir():
                yield from visit(item.path, f"{prefix}{item.name}/")
            elif (suffix := os.path.splitext(item.name)[1].lower()) in SUFFIXES or suffix == ".tar":
                yield prefix + item.name

    yield from visit(os.fspath(root), "")


def examine_file(root: Path, name: str) -> Entry | BadPhoto:
    """The entry of one image file, or why it is left out."""
    try:
        descriptor = os.open(root / name, os.O_RDONLY)
    except OSError as error:
        return BadPhoto(name, f"cannot be read: {error.strerror}")
    try:
        status = os.fstat(descriptor)
        return _examine(descriptor, Entry(name, OWN_FILE, 0, status.st_size, 0, 0, 1, status.st_mtime_ns))
    finally:
        os.close(descriptor)


def examine_shard(root: Path, shard: str, number: int) -> Iterator[Entry | BadPhoto]:
    """The photos in a tar file, and those in it that are left out."""
    try:
        with open(root / shard, "rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            descriptor = file.fileno()
            modified = os.fstat(descriptor).st_mtime_ns
            for member in archive:
                if member.isfile() and os.path.splitext(member.name)[1].lower() in SUFFIXES:
                    place = Entry(member.name, number, member.offset_data, member.size, 0, 0, 1, modified)
                    found = _examine(descriptor, place)
                    yield found if isinstance(found, Entry) else BadPhoto(f"{shard}/{member.name}", found.reason)
    except (OSError, tarfile.TarError) as error:
        yield BadPhoto(shard, f"no readable tar file: {error}")


def _examine(descriptor: int, place: Entry) -> Entry | BadPhoto:
    """`place` with the size and orientation that its header tells."""
    try:
        head = os.pread(descriptor, min(HEAD, place.length), place.offset)
        try:
            header = parse_header(head)
        except Unusable:  # perhaps only because the header is longer than that
            if len(head) == place.length:
                raise
            header = parse_header(os.pread(descriptor, place.length, place.offset))
        if min(header.width, header.height) < MIN_SIDE:
            raise Unusable(f"{header.width}x{header.height} pixels: a side under {MIN_SIDE}")
    except Unusable as reason:
        return BadPhoto(place.name, str(reason))
    except OSError as error:
        return BadPhoto(place.name, f"cannot be read: {error.strerror}")
    return place._replace(width=header.width, height=header.height, orientation=header.orientation)
