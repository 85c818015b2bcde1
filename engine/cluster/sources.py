"""The photos of a call: folders, files and globs, on disk or in buckets, as one place in which each file has a name.

One folder is the place itself. Of anything else each part is a folder of the place, called by its number.
"""

import glob
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from engine.cluster.stores import Store, is_remote, open_store
from engine.inference.folders.jobs import belongs_to_another
from engine.inference.photos.formats.registry import CONTAINERS


class Source(NamedTuple):
    """A folder, or what is asked for of it."""

    folder: Path
    pattern: str | None = None
    """A glob for the files in it."""
    files: frozenset[str] = frozenset()
    """Files in it that are named one by one."""

    @property
    def is_searched(self) -> bool:
        """True if all photos of the folder are asked for, with the folders in it."""
        return self.pattern is None and not self.files

    @property
    def depth(self) -> int | None:
        """The folders on the way to a file at most, the folder itself among them; None if that is not known."""
        if self.is_searched or "**" in (self.pattern or ""):
            return None
        return len((self.pattern or "").split("/"))

    def asks_for(self, name: str) -> bool:
        """True if a file of the folder is one of those."""
        if self.is_searched or name in self.files:
            return True
        return self.pattern is not None and matches(name.split("/"), self.pattern.split("/"))


def sources_of(paths: tuple[Path, ...]) -> tuple[Source, ...]:
    """The sources that the command line names, files of one folder together.

    ValueError if nothing is there, where that can be said without listing a bucket.
    """
    found: dict[tuple[Path, str | None], set[str]] = {}
    for path in paths:
        if is_glob(path):
            first = next(number for number, part in enumerate(path.parts) if has_magic(part, is_remote(path)))
            if is_remote(path) and first < 2:
                raise ValueError(f"{path} names no bucket: only what follows the bucket's name can be a glob")
            found.setdefault((absolute(Path(*path.parts[:first])), "/".join(path.parts[first:])), set())
        elif is_file(path):
            if not belongs_to_another(path, paths):
                found.setdefault((absolute(path.parent), ""), set()).add(path.name)
        elif is_remote(path) or path.is_dir():
            found.setdefault((absolute(path), None), set())
        else:
            raise ValueError(f"there is no photo or folder at {path}")
    return tuple(Source(folder, pattern or None, frozenset(files)) for (folder, pattern), files in found.items())


def is_glob(path: Path) -> bool:
    """True if a path stands for all files that it matches."""
    return has_magic(str(path), is_remote(path)) and (is_remote(path) or not path.exists())


def has_magic(text: str, remote: bool) -> bool:
    """True if a path, or a part of one, begins a glob: in a bucket by * or ? alone, since [ is in folders' names."""
    return any(mark in text for mark in "*?") if remote else glob.has_magic(text)


def is_file(path: Path) -> bool:
    """True if a path names one photo; in a bucket by its ending."""
    return path.suffix.lower() in CONTAINERS if is_remote(path) else path.is_file()


def absolute(path: Path) -> Path:
    """A folder as all processes on this machine name it, wherever they were started; of a bucket, as it is."""
    return path if is_remote(path) else path.absolute()


def matches(names: list[str], patterns: list[str]) -> bool:
    """True if a path, in its parts, is one that glob.glob finds: ** is any folders, and hidden ones are none."""
    if not (names and patterns):
        return not names and patterns in ([], ["**"])
    (name, *names_left), (pattern, *patterns_left) = names, patterns
    if name.startswith(".") and not pattern.startswith("."):
        return pattern == "**" and matches(names, patterns_left)
    if pattern == "**":
        return matches(names, patterns_left) or matches(names_left, patterns)
    return fnmatchcase(name, pattern) and matches(names_left, patterns_left)


class Photos:
    """The place of a call's photos. A file in it has the name that its folder has for it, after the folder's number and
    a slash unless the place is one folder."""

    def __init__(self, sources: tuple[Source, ...]) -> None:
        self.is_folder = len(sources) == 1 and sources[0].is_searched
        width = len(str(len(sources)))
        self.parts = {
            "" if self.is_folder else f"{number:0{width}}/": (source, open_store(source.folder))
            for number, source in enumerate(sources)
        }

    @property
    def where(self) -> str:
        """Its name for people: a URL, an absolute folder, or several."""
        return ", ".join(dict.fromkeys(store.where for _, store in self.parts.values()))

    def listed(self) -> Iterator[list[str]]:
        """The names of all files, as `Store.listed`."""
        for begin, (source, store) in self.parts.items():
            for piece in store.listed(source.depth):
                yield [begin + name for name in piece] if begin else piece

    def at(self, file: str) -> tuple[Store, str]:
        """Where a file is, and its name there."""
        begin, name = self._split(file)
        return self.parts[begin][1], name

    def called(self, file: str) -> str:
        """The whole name of a file, for people."""
        store, name = self.at(file)
        return store.called(name)

    def name_of(self, file: str) -> tuple[str | None, bool]:
        """The name of a file's result, None if the file is not asked for; and whether it is asked for by its name."""
        begin, name = self._split(file)
        source, _ = self.parts[begin]
        if not source.asks_for(name):
            return None, False
        return (name if source.is_searched else name.rpartition("/")[2]), name in source.files

    def inside(self, place: Store) -> tuple[str, ...]:
        """The beginnings of names in here of files at a place that lies within a folder that is searched."""
        found = []
        for begin, (source, store) in self.parts.items():
            outer = store.where.rstrip("/") + "/"
            if source.is_searched and place.where.startswith(outer):
                found.append(f"{begin}{place.where.removeprefix(outer)}/")
        return tuple(found)

    def named(self) -> Iterator[str]:
        """The files that are asked for by their names."""
        for begin, (source, _) in self.parts.items():
            yield from (begin + name for name in sorted(source.files))

    def _split(self, file: str) -> tuple[str, str]:
        if self.is_folder:
            return "", file
        number, slash, name = file.partition("/")
        return number + slash, name
