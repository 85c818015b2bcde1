"""Photos in and out: the same file with only the hole changed.

Reads and writes JPEG, PNG, TIFF and WebP with 8 bits per sample, PNG and TIFF with 16; grey, RGB, palette; with alpha.
Metadata (EXIF, XMP, ICC profile, resolution and what else the format carries) stays as it was. The orientation is
applied and reset, but for a JPEG from a JPEG, which keeps it. Other pictures, which show the hole's old content, are
removed: thumbnails (in EXIF, XMP, Photoshop's resources), and what phones put behind the photo (gain maps, videos) with
what announces it.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.decoders import UnknownPicture, UnreadablePhoto, decoding
from data.files import write_atomically
from data.orientation import TURNS, orientation_of, turned_back, upright
from data.pillow import open_image, orientation_to_apply
from engine.inference.formats import heif, jpeg, jpeg_xl, kinds, modern, png, tiff, tiff_pages, webp
from engine.inference.formats.exif import make_upright, make_xmp_upright
from engine.inference.formats.few_colours import FewColours

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

Pixels = NDArray[Any]
"""uint8 or uint16."""


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


def with_selection(content: bytes) -> Photo | None:
    """The photo in a TIFF beside whose colours a selection is saved; None of all other files."""
    selected = tiff_pages.with_selection_as_alpha(content)
    if selected is None:
        return None
    with open_image(selected) as image:
        photo = decode(image, selected)
    if photo.alpha_HW is None or not tiff_pages.is_selection(photo.alpha_HW):
        return None
    photo.selection_HW, photo.alpha_HW = photo.alpha_HW, None
    photo.notes.append("the selection that is saved in the photo's file is left out of the result")
    return photo


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
    swapped = TURNS[orientation].transpose
    exif, xmp = image.info.get("exif"), image.info.pop("xmp", None)  # by which, too, Pillow would turn a TIFF
    if exif:
        exif = make_upright(exif.removeprefix(jpeg.EXIF_HEAD), swapped)
    photo = Photo(
        pixels_HW3=np.empty((0, 0, 3), np.uint8),
        alpha_HW=None,
        grey=False,
        container=container,
        exif=exif or None,
        icc=image.info.get("icc_profile") or None,
        xmp=make_xmp_upright(xmp) if isinstance(xmp, bytes) else None,
        dpi=resolution_of(image),
        exif_orientation=modern.turned_from(image, content) or orientation,
    )
    if container == "JPEG":
        photo.compression, photo.carried = jpeg.compression(image), jpeg.metadata(content, orientation)
        photo.file, photo.orientation = content, orientation
        photo.notes += jpeg.left_out(content)
    elif container == "PNG":
        photo.carried = png.metadata(content, swapped)
        photo.exif = dict(photo.carried).get(b"eXIf")
        photo.notes += png.left_out(content)
    elif container == "TIFF":
        tiff.check_samples(image)
        photo.carried = tiff.metadata(image)
        photo.exif = tiff.exif_block(photo.carried)
        photo.nodata = tiff.nodata(image)
        photo.notes += tiff.left_out(image)
        photo.premultiplied = tiff.is_premultiplied(image)
    elif container == "WEBP":
        photo.compression = webp.compression(content)
    else:
        photo.compression = modern.compression(image, content)
        photo.notes += modern.notes_of(image, content)
        if container == "JXL":
            photo.xmp = jpeg_xl.xmp_in(content)
        photo.colours_beside_icc = container == "HEIF" and heif.is_other_than_srgb(image)
    set_samples(photo, upright(decode_samples(image, content), to_apply))
    photo.few = FewColours.of(image, content, to_apply)
    if container == "TIFF":
        add_what_is_beside(photo, content, orientation)
    bits = bits_of(image, content)
    if bits < 8 and not photo.few:
        photo.notes.append(f"the file has {bits} bit(s) per sample, and the result has 8")
    return photo


def add_what_is_beside(photo: Photo, content: bytes, orientation: int) -> None:
    """Make a TIFF's mask of transparency the photo's alpha; ValueError if it holds another photo."""
    height, width = photo.pixels_HW3.shape[:2]
    stored = (width, height) if TURNS[orientation].transpose else (height, width)
    mask_HW, notes = tiff_pages.beside_photo(content, photo.alpha_HW is not None, stored)
    photo.notes += notes
    if mask_HW is not None:
        dtype = photo.pixels_HW3.dtype
        photo.alpha_HW = np.ascontiguousarray(upright(mask_HW, orientation)) * dtype.type(np.iinfo(dtype).max)
        photo.few = None


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


def set_samples(photo: Photo, samples: Pixels) -> None:
    """Split the samples of an image file into RGB and alpha."""
    channels = samples.shape[2] if samples.ndim == 3 else 1
    photo.grey = channels in (1, 2)
    if channels in (2, 4):
        photo.alpha_HW = np.ascontiguousarray(samples[..., -1])
        samples = samples[..., :-1]
    if photo.grey:
        samples = np.repeat(samples.reshape(*samples.shape[:2], 1), 3, axis=2)
    photo.pixels_HW3 = np.ascontiguousarray(samples)


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
        kept = photo.carried if same else tiff.tags(photo.exif, photo.icc, photo.xmp, photo.dpi)
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


def as_grey(pixels_HW3: Pixels) -> Pixels:
    """One channel (height, width, 1): exactly the three where they are equal, else their luma."""
    weights = np.array([299, 587, 114], np.uint32)
    return ((pixels_HW3 @ weights + 500) // 1000).astype(pixels_HW3.dtype)[..., None]


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
