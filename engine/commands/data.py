"""engine-data: index, pack, measure and check folders of photographs."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from data.catalog import INDEX_NAME, Catalog, index_of, summary
from data.checking import undecodable
from data.entries import BadPhoto
from data.lists import read_list
from data.mean_pixel import mean_pixel
from data.scan import walk
from data.shards import Packing, pack
from engine.commands.ending import ends_in_a_line
from engine.commands.progress import progress
from engine.cpu import cpus

Folder = tyro.conf.Positional[Path]


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """Read the headers of all photos of a folder (or tar shards) into one file that opens at once.

    Run it again after photos were added, changed or removed: those that are as they were are not read again.
    """

    folder: Folder
    """Folder of photographs at any depth, or of tar shards."""

    out: Path | None = None
    """The index file. By default it is photos.index in the folder if there is one, else a file in the cache
    ($ENGINE_CACHE, or ~/.cache/glcic-engine): training uses either when it is given the folder. Nothing else is written
    beside the photos."""

    list: Path | None = None
    """Take only the photos that this file lists, such as places365_train_standard.txt, list_eval_partition.csv or an
    .flist."""

    number: int | None = None
    """Of the list, take only the lines that end in this number (CelebA: 0 train, 1 validation, 2 test)."""

    def run(self) -> None:
        """Write the index and tell what is in it."""
        if not self.folder.is_dir():
            raise ValueError(f"{self.folder} is no folder: give the folder that holds the photographs")
        if self.number is not None and self.list is None:
            raise ValueError("--number chooses lines of a list: give the list with --list FILE")
        out = self.out or _writable(index_of(self.folder))
        known = Catalog.from_index(out) if out.exists() else None
        if known and known.root != self.folder.resolve():
            raise ValueError(f"{out} is the index of {known.root}: give another file with --out")
        with progress("counting photos", None) as step:
            names = read_list(self.list, self.number, self.folder) if self.list else None
            count = len(names) if names is not None else 0
            if names is None:
                for _ in walk(self.folder, tell=False):
                    count += 1
                    step(1)
        with progress("reading headers", count) as step:
            catalog = Catalog.scanned(self.folder, names, known, step)
        if not len(catalog):
            raise ValueError(
                f"{self.folder} holds no usable photograph ({summary(catalog.bad) or 'and no image file'})"
            )
        catalog.save(out)
        _tell_bad(catalog.bad)
        print(f"{out}: {len(catalog)} photos, {len(catalog.bad)} left out")


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """Decode every photo, and leave those that cannot be decoded out of the index."""

    folder: Folder
    """Folder with an index, or an index file. Without an index, one is made."""

    threads: int = field(default_factory=cpus)
    """Photos decoded at a time."""

    def run(self) -> None:
        """Rewrite the index and name what it leaves out."""
        catalog = Catalog.open(self.folder)
        index = _writable(index_of(self.folder))
        with progress("decoding", len(catalog)) as step:
            found = undecodable(catalog, threads=self.threads, progress=step)
        if len(found) == len(catalog):
            raise ValueError(
                f"none of the {len(catalog)} photos in {self.folder} can be decoded; the index is as it was"
            )
        catalog = catalog.without(found)
        catalog.save(index)
        _tell_bad(catalog.bad)
        print(f"{index}: {len(catalog)} photos decoded, {len(found)} could not be, {len(catalog.bad)} left out in all")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mean:
    """Print the mean pixel, with which holes are filled, as JSON."""

    folder: Folder
    """Folder of photographs, of tar shards, or an index file."""

    sample: int | None = None
    """Measure so many photos chosen at random, and tell the standard error; by default all."""

    seed: int = 0
    """The photos that are chosen."""

    threads: int = field(default_factory=cpus)
    """Photos decoded at a time."""

    def run(self) -> None:
        """Print {"mean": [r, g, b], "standard_error": [...] or null, "photos": n} in [0, 1]."""
        catalog = Catalog.open(self.folder)
        photos = len(catalog) if self.sample is None else min(self.sample, len(catalog))
        with progress("measuring", photos) as step:
            mean, error = mean_pixel(catalog, sample=self.sample, seed=self.seed, threads=self.threads, progress=step)
        standard_error = None if error is None else error.tolist()
        print(json.dumps({"mean": mean.tolist(), "standard_error": standard_error, "photos": photos}))


@dataclass(frozen=True, kw_only=True, slots=True)
class Pack:
    """Write the photos as WebDataset tar shards and index them. A packing that was stopped continues where it was."""

    folder: Folder
    """Folder of photographs, or an index file."""

    out: Folder
    """Folder for the shards, outside that of the photos."""

    packing: Annotated[Packing, tyro.conf.arg(name="")] = field(default_factory=Packing)

    threads: int = field(default_factory=cpus)
    """Shards written at a time."""

    def run(self) -> None:
        """Write the shards and their index."""
        catalog = Catalog.open(self.folder)
        with progress("packing", len(catalog)) as step:
            bad = pack(catalog, self.out, self.packing, threads=self.threads, progress=step)
        packed = Catalog.scanned(self.out)
        packed.save(self.out / INDEX_NAME)
        _tell_bad([*catalog.bad, *bad, *packed.bad])
        print(f"{self.out}: {len(packed)} photos in {len(packed.shards)} shards, {len(bad)} left out")


def _writable(index: Path | None) -> Path:
    """The index file to be written. OSError if there is no place for one."""
    if index is None:
        raise OSError("there is no home folder for the cache that the index goes into: set ENGINE_CACHE to a folder")
    return index


def _tell_bad(bad: list[BadPhoto]) -> None:
    """Name every photo that is left out, on standard error: one line each, for people and for grep."""
    for photo in bad:
        print(f"left out: {photo.name}: {photo.reason}", file=sys.stderr)


@ends_in_a_line("engine-data")
def main() -> None:
    """The command line."""
    command = tyro.cli(Index | Pack | Mean | Check, prog="engine-data", description=__doc__)
    threads = getattr(command, "threads", 1)
    if threads < 1:
        raise ValueError(f"--threads is {threads}; it must be at least 1")
    command.run()


if __name__ == "__main__":
    main()
