"""A photo's file decoded: its pixels upright, and what is needed to write it back as it was."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from PIL import Image

from data.decoders import UnreadablePhoto, decoding
from data.orientation import TURNS, orientation_of, upright
from data.pillow import open_image, orientation_to_apply
from engine.inference.photos.formats import heif, jpeg, jpeg_xl, kinds, modern, png, tiff, tiff_pages, tiff_tags, webp
from engine.inference.photos.formats.exif import make_upright, make_xmp_upright
from engine.inference.photos.formats.few_colours import FewColours
from engine.inference.pixels import Pixels

CONTAINERS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    **modern.CONTAINERS,
}
"""The format that is written, by the ending of the file's name."""


@dataclass(kw_only=True, slots=True)
class Photo:
    """A decoded photo, upright, and what is needed to write it back as it was."""

    pixels_HW3: Pixels
    """RGB; of a grey photo, three times the same."""
    alpha_HW: Pixels | None
    grey: bool
    container: str
    exif: bytes | None
    icc: bytes | None
    xmp: bytes | None
    dpi: tuple[float, float] | None
    compression: dict[str, Any] = field(default_factory=dict)
    """Options of the encoder that wrote the file."""
    carried: Any = None
    """The container's parts that are carried over as they are: JPEG segments, PNG chunks or TIFF tags."""
    orientation: int = 1
    """The orientation of a JPEG's stored pixels; it is written back so, since its blocks, turned, would be other
    blocks."""
    exif_orientation: int = 1
    """The orientation of the file's stored pixels, of any format."""
    selection_HW: Pixels | None = None
    """The selection that is saved in a TIFF."""
    premultiplied: bool = False
    """True if the colours in a TIFF are multiplied by its alpha."""
    colours_beside_icc: bool = False
    """True if a HEIC says by other means than an ICC profile that its values are no sRGB."""
    file: bytes = b""
    """The whole file, of a JPEG: where its pixels cannot be kept, its coefficients can."""
    few: FewColours | None = None
    """The indices and colours of a file of one bit per pixel, or with a palette."""
    notes: list[str] = field(default_factory=list)
    """Notes on what is not kept of the file."""
    nodata: float | None = None
    """The value of pixels without data, if the file declares one."""


def with_selection(content: bytes) -> Photo | None:
    """The photo in a TIFF beside whose colours a selection is saved; None of all other files."""
    selected = tiff_pages.with_selection_as_alpha(content)
    if selected is None:
        return None
    with open_image(selected) as image:
        photo = decode(image, selected)
    if photo.alpha_HW is None or not tiff_pages.is_selection(photo.alpha_HW):
        return None
    note = "the selection that is saved in the photo's file is left out of the result"
    return replace(photo, selection_HW=photo.alpha_HW, alpha_HW=None, notes=[*photo.notes, note])


def decode(image: Image.Image, content: bytes) -> Photo:
    """The photo in an opened image, whose file's bytes are `content`."""
    container = "JPEG" if image.format == "MPO" else str(image.format)
    if container not in CONTAINERS.values():
        raise UnreadablePhoto(
            f"it is {container}, and photos are read as JPEG, PNG, TIFF, WebP, HEIC, AVIF or JPEG XL; convert it"
        )
    if container not in ("JPEG", "TIFF"):
        with decoding():
            pictures = getattr(image, "n_frames", 1)
        if pictures > 1:
            raise UnreadablePhoto(f"it holds {pictures} pictures; a photo is one")
    to_apply = orientation_to_apply(image, content)
    orientation = orientation_of(content) if container == "TIFF" else to_apply
    exif, xmp = image.info.get("exif"), image.info.pop("xmp", None)  # by which, too, Pillow would turn a TIFF
    if exif:
        exif = make_upright(exif.removeprefix(jpeg.EXIF_HEAD), TURNS[orientation].transpose)
    fields: dict[str, Any] = {
        "exif": exif or None,
        "icc": image.info.get("icc_profile") or None,
        "xmp": make_xmp_upright(xmp) if isinstance(xmp, bytes) else None,
        "dpi": resolution_of(image),
        "exif_orientation": modern.turned_from(image, content) or orientation,
    } | fields_of(container, image, content, orientation)
    pixels_HW3, alpha_HW, grey = split_samples(upright(decode_samples(image, content), to_apply))
    few, notes = FewColours.of(image, content, to_apply), fields.pop("notes", [])
    if container == "TIFF":
        height, width = pixels_HW3.shape[:2]
        size = (width, height) if TURNS[orientation].transpose else (height, width)
        mask_HW, more = tiff_pages.beside_photo(content, alpha_HW is not None, size)
        notes += more
        if mask_HW is not None:
            dtype, few = pixels_HW3.dtype, None
            alpha_HW = np.ascontiguousarray(upright(mask_HW, orientation)) * dtype.type(np.iinfo(dtype).max)
    bits = bits_of(image, content)
    if bits < 8 and not few:
        notes.append(f"the file has {bits} bit(s) per sample, and the result has 8")
    return Photo(
        pixels_HW3=pixels_HW3, alpha_HW=alpha_HW, grey=grey, container=container, few=few, notes=notes, **fields
    )


