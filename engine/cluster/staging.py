"""The files of photos that are elsewhere, brought here for as long as each is completed.

The photo and all that could be its mask lie in a folder of their own meanwhile, under the names that they have where
they come from, so that the rules of folders find the mask. The result is put as finished bytes, once.
"""

import itertools
import re
import shutil
import tempfile
from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from engine.cluster.stores import Folder, Store, open_store
from engine.cluster.todo import ToDo, ending_of
from engine.inference.completer import Completer
from engine.inference.folders.complete import Options, Outcome, complete_files
from engine.inference.folders.jobs import Job
from engine.inference.folders.mask_sources import MASK_ENDINGS


class Places(NamedTuple):
    """Where photos, masks and results are, as the command line names them."""

    photos: Path
    masks: Path | None
    """A folder; one file for all photos; None where masks lie beside the photos."""
    out: Path

    @property
    def one_mask(self) -> bool:
        """True if one file is the mask of all photos, or has them all."""
        return self.masks is not None and ending_of(self.masks.name) in MASK_ENDINGS and not self.masks.is_dir()


class Staging:
    """A folder for the files of photos on their way, gone at the end of the block."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.photos, self.out = open_store(places.photos), open_store(places.out)
        self.masks: Store = self.photos
        if places.masks:
            self.masks = open_store(places.masks.parent if places.one_mask else places.masks)
        self.numbers = itertools.count()
        self.staged: dict[Path, ToDo] = {}

    def __enter__(self) -> Self:
        self.temporary = tempfile.TemporaryDirectory(prefix="engine-staging-", ignore_cleanup_errors=True)
        self.folder = Path(self.temporary.name).resolve()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.temporary.cleanup()

    def mask_for_all(self) -> Path | None:
        """The one mask of all photos, as a file here; None if there is none. OSError if it cannot be read."""
        if not (self.places.masks and self.places.one_mask):
            return None
        file = self.folder / self.places.masks.name
        bring(self.masks, self.places.masks.name, file)
        return file

    def complete(
        self, completer: Completer, todo: Iterable[ToDo], options: Options, in_flight: int
    ) -> Generator[Outcome]:
        """Complete the photos; their outcomes, in order, whose names are those of the places."""
        options = replace(options, transfer=self)
        for outcome in complete_files(completer, map(self.job, todo), options, in_flight):
            self._clear(outcome)
            yield outcome

    def job(self, photo: ToDo) -> Job:
        """The job of a photo; nothing is brought yet."""
        own = self.folder / str(next(self.numbers))
        out = self.out.path if isinstance(self.out, Folder) else own / "out"
        job = Job(
            photo=own / "photos" / photo.name,
            name=Path(photo.name),
            out=out / photo.name,
            alone=photo.alone,
            masks=own / "masks" if self.places.masks and not self.places.one_mask else None,
            called=(self.photos.called(photo.name), self.out.called(photo.name)),
        )
        self.staged[job.photo] = photo
        return job

    def fetch(self, job: Job) -> None:
        """Bring a job's photo and its masks, a request each."""
        photo = self.staged[job.photo]
        bring(self.photos, photo.name, job.photo)
        if job.masks:
            job.masks.mkdir(parents=True)
        beside = job.masks or job.photo.parents[len(job.name.parts) - 1]
        for mask in photo.masks:
            if not (job.masks and self.masks.where == self.photos.where and mask == photo.name):
                bring(self.masks, mask, beside / mask)

    def deliver(self, job: Job) -> None:
        """Put a job's result; in a folder it is there already."""
        if not isinstance(self.out, Folder):
            self.out.put(job.name.as_posix(), job.out.read_bytes())

    def _clear(self, outcome: Outcome) -> None:
        """Remove a job's files, and say in its messages where they really are."""
        del self.staged[outcome.job.photo]
        shutil.rmtree(self.folder / outcome.job.photo.relative_to(self.folder).parts[0], ignore_errors=True)
        outcome.error = outcome.error and self.said(outcome.error)
        outcome.report.warnings[:] = map(self.said, outcome.report.warnings)

    def said(self, text: str) -> str:
        """A message with the names of the places in place of those of files here."""
        where = {"photos": self.photos.where, "masks": self.masks.where, "out": self.out.where}
        text = re.sub(rf"{re.escape(str(self.folder))}/\d+/({'|'.join(where)})\b", lambda found: where[found[1]], text)
        return text.replace(str(self.folder), self.masks.where)


def bring(store: Store, name: str, file: Path) -> None:
    """Make a file here of one in a store; of one in a folder, a link to it. OSError as `Store.read`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(store, Folder):
        file.symlink_to(store.path / name)
    else:
        file.write_bytes(store.read(name))
