"""What there is to do: all photos of a place that have no result yet, each with the names of its masks.

Photos, masks and results are listed once, into a database on disk that is gone at the end, so that ten million names
need no more memory than ten. What is not there yet is all that a next call has to do: that is the resume.
"""

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from data.headers import SUFFIXES
from data.sidecars import ENDINGS, photo_of
from engine.inference.folders.jobs import OTHER_PICTURES, is_mask_or_result
from engine.inference.folders.mask_sources import MASK_ENDINGS
from engine.inference.photos.formats.registry import CONTAINERS

CACHE = 48
"""MiB of the database that are held in memory."""

TABLES = """
    CREATE TABLE photos(name TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE asides(name TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE others(name TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE no_photos(name TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE masks(of TEXT, name TEXT, PRIMARY KEY(of, name)) WITHOUT ROWID;
    CREATE TABLE results(name TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE wanted(name TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE stems(stem TEXT PRIMARY KEY, photos INTEGER) WITHOUT ROWID;
"""
"""asides are files that are called like masks of photos, `no_photos` those of them that are; others are pictures that
are not completed; `wanted` are the photos that alone are to be done; `of` is `key_of` a photo, `stem` its `stem_of`."""

LEFT = """
    FROM photos WHERE NOT EXISTS (SELECT 1 FROM results WHERE results.name = photos.name)
    AND (? OR EXISTS (SELECT 1 FROM wanted WHERE wanted.name = photos.name))
"""


class ToDo(NamedTuple):
    """A photo to complete."""

    name: str
    """Within the place of the photos, as all names here within theirs."""
    masks: tuple[str, ...]
    """All files that could be its mask; which of them is, the rules for folders say."""
    alone: bool
    """No other photo has this name, in whatever folder."""