def fields_of(container: str, image: Image.Image, content: bytes, orientation: int) -> dict[str, Any]:
    """The fields of Photo that files of this format say in a way of their own."""
    own: dict[str, Any]
    if container == "JPEG":
        own = {"compression": jpeg.compression(image), "carried": jpeg.metadata(content, orientation)}
        return own | {"file": content, "orientation": orientation, "notes": jpeg.left_out(content)}
    if container == "PNG":
        kept = png.metadata(content, TURNS[orientation].transpose)
        return {"carried": kept, "exif": dict(kept).get(b"eXIf"), "notes": png.left_out(content)}
    if container == "TIFF":
        tiff.check_samples(image)
        tags = tiff_tags.metadata(image)
        own = {"carried": tags, "exif": tiff_tags.exif_block(tags), "nodata": tiff_tags.nodata(image)}
        return own | {"premultiplied": tiff.is_premultiplied(image), "notes": tiff_tags.left_out(image)}
    if container == "WEBP":
        return {"compression": webp.compression(content)}
    own = {"compression": modern.compression(image, content), "notes": modern.notes_of(image, content)}
    if container == "JXL":
        own["xmp"] = jpeg_xl.xmp_in(content)
    return own | {"colours_beside_icc": container == "HEIF" and heif.is_other_than_srgb(image)}


def bits_of(image: Image.Image, content: bytes) -> int:
    """The bits of a sample in an opened image's file."""
    if image.format == "PNG":
        return content[24]
    return tiff.bits_of(image) if image.format == "TIFF" else 8


def resolution_of(image: Image.Image) -> tuple[float, float] | None:
    """Dots per inch across and down, if the file says what can be: a JPEG holds no more than 65535."""
    dpi = image.info.get("dpi")
    with suppress(TypeError):  # they may be texts
        return dpi if dpi and all(0 < one < 65536 for one in dpi) else None
    return None


def decode_samples(image: Image.Image, content: bytes) -> Pixels:
    """The samples as stored, (height, width) or (height, width, 2 to 4); of a TIFF, turned upright."""
    if has_16_bit_colour(image, content):
        with decoding():
            samples = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        if samples is None or samples.dtype != np.uint16 or samples.shape[:2] != (image.height, image.width):
            raise UnreadablePhoto("its 16-bit samples cannot be decoded")
        order = cv2.COLOR_BGRA2RGBA if samples.shape[2] == 4 else cv2.COLOR_BGR2RGB
        return cv2.cvtColor(samples, order)
    if (deep := modern.deep_samples(image, content)) is not None:
        return deep
    if image.mode == "P" or (image.mode in ("1", "L", "RGB") and "transparency" in image.info):
        transparent = "transparency" in image.info
        mode = ("LA" if image.mode in ("1", "L") else "RGBA") if transparent else "RGB"
        with decoding():
            image = image.convert(mode)
    elif image.mode == "1":
        with decoding():
            image = image.convert("L")
    elif image.mode in ("F", "I") and image.format == "TIFF":
        raise UnreadablePhoto(kinds.description(content))
    elif image.mode not in ("L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I;16L"):
        raise UnreadablePhoto(
            f"its colours are {image.mode}, and they would not be kept; convert it to RGB or grey first"
        )
    with decoding():
        samples = np.asarray(image)
    return samples.astype(samples.dtype.newbyteorder("="), copy=False)


def has_16_bit_colour(image: Image.Image, content: bytes) -> bool:
    """True if there are 16 bits per sample and several samples, which Pillow would halve."""
    if image.format == "PNG":
        if content[24] == 16 and b"tRNS" in (kind for kind, _ in png.chunks(content)):
            raise UnreadablePhoto("it has 16 bits and a transparent colour; give it an alpha channel instead")
        return content[24] == 16 and content[25] != 0
    if image.format == "TIFF":
        return tiff.has_16_bit_colour(image)
    return False


def split_samples(samples: Pixels) -> tuple[Pixels, Pixels | None, bool]:
    """RGB, alpha if there is one, and True if the photo is grey, of an image file's samples."""
    channels = samples.shape[2] if samples.ndim == 3 else 1
    alpha_HW = None
    if channels in (2, 4):
        alpha_HW = np.ascontiguousarray(samples[..., -1])
        samples = samples[..., :-1]
    grey = channels in (1, 2)
    if grey:
        samples = np.repeat(samples.reshape(*samples.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(samples), alpha_HW, grey
