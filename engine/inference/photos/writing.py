"""Photos out: from a `Photo` and other pixels to a file, or to an error that says what the format cannot hold."""

from pathlib import Path

from data.files import write_atomically
from engine.inference.photos.formats.registry import CODECS, CONTAINERS
from engine.inference.photos.photo import Photo
from engine.inference.pixels import Pixels


def write_photo(path: Path, photo: Photo, pixels_HW3: Pixels) -> None:
    """Write `photo` with other pixels to `path`, whole or not at all, in the format that its ending names.

    ValueError if the ending names none, or the format cannot hold the photo (16 bits or alpha in a JPEG, or its
    size).
    """
    write_atomically(path, encode(photo, pixels_HW3, container_of(path)))


def container_of(path: Path) -> str:
    """The format that a file's name asks for. ValueError if it is none that is written."""
    try:
        return CONTAINERS[path.suffix.lower()]
    except KeyError as error:
        raise ValueError(
            f"cannot write {path}: its name must end in one of {', '.join(CONTAINERS)}; photos of these kinds are "
            "read, too, and others are to be converted first"
        ) from error


def encode(photo: Photo, pixels_HW3: Pixels, container: str) -> bytes:
    """The bytes of a file of this format. ValueError as `check_can_hold`."""
    check_can_hold(container, photo)
    return CODECS[container].write(photo, pixels_HW3)


def check_can_hold(container: str, photo: Photo) -> None:
    """ValueError if files of this format cannot hold the photo's sides, samples or metadata, or not be written."""
    codec = CODECS[container]
    codec.register()
    height, width = photo.pixels_HW3.shape[:2]
    check_sides(container, "the photo", height, width)
    keeps_bits = codec.keeps_bits and photo.container == container
    if photo.pixels_HW3.itemsize == 2 and codec.most_bits and not keeps_bits:
        raise ValueError(f"the photo has 16 bits per sample and {codec.most_bits}; write a .png or .tif")
    codec.check_can_hold(photo)


def check_sides(container: str, what: str, height: int, width: int) -> None:
    """ValueError if files of this format cannot hold a picture of this size."""
    limit = CODECS[container].longest_side
    if limit is not None and max(height, width) > limit:
        raise ValueError(
            f"{what} has {width}x{height} pixels and a side of a {container} has at most {limit}; write a .png or .tif"
        )


def changes_of_kind(photo: Photo, container: str) -> tuple[str, ...]:
    """Notes on what a file of this format does not store as the photo's file does."""
    if container == photo.container:
        return ()
    own = CODECS[photo.container]
    notes = [own.note_elsewhere(photo, container)]
    if CODECS[container].is_lossy and own.loss(photo) is None:
        notes.insert(
            0, f"the photo's file is a {own.title}, and the {container} is lossy: every pixel changes a little"
        )
    if photo.few:
        stored = "one bit per pixel" if photo.few.bits == 1 else "a palette"
        notes.insert(0, f"the photo is stored with {stored}, and the {container} has 8 bits per sample")
    return tuple(filter(None, notes))
