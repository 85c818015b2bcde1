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
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from engine.cluster.sources import Photos, Source
from engine.cluster.stores import Folder, Store, open_store
from engine.cluster.todo import AREAS, ToDo, ending_of
from engine.inference.folders.jobs import Job
from engine.inference.folders.mask_sources import MASK_ENDINGS
from engine.inference.folders.options import Options, Outcome

if TYPE_CHECKING:
    from engine.inference.completer import Completer


class Places(NamedTuple):
    """Where photos, masks and results are."""

    photos: tuple[Source, ...]
    masks: Path | None
    """A folder; one file for all photos; None where masks lie beside the photos."""
    out: Path
    sample: Path | None = None
    """A folder or a file of masks, too; None without."""
    avoid: Path | None = None

    @property
    def areas(self) -> dict[str, Path]:
        """The kinds of masks that have a place, of `AREAS`, and that."""
        return {kind: path for kind in AREAS if (path := getattr(self, kind))}


def is_one_file(path: Path) -> bool:
    """True if this is the mask of all photos, or has them all, and not a folder of masks."""
    return ending_of(path.name) in MASK_ENDINGS and not path.is_dir()


class Staging:
    """A folder for the files of photos on their way, gone at the end of the block."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.photos, self.out = Photos(places.photos), open_store(places.out)
        self.areas = {kind: open_store(path) for kind, path in places.areas.items() if not is_one_file(path)}
        """Of the kinds of masks that have a folder."""
        self.numbers = itertools.count()
        self.staged: dict[Path, ToDo] = {}

    def __enter__(self) -> Self:
        self.temporary = tempfile.TemporaryDirectory(prefix="engine-staging-", ignore_cleanup_errors=True)
        self.folder = Path(self.temporary.name).resolve()
        self.where = self._where()
        return self

    def __exit__(self, *_: object) -> None:
        self.temporary.cleanup()

    def prepared(self, options: Options) -> Options:
        """The options of completing each photo with this, once masks of all photos are here. OSError if they cannot be
        read."""
        files: dict[str, Path | None] = dict.fromkeys(AREAS)
        for kind, path in self.places.areas.items():
            if kind not in self.areas:
                files[kind] = self.folder / "all" / kind / path.name
                bring(open_store(path.parent), path.name, self.folder / "all" / kind / path.name)
        masks = replace(options.masks, path=files["masks"])
        return replace(options, masks=masks, sample=files["sample"], avoid=files["avoid"], transfer=self)

    def complete(
        self, completer: "Completer", todo: Iterable[ToDo], options: Options, in_flight: int
    ) -> Generator[Outcome]:
        """Complete the photos with options that are `prepared`; their outcomes, in order, whose names are those of the
        places."""
        from engine.inference.folders.complete import complete_files

        for outcome in complete_files(completer, map(self.job, todo), options, in_flight):
            self._clear(outcome)
            yield outcome

    def job(self, photo: ToDo) -> Job:
        """The job of a photo; nothing is brought yet."""
        own = self.folder / str(next(self.numbers))
        out = self.out.path if isinstance(self.out, Folder) else own / "out"
        folders = {kind: own / kind if kind in self.areas else None for kind in AREAS}
        job = Job(
            photo=own / "photos" / photo.file,
            name=Path(photo.name),
            out=out / photo.out,
            variant=photo.variant,
            alone=photo.alone,
            **folders,
            called=(self.photos.called(photo.file), self.out.called(photo.out)),
        )
        self.staged[job.photo] = photo
        return job

    def fetch(self, job: Job) -> None:
        """Bring a job's photo and its masks, a request each."""
        photo = self.staged[job.photo]
        bring(*self.photos.at(photo.file), job.photo)
        if "masks" not in self.areas:
            for mask in photo.masks:
                bring(*self.photos.at(mask), self._own(job) / "photos" / mask)
        for kind, store in self.areas.items():
            folder = self._own(job) / kind
            folder.mkdir(parents=True)
            for mask in getattr(photo, kind):
                if store.called(mask) != job.photo_called:
                    bring(store, mask, folder / mask)

    def deliver(self, job: Job) -> None:
        """Put a job's result; in a folder it is there already."""
        if not isinstance(self.out, Folder):
            self.out.put(self.staged[job.photo].out, job.out.read_bytes())

    def _own(self, job: Job) -> Path:
        """The folder of a job's files."""
        return self.folder / job.photo.relative_to(self.folder).parts[0]

    def _clear(self, outcome: Outcome) -> None:
        """Remove a job's files, and say in its messages where they really are."""
        del self.staged[outcome.job.photo]
        shutil.rmtree(self._own(outcome.job), ignore_errors=True)
        outcome.error = outcome.error and self.said(outcome.error)
        outcome.report.warnings[:] = map(self.said, outcome.report.warnings)

    def said(self, text: str) -> str:
        """A message with the names of the places in place of those of files here."""
        for folder, place in self.where.items():
            text = re.sub(folder, place.replace("\\", r"\\"), text)
        return text

    def _where(self) -> dict[str, str]:
        """The name of each place for people, by a pattern for the folders here that have its files."""
        parts = {f"photos/{begin}".rstrip("/"): store.where for begin, (_, store) in self.photos.parts.items()}
        own = parts | {kind: store.where for kind, store in self.areas.items()} | {"out": self.out.where}
        for_all = {f"all/{kind}": open_store(path.parent).where for kind, path in self.places.areas.items()}
        folders = {rf"\d+/{folder}": place for folder, place in own.items()} | for_all
        return {rf"{re.escape(str(self.folder))}/{folder}\b": place for folder, place in folders.items()}


def bring(store: Store, name: str, file: Path) -> None:
    """Make a file here of one in a store; of one in a folder, a link to it. OSError as `Store.read`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(store, Folder):
        if (store.path / name).exists() and not (store.path / name).is_file():
            raise OSError(
                f"{store.called(name)} is a pipe or a device and no file, which could be waited for without end"
            )
        file.symlink_to(store.path / name)
    else:
        content = store.read(name)
        try:
            file.write_bytes(content)
        except OSError as error:
            if error.errno not in (EDQUOT, EFBIG, ENOSPC):
                raise
            raise OSError(
                f"{store.called(name)} cannot be brought to {tempfile.gettempdir()} ({error.strerror}): make room "
                "there, or name another folder by the variable TMPDIR"
            ) from error
