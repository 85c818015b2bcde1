"""What there is at the places of a call: everything is listed once, and what is done is subtracted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread

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
        reports: list[str] = []
        asked = {"photos": photos.listed()}
        if masks:
            asked["masks"] = masks.listed()
        if not overwrite or failed_alone:
            asked["results"] = out.listed()
        for kind, piece in together(asked):
            if kind == "photos":
                listing.add_photos([piece], without=apart, sidecars=places.masks is None)
            elif kind == "masks":
                listing.add_masks([piece])
            else:
                listing.add_results([piece])
                reports += (name for name in piece if name.startswith(report.FOLDER))
        listing.settle()
        if not listing.count("photos"):
            raise NoPhotos(f"there are no photos in {photos.where}; looked for {', '.join(CONTAINERS)}")
        if failed_alone:
            listing.want(report.failed(out, reports))
        yield listing


def folder_in(outer: Store, inner: Store) -> str | None:
    """The name of a place within another, with a slash at its end; None if it is not in it."""
    begin = outer.where.rstrip("/") + "/"
    return inner.where.removeprefix(begin) + "/" if inner.where.startswith(begin) else None


def together(listings: dict[str, Iterator[list[str]]]) -> Iterator[tuple[str, list[str]]]:
    """The pieces of several listings with the names of these, as they come: each is asked for in a thread of its own,
    since a store takes its time for each of thousands of answers. What one raises is raised."""
    waiting: Queue[tuple[str, list[str] | Exception | None]] = Queue(maxsize=8)

    def ask(kind: str, pieces: Iterator[list[str]]) -> None:
        try:
            for piece in pieces:
                waiting.put((kind, piece))
            waiting.put((kind, None))
        except Exception as error:
            waiting.put((kind, error))

    for kind, pieces in listings.items():
        Thread(target=ask, args=(kind, pieces), daemon=True).start()
    left = len(listings)
    while left:
        kind, piece = waiting.get()
        if isinstance(piece, Exception):
            raise piece
        if piece is None:
            left -= 1
        else:
            yield kind, piece


def check_places(places: Places) -> None:
    """ValueError if the photos are one file: only what can be listed is subtracted from."""
    if Path(places.photos.name).suffix.lower() in CONTAINERS and not places.photos.is_dir():
        raise ValueError(f"{places.photos.name} is a photo; of a store, or with --cluster, name its folder")
