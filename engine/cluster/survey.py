"""What there is at the places of a call: everything is listed once, and what is done is subtracted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread

from engine.cluster import report
from engine.cluster.sources import Photos
from engine.cluster.staging import Places, is_one_file
from engine.cluster.stores import Folder, Store, open_store
from engine.cluster.tars import printable
from engine.cluster.todo import Listing, ending_of, names_kept
from engine.inference.folders.jobs import is_mask_or_result, no_photos
from engine.inference.photos.formats.registry import CONTAINERS


@contextmanager
def survey(places: Places, overwrite: bool = False, failed_alone: bool = False, variants: int = 1) -> Iterator[Listing]:
    """The photos, with `overwrite` as if none had a result; with `failed_alone`, only those that a report there calls
    failed are wanted. NoPhotos if there are none; ValueError if two have one name, or one that is named is not there;
    OSError if a place cannot be listed, or $TMPDIR has no room for the names."""
    photos, out = Photos(places.photos), open_store(places.out)
    areas = {kind: open_store(path) for kind, path in places.areas.items() if not is_one_file(path)}
    apart = tuple(inside for place in (out, *areas.values()) for inside in photos.inside(place))

    refused = ValueError(f"--out is {out.where}, where the photos are; name a place of its own for the results")
    if photos.is_folder and out.where == photos.where:
        raise refused

    def name_of(file: str) -> tuple[str | None, bool]:
        name, chosen = photos.name_of(file)
        if name is not None and not photos.is_folder and out.called(name) == photos.called(file):
            raise refused
        return name, chosen

    with names_kept(), Listing(variants) as listing:
        reports: list[str] = []
        empty = set(areas)
        asked = {"photos": photos.listed()} | {kind: area.listed() for kind, area in areas.items()}
        if not overwrite or failed_alone:
            asked["results"] = out.listed()
        for kind, names in together(asked):
            piece, others = in_text(names)
            if kind == "photos":
                check_names(others, photos, apart)
                listing.add_photos([piece], apart, sidecars=places.masks is None, name_of=name_of)
            elif kind == "results":
                listing.add_results([piece])
                reports += (name for name in piece if name.startswith(report.FOLDER))
            else:
                listing.add_masks([piece], kind)
                empty -= {kind} if names else set()
        listing.settle()
        check(listing, photos, out)
        check_areas({kind: areas[kind] for kind in empty})
        if failed_alone:
            listing.want(report.failed(out, reports))
        yield listing


def in_text(names: list[str]) -> tuple[list[str], list[str]]:
    """The names that are text in UTF-8, which alone the database, stores and reports take, and the others."""
    others = [name for name in names if name != printable(name)]
    return ([name for name in names if name == printable(name)] if others else names), others


def check_names(others: list[str], photos: Photos, apart: tuple[str, ...]) -> None:
    """ValueError if one of the names that are no text is a photo's, unless it lies in a folder `apart`."""
    for name in others:
        is_photo = ending_of(name) in CONTAINERS and not is_mask_or_result(Path(name))
        if is_photo and photos.name_of(name)[0] is not None and not (apart and name.startswith(apart)):
            raise ValueError(f"{printable(photos.called(name))}: its name is no text in UTF-8: rename it")


def check(listing: Listing, photos: Photos, out: Store) -> None:
    """NoPhotos if there are none; ValueError if one that is named is not there, or two would have one result."""
    for file in photos.named():
        if not listing.has(file):
            raise ValueError(f"there is no photo or folder at {photos.called(file)}")
    if not listing.count():
        raise no_photos(photos.where, listing.passed_over)
    if same := listing.of_one_name():
        raise ValueError(
            f"{len(same)} of the photos would be written to {out.where} by one name, {photos.called(same[0])} and "
            f"{photos.called(same[1])} among them; complete them in separate calls"
        )


def check_areas(empty: dict[str, Store]) -> None:
    """ValueError if a kind of masks has a place at which there is nothing, not even a folder: all photos would fail, or
    with --missing-mask be copied."""
    for kind, area in empty.items():
        if not (isinstance(area, Folder) and area.path.is_dir()):
            option = "mask" if kind == "masks" else kind
            raise ValueError(f"--{option} is {area.where}, and nothing is there")


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
