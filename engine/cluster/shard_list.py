"""The shards of a call, and those of them that are to be completed. A shard is done if its result is there.

Shards are few, thousands for millions of photos, so that their names are held in memory.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from data.scan import is_compressed_shard, is_shard
from engine.cluster import report
from engine.cluster.sources import Photos, Source, has_magic, is_glob
from engine.cluster.staging import Places, is_one_file
from engine.cluster.stores import Store, is_remote, open_store
from engine.cluster.todo import ToDo
from engine.inference.folders.jobs import NoPhotos


class Named(NamedTuple):
    """The shards that a command line names; all that are in the folder, if it names neither files nor globs."""

    folder: Path
    """Or the bucket's, in which they are looked for."""
    files: frozenset[str] = frozenset()
    """Names there."""
    globs: tuple[str, ...] = ()
    """Globs for names there, by the rules of `Source`."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """The parts of the folder that are to be listed."""
        if self.files and not self.globs:
            return ()
        return tuple(Source(self.folder, glob) for glob in self.globs) or (Source(self.folder),)


def shards_named(photos: tuple[Path, ...]) -> Named | None:
    """The shards that paths or URLs ending in .tar name; None if there are none.

    ValueError if there are others among them, or all are tar files and some are compressed.
    """
    shards = [path for path in photos if is_shard(path.name) and not path.is_dir()]
    compressed = [path for path in photos if is_compressed_shard(path.name) and not path.is_dir()]
    if compressed and len(shards) + len(compressed) == len(photos):
        raise ValueError(
            f"{compressed[0]} is a compressed tar file, of which no photo can be read alone: unpack it first"
        )
    if not shards:
        return None
    if len(shards) < len(photos):
        raise ValueError("shards (.tar) and others are named together: complete them in separate calls")
    named = [(path, *split(path)) for path in shards]
    if len({folder for _, folder, _ in named}) > 1:
        raise ValueError("shards of several folders are named: name the folder that holds these, or give a quoted glob")
    files = frozenset(name for path, _, name in named if not is_glob(path))
    return Named(named[0][1], files, tuple(dict.fromkeys(name for path, _, name in named if is_glob(path))))


def shards_in(photos: tuple[Path, ...]) -> Named | None:
    """The shards in the only place that is named; None if there are none in it. OSError if it cannot be listed."""
    if len(photos) != 1 or not (is_remote(photos[0]) or photos[0].is_dir()):
        return None
    named = Named(photos[0])
    return named if any(names_of(open_store(photos[0]), named, None)) else None


def split(path: Path) -> tuple[Path, str]:
    """The folder in which a file or a glob is looked for, and its name there."""
    parts, first = path.parts, len(path.parts) - 1
    if is_glob(path):
        first = next(index for index, part in enumerate(parts) if has_magic(part, is_remote(path)))
    return Path(*parts[:first]), "/".join(parts[first:])


class Shards:
    """The shards of a call: as `Listing` has photos."""

    def __init__(self, places: Places, named: Named, overwrite: bool = False, failed_alone: bool = False) -> None:
        """Those without a result are left; with `overwrite` all; with `failed_alone` those that a report there calls
        failed, or a photo of which. OSError if a place cannot be listed, ValueError if it is none for shards, or there
        is no report."""
        self.passed_over: Counter[str] = Counter()
        """Nothing: what else lies beside shards is no matter."""
        photos, out = open_store(places.photos[0].folder), open_store(places.out)
        if out.where == photos.where:
            raise ValueError(f"--out is {out.where}, where the shards are; name a place of its own for the results")
        if places.masks and not is_one_file(places.masks) and open_store(places.masks).where != photos.where:
            raise ValueError(
                f"--mask is {places.masks}, and masks for photos in shards are one file for all, or lie in the shards"
            )
        self.names = sorted(set(names_of(photos, named, next(iter(Photos(places.photos).inside(out)), None))))
        if not self.names:
            raise NoPhotos(f"there are no shards (.tar) in {photos.where}")
        there = [name for piece in out.listed() for name in piece] if failed_alone or not overwrite else []
        if failed_alone:
            reports = [name for name in there if name.startswith(report.FOLDER)]
            wanted = {shard for name in report.failed(out, reports) for shard in shards_around(name)}
        else:
            wanted = set(self.names).difference(there)
        self.names_left = [name for name in self.names if name in wanted]

    def count(self) -> int:
        """The number of shards."""
        return len(self.names)

    def left(self, wanted_alone: bool = False) -> int:
        """The number of those that are to be completed."""
        return len(self.names_left)

    def to_do(self, wanted_alone: bool = False) -> Iterator[ToDo]:
        """Each of them."""
        return (ToDo(name, (), True, name, name) for name in self.names_left)


def names_of(photos: Store, named: Named, without: str | None) -> Iterator[str]:
    """The names of the shards in a place, but for those in a folder there; some may come twice."""
    yield from named.files
    for source in named.sources:
        for piece in photos.listed(source.depth):
            for name in filter(is_shard, piece):
                elsewhere = without and name.startswith(without)
                hidden = name.rpartition("/")[2].startswith(".")
                if not (elsewhere or hidden) and source.asks_for(name):
                    yield name


def shards_around(name: str) -> Iterator[str]:
    """The names that the shard of a photo may have, as reports call it (part-0.tar/a.jpg); the shard itself is one."""
    parts = name.split("/")
    return ("/".join(parts[: index + 1]) for index, part in enumerate(parts) if is_shard(part))
