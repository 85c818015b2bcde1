"""Photos in shards: tar files, as WebDataset has them, in which masks lie beside photos (KEY.jpg, KEY.mask.png).

A shard is a place as a folder is, and its photos are completed as those of any place. The results are a shard of its
name with the photos in the same order: whole, or not there. A photo that fails is not in it.
"""

import logging
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from data.files import atomic_writer
from engine.cluster.sources import Source
from engine.cluster.staging import Places, Staging
from engine.cluster.stores import Bucket, Folder, Store, open_store
from engine.cluster.survey import survey
from engine.cluster.tars import Tar, printable, why_unsafe
from engine.cluster.todo import ToDo, ending_of
from engine.inference.completer import Completer
from engine.inference.folders.complete import isolated, writing
from engine.inference.folders.jobs import Job, is_mask_or_result, told_passed_over
from engine.inference.folders.options import Options, Outcome
from engine.inference.photos.formats.registry import CONTAINERS

log = logging.getLogger(__name__)


class Shard(NamedTuple):
    """A shard on its way."""

    name: str
    tar: Tar
    before: Tar | None
    """A result that is there, of which photos are taken."""
    places: Places
    """Of its photos and, until they are written, of their results."""

    def is_there(self, photo: str) -> bool:
        """True if that result has this photo."""
        return self.before is not None and photo in self.before.members


def complete_shard(
    places: Places, completer: Completer, shard: str, options: Options, in_flight: int, retry: bool = False
) -> Iterator[Outcome]:
    """Complete the photos of a shard; their outcomes, in order, as they come.

    A mask for all photos is a file that the options name. With `retry`, those photos alone that a result lacks. The
    last outcome is the shard's own where nothing is written: because it failed, and no photo of it is there; or with
    `retry`, since nothing is lacking.
    """
    photos, out, path = open_store(places.photos[0].folder), open_store(places.out), Path(shard)
    called = (photos.called(shard), out.called(shard))
    own = Outcome(Job(path, path, path, called=called))
    with tempfile.TemporaryDirectory(prefix="engine-staging-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary).resolve()
        names = {str(folder / "shard.tar"): called[0], str(folder / "out"): called[1]}
        names[str(folder / "before.tar")] = called[1]
        if places.masks and options.masks.path:
            names[str(options.masks.path)] = open_store(places.masks.parent).called(places.masks.name)
        with isolated(own):
            file, before = brought(photos, shard, folder / "shard.tar"), None
            if retry:
                before = result_of(out, shard, folder / "before.tar")
            masks = places.masks and (options.masks.path or file)
            found = Shard(shard, Tar(file), before, Places((Source(file),), masks, folder / "out"))
            names |= {found.tar.where: called[0]}
            todo = photos_of(found, called[0])
            if all(map(found.is_there, todo)):
                own.status = "skipped"
            else:
                for outcome in _written(found, out, completer, todo, options, in_flight):
                    yield renamed(outcome, names)
    if own.status == "failed":
        own.error = f"{own.error} ({called[1]} is not written)"
    if own.status != "pending":
        yield renamed(own, names)


def result_of(out: Store, shard: str, file: Path) -> Tar | None:
    """The result of a shard that is there; None if none is. ValueError if it is damaged."""
    try:
        return Tar(brought(out, shard, file))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"the result that is there is not whole ({error}): --overwrite makes it again") from error


def renamed(outcome: Outcome, names: dict[str, str]) -> Outcome:
    """The outcome with other names in place of those of files here."""
    for here, there in names.items():
        photo, out = outcome.job.photo_called, outcome.job.out_called
        outcome.job = replace(outcome.job, called=(photo.replace(here, there), out.replace(here, there)))
        outcome.error = outcome.error and outcome.error.replace(here, there)
        outcome.report.warnings[:] = [text.replace(here, there) for text in outcome.report.warnings]
    return outcome


def photos_of(shard: Shard, called: str) -> dict[str, ToDo | None]:
    """The photos of a shard by the rules for folders, in its order; None for one whose name is unsafe. NoPhotos if
    there are none."""
    with survey(shard.places) as listing:
        safe = {photo.name: photo for photo in listing.to_do()}
    for line in told_passed_over(listing.passed_over):
        log.warning("%s: %s", called, line)
    return {name: safe.get(name) for name in shard.tar.members if name in safe or (why_unsafe(name) and is_photo(name))}


def is_photo(name: str) -> bool:
    """True if a file is a photo by its name."""
    return ending_of(name) in CONTAINERS and not is_mask_or_result(Path(name))


def _written(
    shard: Shard, out: Store, completer: Completer, photos: dict[str, ToDo | None], options: Options, in_flight: int
) -> Iterator[Outcome]:
    """Complete what is lacking of a shard's photos, and write that and what is there. ValueError if that is nothing."""
    todo = (photo for name, photo in photos.items() if photo and not shard.is_there(name))
    with (
        Staging(shard.places) as staging,
        closing(staging.complete(completer, todo, staging.prepared(options), in_flight)) as outcomes,
        putting(out, shard.name) as file,
        tarfile.open(fileobj=file, mode="w") as archive,
    ):
        for name, photo in photos.items():
            lacking = photo and not shard.is_there(name)
            outcome = next(outcomes) if lacking else without_work(shard, name)
            content = content_of(outcome, shard, name)
            if content is not None:
                add(archive, shard.tar.members[name].name, content)
            outcome.job = replace(outcome.job, name=Path(f"{shard.name}/{printable(name)}"))
            yield outcome
        if not archive.offset:
            raise ValueError("not one of its photos could be completed")


def without_work(shard: Shard, name: str) -> Outcome:
    """The outcome of a photo that is there already, or whose name is unsafe."""
    here = Path(printable(name))
    outcome = Outcome(Job(here, here, here, called=(f"{shard.tar.where}/{here}", f"{shard.places.out}/{here}")))
    outcome.status = "skipped"
    if reason := why_unsafe(name):
        outcome.status, outcome.error = "failed", f"{shard.tar.called(printable(name))}: {reason}"
    return outcome


def content_of(outcome: Outcome, shard: Shard, name: str) -> bytes | None:
    """The result of a photo, which is no more to be found; None if it failed."""
    if outcome.status == "failed":
        return None
    if outcome.status == "skipped" and shard.before:
        return shard.before.read(name)
    content = outcome.job.out.read_bytes()
    outcome.job.out.unlink()
    return content


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Write a member with a name and a content and nothing else, no time either: equal photos give equal shards."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, BytesIO(content))


def brought(store: Store, name: str, file: Path) -> Path:
    """A file of any size of a store: the file itself if it is on disk, or a copy as `file`. Errors as `Store.read`."""
    if isinstance(store, Folder):
        return store.path / name
    assert isinstance(store, Bucket)
    store.download(name, file)
    return file


@contextmanager
def putting(store: Store, name: str) -> Iterator[BinaryIO]:
    """A file of any size to write, which is put once the block ends well, whole or not at all. OSError as
    `Store.put`."""
    if isinstance(store, Folder):
        with writing(store.path / name), atomic_writer(store.path / name) as file:
            yield file
    else:
        assert isinstance(store, Bucket)
        with tempfile.TemporaryFile(prefix="engine-shard-") as file:
            yield file
            file.seek(0)
            store.upload(name, file)