class Listing:
    """The photos, masks and results that were listed, on disk while the block runs."""

    def __init__(self) -> None:
        self.passed_over: Counter[str] = Counter()
        """Pictures that are none that can be completed, by their ending."""
        self.flat_masks = self.in_folders = False

    def __enter__(self) -> Self:
        self.folder = tempfile.TemporaryDirectory(prefix="engine-listing-")
        self.names = sqlite3.connect(Path(self.folder.name) / "names.sqlite")
        self.names.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = {-1024 * CACHE}; {TABLES}"
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.names.close()
        self.folder.cleanup()

    def add_photos(self, pieces: Iterable[list[str]], without: tuple[str, ...] = (), sidecars: bool = True) -> None:
        """The names of the photos' place, but for those in the folders `without`; with `sidecars`, masks beside photos
        are their masks."""
        for piece in pieces:
            photos, asides, others = [], [], []
            for name in piece:
                ending = ending_of(name)
                if without and name.startswith(without):
                    continue
                if photo_of(name.rpartition("/")[2]):
                    asides.append(name)
                if ending in CONTAINERS and not is_mask_or_result(Path(name)):
                    photos.append(name)
                    self.in_folders |= "/" in name
                elif ending in SUFFIXES:
                    others.append(name)
                if ending in OTHER_PICTURES and not is_mask_or_result(Path(name)):
                    self.passed_over[ending] += 1
            self._insert("photos", photos)
            self._insert("others", others)
            self._insert("asides", asides)
            if sidecars:
                self._insert_masks((called, name) for name in asides if (called := mask_of(name)))

    def add_masks(self, pieces: Iterable[list[str]]) -> None:
        """The names of the masks' place."""
        for piece in pieces:
            masks = [name for name in piece if ending_of(name) in MASK_ENDINGS]
            self.flat_masks |= any("/" not in name for name in masks)
            self._insert_masks((called, name) for name in masks for called in photos_of(name))

    def add_results(self, pieces: Iterable[list[str]]) -> None:
        """The names of the results' place."""
        for piece in pieces:
            self._insert("results", piece)

    def want(self, names: Iterable[str]) -> None:
        """These photos alone are to be done, of those without a result."""
        self._insert("wanted", names)

    def settle(self) -> None:
        """Once all is listed: masks that lie beside their photos are no photos."""
        for (name,) in self.names.execute("SELECT name FROM asides"):
            parent, _, file = name.rpartition("/")
            photo = f"{parent}/{photo_of(file)}" if parent else str(photo_of(file))
            beside = [photo + ending for ending in ENDINGS]
            marks = ",".join("?" * len(beside))
            there = f"SELECT 1 FROM {{}} WHERE name IN ({marks}) LIMIT 1"
            if any(self.names.execute(there.format(table), beside).fetchone() for table in ("photos", "others")):
                self.names.execute("INSERT OR IGNORE INTO no_photos VALUES (?)", (name,))
        self.names.execute("DELETE FROM photos WHERE name IN (SELECT name FROM no_photos)")
        if self.flat_masks and self.in_folders:
            counted = "INSERT INTO stems VALUES (?, 1) ON CONFLICT(stem) DO UPDATE SET photos = photos + 1"
            stems = ((stem_of(name),) for (name,) in self.names.execute("SELECT name FROM photos"))
            self.names.executemany(counted, stems)
        self.names.commit()

    def count(self, table: str) -> int:
        """How many names there are in `photos` or another table."""
        return int(self.names.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def left(self, wanted_alone: bool = False) -> int:
        """How many photos have no result yet."""
        return int(self.names.execute(f"SELECT count(*) {LEFT}", (not wanted_alone,)).fetchone()[0])

    def to_do(self, wanted_alone: bool = False) -> Iterator[ToDo]:
        """The photos without a result, in the order of their names."""
        for (name,) in self.names.execute(f"SELECT photos.name {LEFT} ORDER BY photos.name", (not wanted_alone,)):
            masks, alone = self._masks(key_of(name)), True
            if not masks and "/" in name and self.flat_masks:
                found = self.names.execute("SELECT photos FROM stems WHERE stem = ?", (stem_of(name),)).fetchone()
                alone = found is None or found[0] == 1
                masks = self._masks(stem_of(name)) if alone else ()
            yield ToDo(name, masks, alone)

    def _masks(self, of: str) -> tuple[str, ...]:
        return tuple(name for (name,) in self.names.execute("SELECT name FROM masks WHERE of = ?", (of,)))

    def _insert(self, table: str, names: Iterable[str]) -> None:
        """In order, which a tree on disk takes in far faster than any other."""
        with self.names:
            rows = ((name,) for name in sorted(names))
            self.names.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?)", rows)

    def _insert_masks(self, rows: Iterable[tuple[str, str]]) -> None:
        with self.names:
            self.names.executemany("INSERT OR IGNORE INTO masks VALUES (?, ?)", sorted(rows))


def ending_of(name: str) -> str:
    """The ending of a name, with its dot, in small letters."""
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    return f".{ending.lower()}" if stem and dot else ""


def stem_of(name: str) -> str:
    """A photo's name alone, without its ending and its case."""
    file = name.rpartition("/")[2]
    stem, dot, _ = file.rpartition(".")
    return (stem if stem and dot else file).casefold()


def key_of(name: str) -> str:
    """By which a photo and its masks find each other: its folder, and `stem_of` it."""
    parent, slash, _ = name.rpartition("/")
    return f"{parent}{slash}{stem_of(name)}"


def mask_of(name: str) -> str | None:
    """`key_of` the photo that a file is called a mask of (photo.mask.png); None if it is called otherwise."""
    parent, slash, file = name.rpartition("/")
    photo = photo_of(file)
    return None if photo is None else f"{parent}{slash}{photo.casefold()}"


def photos_of(name: str) -> set[str]:
    """`key_of` all photos that a file in a place of masks could be of: photo.mask.png, photo.png, photo.jpg.json."""
    keys = {key_of(name)}
    if ending_of(key_of(name)) in CONTAINERS:
        keys.add(key_of(key_of(name)))
    called = mask_of(name)
    return keys | {called} if called else keys
