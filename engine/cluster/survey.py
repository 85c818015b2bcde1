"""What there is at the places of a call: everything is listed once, and what is done is subtracted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.cluster import report
from engine.cluster.staging import Places
from engine.cluster.stores import Store, open_store
from engine.cluster.todo import Listing
from engine.inference.folders.jobs import NoPhotos
from engine.inference.photos.formats.registry import CONTAINERS


@contextmanager
def survey(places: Places, overwrite: bool = False, failed_alone: bool = False) -> Iterator[Listing]:
    """The photos, with `overwrite` as if none had a result; with `failed_alone`, only those that a report there calls
    failed are wanted. NoPhotos if there are none; OSError if a place cannot be listed."""
    photos, out = open_store(places.photos), open_store(places.out)
    masks = open_store(places.masks) if places.masks and not places.one_mask else None
    if out.where == photos.where:
        raise ValueError(f"--out is {out.where}, where the photos are; name a place of its own for the results")
    apart = tuple(inside for place in (out, masks) if place and (inside := folder_in(photos, place)))
    with Listing() as listing:
        listing.add_photos(photos.listed(), without=apart, sidecars=places.masks is None)
        if masks:
            listing.add_masks(masks.listed())
        listing.settle()
        if not listing.count("photos"):
            raise NoPhotos(f"there are no photos in {photos.where}; looked for {', '.join(CONTAINERS)}")
        if not overwrite or failed_alone:
            reports: list[str] = []
            listing.add_results(without_reports(out.listed(), reports))
            if failed_alone:
                listing.want(report.failed(out, reports))
        yield listing


def folder_in(outer: Store, inner: Store) -> str | None:
    """The name of a place within another, with a slash at its end; None if it is not in it."""
    begin = outer.where.rstrip("/") + "/"
    return inner.where.removeprefix(begin) + "/" if inner.where.startswith(begin) else None


def without_reports(pieces: Iterator[list[str]], reports: list[str]) -> Iterator[list[str]]:
    """The names but for those of reports, which go to `reports`."""
    for piece in pieces:
        reports += (name for name in piece if name.startswith(report.FOLDER))
        yield piece


def check_places(places: Places) -> None:
    """ValueError if the photos are one file: only what can be listed is subtracted from."""
    if Path(places.photos.name).suffix.lower() in CONTAINERS and not places.photos.is_dir():
        raise ValueError(f"{places.photos.name} is a photo; of a store, or with --cluster, name its folder")
