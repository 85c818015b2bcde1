"""What there is to do: all photos of a place that have no result yet, each with the names of its masks.

Photos, masks and results are listed once, into a database on disk that is gone at the end, so that ten million names
need no more memory than ten. What is not there yet is all that a next call has to do: that is the resume.
"""

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Self

from data.headers import SUFFIXES
from data.sidecars import ENDINGS, photo_of
from engine.inference.folders.jobs import is_mask_or_result, passed_over_as
from engine.inference.folders.mask_sources import MASK_ENDINGS
from engine.inference.photos.formats.registry import CONTAINERS

CACHE = 48
"""MiB of the database that are held in memory."""

AREAS = ("masks", "sample", "avoid")
"""The kinds of masks that a photo may have: of what is completed, and of where texture may be taken from, or not."""

TABLES = """
    CREATE TABLE photos(file TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID;
    CREATE TABLE asides(file TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE others(file TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE no_photos(file TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE masks(of TEXT, name TEXT, PRIMARY KEY(of, name)) WITHOUT ROWID;
    CREATE TABLE sample(of TEXT, name TEXT, PRIMARY KEY(of, name)) WITHOUT ROWID;
    CREATE TABLE avoid(of TEXT, name TEXT, PRIMARY KEY(of, name)) WITHOUT ROWID;
    CREATE TABLE results(name TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE wanted(name TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE stems(stem TEXT PRIMARY KEY, photos INTEGER) WITHOUT ROWID;
    CREATE TABLE variants(number INTEGER PRIMARY KEY);
"""
"""A photo's name is NULL if it is the file's. asides are files that are called like masks of photos, `no_photos` those
of them that are; others are pictures that are not completed; `wanted` are the photos that alone are to be done; `of` is
`key_of` a photo, `stem` its `stem_of`."""

NAME = "coalesce(photos.name, photos.file)"

LEFT = f"""
    FROM photos CROSS JOIN variants
    WHERE NOT EXISTS (SELECT 1 FROM results WHERE results.name = {{result}})
    AND (? OR EXISTS (SELECT 1 FROM wanted WHERE wanted.name = {NAME}))
"""


class ToDo(NamedTuple):
    """A photo to complete."""

    name: str
    """By which the folders of masks know it."""
    masks: tuple[str, ...]
    """All files that could be its mask, by their names in their place; which of them is, the rules for folders say."""
    alone: bool
    """No other photo has this name, in whatever folder."""
    file: str
    """Within the place of the photos."""
    out: str
    """Its result's, within the place of the results."""
    variant: int = 0
    """Of several completions, which."""
    sample: tuple[str, ...] = ()
    """As the masks, of where texture may be taken from."""
    avoid: tuple[str, ...] = ()
    """The same for where it may not."""


