"""Photos in: from a file, or its bytes, to a `Photo`, or to an error that says what is wrong with it."""

from pathlib import Path

from PIL import Image

from data.decoders import UnknownPicture, UnreadablePhoto, decoding
from data.pillow import open_image
from engine.inference.photos.formats import kinds
from engine.inference.photos.formats.codec import Codec
from engine.inference.photos.formats.registry import CODECS, TITLES, register_for
from engine.inference.photos.photo import Photo

MAX_PIXELS = 500_000_000
"""Photos above this are refused by default: a small file can claim to hold any number of pixels."""


class TooManyPixels(ValueError):
    """A photo above the limit on pixels."""


def read_photo(path: Path, max_pixels: int = MAX_PIXELS) -> Photo:
    """The photo at `path`. ValueError if it is missing; UnreadablePhoto if it is broken or of a kind that could not be
    kept, TooManyPixels if it is too large."""
    return parse_photo(read_content(path, "photo"), str(path), max_pixels)


def read_content(path: Path, what: str) -> bytes:
    """The bytes of a file that should be a photo or a mask, as `what` says. ValueError if it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ValueError(f"there is no {what} at {path}") from error
    except OSError as error:
        raise ValueError(f"cannot read the {what} {path}: {error}") from error


def parse_photo(content: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Photo:
    """The photo in a file's bytes; `name` is for errors. UnreadablePhoto or TooManyPixels as `read_photo`."""
    try:
        if refused := kinds.refusal(content):
            raise UnreadablePhoto(refused)
        plugin = register_for(content)
        if plugin and (size := plugin.size_before_opening(content)):
            check_pixels(*size, name, max_pixels)
        with open_image(content) as image:
            check_pixels(image.height, image.width, name, max_pixels)
            return codec_of(image).read(image, content)
    except TooManyPixels:
        raise
    except UnknownPicture as error:
        why = kinds.description(content) or (
            f"it is no picture of a kind that is read ({TITLES}), or its beginning is damaged"
        )
        raise UnreadablePhoto(f"cannot read the photo {name}: {why}") from error
    except ValueError as error:
        raise UnreadablePhoto(f"cannot read the photo {name}: {kinds.reason(error, content)}") from error


def check_pixels(height: int, width: int, name: str, max_pixels: int) -> None:
    """TooManyPixels if a photo has more than the limit."""
    if width * height > max_pixels:
        raise TooManyPixels(
            f"cannot read the photo {name}: it has {width}x{height} pixels and the limit is {max_pixels}; if that is "
            "right, raise --max-pixels"
        )


def codec_of(image: Image.Image) -> Codec:
    """The codec of an opened file. UnreadablePhoto if photos are not read in its format, or it holds several."""
    name = "JPEG" if image.format == "MPO" else str(image.format)  # which has more of them behind a JPEG
    if name not in CODECS:
        raise UnreadablePhoto(f"it is {name}, and photos are read as {TITLES}; convert it")
    if CODECS[name].is_one_picture:
        with decoding():
            pictures = getattr(image, "n_frames", 1)
        if pictures > 1:
            raise UnreadablePhoto(f"it holds {pictures} pictures; a photo is one")
    return CODECS[name]
