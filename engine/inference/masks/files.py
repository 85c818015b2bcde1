"""Masks in files, in the forms that people have them: pictures, documents of layers, annotations of data sets."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from data.decoders import UnknownPicture, UnreadablePhoto, decoding
from data.orientation import upright
from data.pillow import open_image, orientation_to_apply
from engine.inference.holes.mask import Mask, OtherSize, check_size
from engine.inference.masks.annotations import document, layers
from engine.inference.masks.pictures import AS_IT_LOOKS, MaskOptions, mask_in
from engine.inference.photos.formats import kinds, tiff_pages
from engine.inference.photos.formats.registry import register_for
from engine.inference.photos.reading import read_content

MASKS_ONLY = (
    "a BMP picture",
    "a GIF",
    "a PNM picture",
    "a Photoshop document",
    "an OpenRaster picture",
    "a Krita document",
)
"""Kinds of files that masks are read in, and photos not."""


class OfPhoto(NamedTuple):
    """The photo that a mask is for: files of annotations hold those of many."""

    name: str = ""
    """Its path, as far as it is known."""
    orientation: int = 1
    """By EXIF, how its pixels are stored, which is how some tools show them."""


ANY_PHOTO = OfPhoto()


def split_labels(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The labels of N,M and again N."""
    return tuple(label.strip() for text in texts for label in text.split(",") if label.strip())


def read_mask(
    path: Path,
    options: MaskOptions = AS_IT_LOOKS,
    size: tuple[int, ...] | None = None,
    notes: list[str] | None = None,
    of: OfPhoto = ANY_PHOTO,
) -> Mask:
    """The mask in a file, upright (its EXIF orientation applied); what was guessed is appended to `notes`.

    Of a picture with an alpha channel that varies, the alpha, unless the colours that are seen are a mask in black and
    white themselves; of a label map, all but the ground; of a colour picture, the brightest channel, by the options'
    threshold; of a document of layers, the one that is called mask, a saved selection or a layer's mask; of a tool's
    annotations, those of the photo. ValueError if the file cannot be read, is a photo by the look of it (see
    `MOST_BETWEEN`) or noise, has no value that reaches the threshold or no such label, or has not the photo's `size`
    (height, width), which is mostly seen before it is decoded; NotThere if annotations do not know the photo.
    """
    if path.suffix.lower() not in (".json", ".xml"):
        return parse_mask(read_content(path, "mask"), str(path), options, size, notes, of)
    if not path.is_file():
        raise ValueError(f"there is no mask at {path}")
    with refused(f"mask {path}"):
        return annotated(document.read(path), options, size, [] if notes is None else notes, of)


def parse_mask(
    content: bytes,
    name: str = "",
    options: MaskOptions = AS_IT_LOOKS,
    size: tuple[int, ...] | None = None,
    notes: list[str] | None = None,
    of: OfPhoto = ANY_PHOTO,
) -> Mask:
    """The mask in a file's bytes; `name` is for errors. ValueError as `read_mask`, of another size OtherSize."""
    notes = [] if notes is None else notes
    with refused(f"mask {name}" if name else "mask", content):
        if document.is_text(content):
            return annotated(document.parse(content), options, size, notes, of)
        if layers.is_layered(content):
            image = layers.mask_image(content, options.labels, size, notes)
            return mask_in(image, options._replace(labels=()), notes)
        return in_picture(content, size, lambda image: mask_in(selection_in(content, notes) or image, options, notes))


def parse_grey_mask(content: bytes, size: tuple[int, ...]) -> Mask:
    """The pixels of a picture that are above half of white in grey, whatever its alpha says; nothing is guessed.

    ValueError if it cannot be read, OtherSize if it has not this (height, width).
    """
    with refused("mask", content):
        return in_picture(content, size, bright_in_grey)


def bright_in_grey(image: Image.Image) -> Mask:
    """The pixels of an opened image that are above half of white in grey, as it is stored."""
    image.info.pop("xmp", None)  # by which Pillow would turn a TIFF upright, while it loads
    with decoding():
        return np.asarray(image.convert("L")) > 127


def in_picture(content: bytes, size: tuple[int, ...] | None, read: Callable[[Image.Image], Mask]) -> Mask:
    """The array that `read` takes from these bytes' picture, upright. OtherSize if it has not this (height, width)."""
    register_for(content)
    with open_image(content) as image:
        stated = (image.height, image.width)
        if size is not None and sorted(stated) != sorted(size):
            check_size(stated, size)  # not even on its side, by its orientation: not worth decoding
        mask_HW = upright(read(image), orientation_to_apply(image, content))
    if size is not None:
        check_size(mask_HW.shape, size)
    return np.ascontiguousarray(mask_HW)


@contextmanager
def refused(called: str, content: bytes = b"") -> Iterator[None]:
    """The errors of reading a file become ValueErrors that name it and say why."""
    try:
        yield
    except OtherSize:
        raise
    except document.NotThere as error:
        raise document.NotThere(f"cannot read the {called}: {error}") from error
    except FileNotFoundError as error:
        raise ValueError(f"there is no {called.replace(' ', ' at ', 1)}") from error
    except UnknownPicture as error:
        why = damage(content) or kinds.description(content) or "it is no picture, or its beginning is damaged"
        raise ValueError(f"cannot read the {called}: {why}") from error
    except ValueError as error:
        said_by_decoder = isinstance(error, UnreadablePhoto) and error.__cause__ is not None
        why = (said_by_decoder and damage(content)) or kinds.reason(error, content)
        raise ValueError(f"cannot read the {called}: {why}") from error


def selection_in(content: bytes, notes: list[str]) -> Image.Image | None:
    """The selection that is saved in a TIFF, upright; None of all other files."""
    selected = tiff_pages.with_selection_as_alpha(content)
    if selected is None:
        return None
    with open_image(selected) as image, decoding():
        image.info.pop("xmp", None)
        selection = image.getchannel("A") if "A" in image.getbands() else image
    if selection is image or not tiff_pages.is_selection(np.asarray(selection)):
        return None
    notes.append("the mask is the selection that is saved in the file")
    return selection


def damage(content: bytes) -> str | None:
    """The kind of a damaged file, if it is one that masks are read in and photos are not, or an archive; else None."""
    kind = kinds.kind_of(content)
    if kind is None and content.startswith(b"PK"):
        return "it is a ZIP archive, as annotation tools export them; extract it, and give the annotations in it"
    return f"it is {kind}, and is damaged or cut short" if kind in MASKS_ONLY else None


def annotated(
    annotations: document.Document, options: MaskOptions, size: tuple[int, ...] | None, notes: list[str], of: OfPhoto
) -> Mask:
    """The mask that annotations have of a photo; see `read_mask`."""
    for option, given in (("threshold", options.threshold), ("colour", options.colour)):
        if given is not None:
            raise ValueError(f"it is annotations of {annotations.tool}, without pixels; leave --mask-{option} out")
    mask_HW = annotations.mask(of.name, size, options.labels, of.orientation, notes)
    return ~mask_HW if options.invert else mask_HW