class Listing:
    """The photos, masks and results that were listed, on disk while the block runs; of each photo so many results."""

    def __init__(self, variants: int = 1) -> None:
        self.passed_over: Counter[str] = Counter()
        """Pictures that are none that can be completed, by their ending."""
        self.variants = variants
        self.kinds: set[str] = set()
        """The kinds of masks that are listed."""
        self.flat: set[str] = set()
        """Those of which some lie in no folder."""
        self.sidecars = self.in_folders = self.renamed = False

    def __enter__(self) -> Self:
        self.folder = tempfile.TemporaryDirectory(prefix="engine-listing-")
        self.names = sqlite3.connect(Path(self.folder.name) / "names.sqlite")
        self.names.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = {-1024 * CACHE}; {TABLES}"
        )
        self.names.create_function("numbered", 2, numbered, deterministic=True)
        self.names.executemany("INSERT INTO variants VALUES (?)", ((number,) for number in range(self.variants)))
        return self

    def __exit__(self, *_: object) -> None:
        self.names.close()
        self.folder.cleanup()

    def add_photos(
        self,
        pieces: Iterable[list[str]],
        without: tuple[str, ...] = (),
        sidecars: bool = True,
        name_of: Callable[[str], tuple[str | None, bool]] = lambda file: (file, False),
    ) -> None:
        """The files of the photos' place, but for those in the folders `without`; with `sidecars`, masks beside photos
        are their masks. `name_of` is as that of `Photos`."""
        self.sidecars = sidecars
        for piece in pieces:
            photos, called_masks, asides, others = [], [], [], []
            for file in piece:
                if without and file.startswith(without):
                    continue
                ending, (name, chosen) = ending_of(file), name_of(file)
                if photo_of(file.rpartition("/")[2]):
                    called_masks.append(file)
                    asides += [] if chosen or name is None else [file]
                picture = chosen or not is_mask_or_result(Path(file))
                if name is not None and picture and (chosen or ending in CONTAINERS):
                    photos.append((file, None if name == file else name))
                    self.in_folders |= "/" in name
                    self.renamed |= name != file
                elif ending in SUFFIXES:
                    others.append(file)
                apart = name is not None and picture and not chosen and ending not in CONTAINERS
                if apart and (other := passed_over_as(file)):
                    self.passed_over[other] += 1
            self._insert("photos", photos)
            self._insert("others", ((file,) for file in others))
            self._insert("asides", ((file,) for file in asides))
            if sidecars:
                self.kinds.add("masks")
                self._insert("masks", ((of, file) for file in called_masks if (of := mask_of(file))))

    def add_masks(self, pieces: Iterable[list[str]], kind: str = "masks") -> None:
        """The names of the place of one kind of masks."""
        self.kinds.add(kind)
        for piece in pieces:
            masks = [name for name in piece if ending_of(name) in MASK_ENDINGS]
            if any("/" not in name for name in masks):
                self.flat.add(kind)
            self._insert(kind, ((of, name) for name in masks for of in photos_of(name)))

    def add_results(self, pieces: Iterable[list[str]]) -> None:
        """The names of the results' place."""
        for piece in pieces:
            self._insert("results", ((name,) for name in piece))

    def want(self, names: Iterable[str]) -> None:
        """The photos of these names alone are to be done, of those without a result."""
        self._insert("wanted", ((name,) for name in names))

    def settle(self) -> None:
        """Once all is listed: masks that lie beside their photos are no photos."""
        for (file,) in self.names.execute("SELECT file FROM asides"):
            parent, slash, aside = file.rpartition("/")
            beside = [f"{parent}{slash}{photo_of(aside)}{ending}" for ending in ENDINGS]
            marks = ",".join("?" * len(beside))
            there = f"SELECT 1 FROM {{}} WHERE file IN ({marks}) LIMIT 1"
            if any(self.names.execute(there.format(table), beside).fetchone() for table in ("photos", "others")):
                self.names.execute("INSERT OR IGNORE INTO no_photos VALUES (?)", (file,))
                if (other := passed_over_as(file)) and not is_mask_or_result(Path(file)):
                    self.passed_over -= Counter([other])
        self.names.execute("DELETE FROM photos WHERE file IN (SELECT file FROM no_photos)")
        if self.flat and self.in_folders:
            counted = "INSERT INTO stems VALUES (?, 1) ON CONFLICT(stem) DO UPDATE SET photos = photos + 1"
            stems = ((stem_of(file),) for (file,) in self.names.execute("SELECT file FROM photos"))
            self.names.executemany(counted, stems)
        self.names.commit()

    def has(self, file: str) -> bool:
        """True if this is one of the photos."""
        return self.names.execute("SELECT 1 FROM photos WHERE file = ?", (file,)).fetchone() is not None

    def of_one_name(self) -> list[str]:
        """Files of photos that have the same name, and hence the same result; none if all have names of their own."""
        if not self.renamed:  # they are files' names
            return []
        twice = f"SELECT {NAME} FROM photos GROUP BY 1 HAVING count(*) > 1 LIMIT 1"
        same = f"SELECT file FROM photos WHERE {NAME} = ({twice})"
        return [file for (file,) in self.names.execute(same)]

    def count(self) -> int:
        """The number of results to be, with those that are there."""
        return self.variants * int(self.names.execute("SELECT count(*) FROM photos").fetchone()[0])

    def left(self, wanted_alone: bool = False) -> int:
        """The number of those that are not there yet."""
        return int(self.names.execute(f"SELECT count(*) {self._left()}", (not wanted_alone,)).fetchone()[0])

    def to_do(self, wanted_alone: bool = False) -> Iterator[ToDo]:
        """The photos without a result, in the order of their files."""
        chosen = f"SELECT photos.file, {NAME}, {self._result()}, number {self._left()} ORDER BY photos.file, number"
        for file, name, out, variant in self.names.execute(chosen, (not wanted_alone,)):
            alone = self._is_alone(file) if self.flat and "/" in name else True
            areas = {kind: self._masks(kind, file, name, alone) if kind in self.kinds else () for kind in AREAS}
            yield ToDo(name, areas["masks"], alone, file, out, variant, areas["sample"], areas["avoid"])

    def _result(self) -> str:
        return NAME if self.variants == 1 else f"numbered({NAME}, number)"

    def _left(self) -> str:
        return LEFT.format(result=self._result())

    def _is_alone(self, file: str) -> bool:
        found = self.names.execute("SELECT photos FROM stems WHERE stem = ?", (stem_of(file),)).fetchone()
        return found is None or found[0] == 1

    def _masks(self, kind: str, file: str, name: str, alone: bool) -> tuple[str, ...]:
        of = f"SELECT name FROM {kind} WHERE of = ?"
        beside = kind == "masks" and self.sidecars
        found = self.names.execute(of, (key_of(file if beside else name),)).fetchall()
        if not found and alone and kind in self.flat and "/" in name:
            found = self.names.execute(of, (stem_of(name),)).fetchall()
        return tuple(mask for (mask,) in found)

    def _insert(self, table: str, rows: Iterable[tuple[str | None, ...]]) -> None:
        """In order, which a tree on disk takes in far faster than any other."""
        ordered = sorted(rows, key=lambda row: row[0] or "")
        if not ordered:
            return
        marks = ", ".join("?" * len(ordered[0]))
        with self.names:
            self.names.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", ordered)


@contextmanager
def names_kept() -> Iterator[None]:
    """An OSError in place of the database's own error, which is nearly always that of a full disk."""
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(
            f"the names of the photos cannot be kept in {tempfile.gettempdir()} ({error}): make room there, or name "
            "another folder by the variable TMPDIR"
        ) from error


def numbered(name: str, variant: int) -> str:
    """The name of a variant of a result: with -1, -2 and so on before its ending."""
    path = PurePosixPath(name)
    return path.with_stem(f"{path.stem}-{variant + 1}").as_posix()


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
