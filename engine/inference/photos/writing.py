"""Photos in and out: the same file with only the hole changed.

Reads and writes JPEG, PNG, TIFF and WebP with 8 bits per sample, PNG and TIFF with 16; grey, RGB, palette; with alpha.
Metadata (EXIF, XMP, ICC profile, resolution and what else the format carries) stays as it was. The orientation is
applied and reset, but for a JPEG from a JPEG, which keeps it. Other pictures, which show the hole's old content, are
removed: thumbnails (in EXIF, XMP, Photoshop's resources), and what phones put behind the photo (gain maps, videos) with
what announces it.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.decoders import UnknownPicture, UnreadablePhoto
from data.files import write_atomically
from data.orientation import turned_back
from data.pillow import open_image
from engine.inference.photos.formats import jpeg, jpeg_xl, kinds, modern, png, tiff, tiff_tags
from engine.inference.photos.reading import CONTAINERS, Photo, decode, with_selection
from engine.inference.pixels import Pixels, as_grey

NEW_COMPRESSION: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
}
"""Encoder options where the photo came from another format."""

# OpenCV prints warnings about files to standard error; what matters of them is raised as an error.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

MAX_SIDES = {"JPEG": 65_500, "WEBP": 16_383}
"""The longest side that files of a format hold, or of a JPEG, which could hold 35 more, that libjpeg writes."""

MAX_METADATA = 65_000
"""Bytes of EXIF, and of XMP, that a JPEG holds in one segment; a few more go in, less the segment's own head."""

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
        modern.register_for(content)
        if jpeg_xl.is_jpeg_xl(content):  # its plugin decodes all as it opens the file
            check_pixels(*jpeg_xl.header(content).size, name, max_pixels)
        with open_image(content) as image:
            check_pixels(image.height, image.width, name, max_pixels)
            return with_selection(content) or decode(image, content)
    except TooManyPixels:
        raise
    except UnknownPicture as error:
        why = kinds.description(content) or (
            "it is no picture of a kind that is read (JPEG, PNG, TIFF, WebP, HEIC, AVIF or JPEG XL), or its beginning "
            "is damaged"
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


def check_can_hold(container: str, photo: Photo) -> None:
    """ValueError if files of this format cannot hold the photo's sides, samples or metadata, or not be written."""
    modern.check_encoder(container)
    height, width = photo.pixels_HW3.shape[:2]
    check_sides(container, "the photo", height, width)
    if photo.pixels_HW3.itemsize == 2 and container in ("JPEG", "WEBP"):
        raise ValueError(f"the photo has 16 bits per sample and {container} holds 8; write a .png or .tif")
    if photo.alpha_HW is not None and container == "JPEG":
        raise ValueError("the photo has an alpha channel and JPEG holds none; write a .png, .tif or .webp")
    grey_alone = photo.grey and photo.alpha_HW is None
    modern.check_can_hold(container, photo.container, 8 * photo.pixels_HW3.itemsize, grey_alone, photo.icc)
    longest = max(len(photo.exif or b""), len(photo.xmp or b""))
    if container == "JPEG" != photo.container and longest > MAX_METADATA:
        raise ValueError(
            f"the photo has {longest} bytes of EXIF or XMP and a JPEG holds {MAX_METADATA}; write a .png or .tif"
        )


def check_sides(container: str, what: str, height: int, width: int) -> None:
    """ValueError if files of this format cannot hold a picture of this size."""
    limit = MAX_SIDES.get(container)
    if limit is not None and max(height, width) > limit:
        raise ValueError(
            f"{what} has {width}x{height} pixels and a side of a {container} has at most {limit}; write a .png or .tif"
        )


def encode(photo: Photo, pixels_HW3: Pixels, container: str) -> bytes:
    """The bytes of a file of this format. ValueError as `check_can_hold`."""
    check_can_hold(container, photo)
    bits = 8 * pixels_HW3.itemsize
    if photo.few and container == photo.container:
        alpha_HW = np.full(pixels_HW3.shape[:2], 255, np.uint8) if photo.alpha_HW is None else photo.alpha_HW
        return with_own_metadata(photo, photo.few.encode(with_alpha(pixels_HW3, alpha_HW), container), container)
    samples_HWC = with_alpha(as_grey(pixels_HW3) if photo.grey else pixels_HW3, photo.alpha_HW)
    if bits == 16 and samples_HWC.shape[2] == 2:
        samples_HWC = samples_HWC[..., [0, 0, 0, 1]]  # no reader has 16-bit grey with alpha; colour holds the same
    same = container == photo.container
    if same and container == "JPEG":
        samples_HWC = turned_back(samples_HWC, photo.orientation)
    if container == "TIFF":
        kept = photo.carried if same else tiff_tags.tags(photo.exif, photo.icc, photo.xmp, photo.dpi)
        alpha = photo.alpha_HW is not None
        return tiff.encode(samples_HWC, alpha, kept, premultiplied=same and alpha and photo.premultiplied)
    if container in modern.NAMES:
        known = {"exif": photo.exif and jpeg.EXIF_HEAD + photo.exif, "xmp": photo.xmp, "icc_profile": photo.icc}
        options = photo.compression if same else {}
        return modern.encode(container, samples_HWC, options, {name: value for name, value in known.items() if value})
    if bits == 16 and samples_HWC.shape[2] > 1:
        encoded = encode_16_bit_png(samples_HWC)
    else:
        encoded = encode_with_pillow(photo, samples_HWC, container)
    if same and container == "JPEG":
        return jpeg.with_metadata(encoded, photo.carried)
    if container == "PNG":
        kept = photo.carried if same else png.metadata_chunks(photo.exif, photo.icc, photo.xmp, photo.dpi)
        return png.with_metadata(encoded, kept)
    return encoded


def with_own_metadata(photo: Photo, encoded: bytes, container: str) -> bytes:
    """An encoded PNG or TIFF with the photo's metadata, which came from a file of the same format."""
    return (png if container == "PNG" else tiff).with_metadata(encoded, photo.carried)


def changes_of_kind(photo: Photo, container: str) -> list[str]:
    """Notes on what a file of this format does not store as the photo's file does."""
    if container == photo.container:
        return []
    notes = []
    if photo.few:
        stored = "one bit per pixel" if photo.few.bits == 1 else "a palette"
        notes.append(f"the photo is stored with {stored}, and the {container} has 8 bits per sample")
    if photo.container == "PNG" and (chunk := png.colours_beside_icc(photo.carried)):
        notes.append(
            f"the photo's {chunk} chunk says which colours its values mean, and the {container} does not: it will look "
            "different; write a .png, or convert the photo to sRGB first"
        )
    if photo.colours_beside_icc:
        notes.append(
            f"the photo's HEIC says which colours its values mean without an ICC profile, and the {container} does "
            "not: it will look different; write a .heic"
        )
    return notes


def in_8_bits(samples: Pixels) -> NDArray[np.uint8]:
    """Samples of 8 or 16 bits, these rounded, as a screen shows them."""
    return samples if samples.dtype == np.uint8 else ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def with_alpha(samples_HWC: Pixels, alpha_HW: Pixels | None) -> Pixels:
    """The samples with alpha as the last channel, if there is one."""
    return samples_HWC if alpha_HW is None else np.concatenate((samples_HWC, alpha_HW[..., None]), axis=2)


def encode_16_bit_png(samples_HWC: Pixels) -> bytes:
    """A PNG of 16-bit colour, with or without alpha."""
    order = cv2.COLOR_RGBA2BGRA if samples_HWC.shape[2] == 4 else cv2.COLOR_RGB2BGR
    return cv2.imencode(".png", cv2.cvtColor(samples_HWC, order))[1].tobytes()


def encode_with_pillow(photo: Photo, samples_HWC: Pixels, container: str) -> bytes:
    """A JPEG, PNG or WebP, and the metadata of a WebP or of a JPEG that was none before."""
    options = dict(photo.compression if container == photo.container else NEW_COMPRESSION.get(container, {}))
    if container == "WEBP" or (container == "JPEG" and photo.container != "JPEG"):
        exif = jpeg.EXIF_HEAD + photo.exif if photo.exif else None
        metadata = {"exif": exif, "icc_profile": photo.icc, "xmp": photo.xmp, "dpi": photo.dpi}
        options |= {name: value for name, value in metadata.items() if value}
    encoded = BytesIO()
    samples = samples_HWC[..., 0] if samples_HWC.shape[2] == 1 else samples_HWC
    Image.fromarray(samples).save(encoded, container, **options)
    return encoded.getvalue()
