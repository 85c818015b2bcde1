"""HEIC, AVIF and JPEG XL photos: what differs between them and the older formats, in one place."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.decoders import UnreadablePhoto
from data.orientation import exif_orientation
from engine.inference.photos.formats import avif, heif, jpeg_xl, kinds

CONTAINERS = {".heic": "HEIF", ".heif": "HEIF", ".hif": "HEIF", ".avif": "AVIF", ".jxl": "JXL"}
"""By the ending of the file's name."""

NAMES = {"HEIF": "HEIC", "AVIF": "AVIF", "JXL": "JPEG XL"}


def register_for(content: bytes) -> None:
    """Have Pillow open what a file is. ValueError with the line that installs what reads it, if that is missing."""
    if jpeg_xl.is_jpeg_xl(content):
        jpeg_xl.register()
    elif kinds.kind_of(content) == "an HEIC picture":
        heif.register()


def check_encoder(container: str) -> None:
    """ValueError with the line that installs what writes files of this format, if that is missing."""
    if container in ("HEIF", "JXL"):
        (heif if container == "HEIF" else jpeg_xl).register()


def is_lossy(container: str, options: dict[str, Any]) -> bool:
    """True if what is written in this format, with a photo's `compression`, changes pixels beside the hole, too."""
    return container in ("HEIF", "AVIF") or (container == "JXL" and not options.get("lossless", True))


def check_can_hold(container: str, of: str, bits: int, grey: bool, icc: bytes | None) -> None:
    """ValueError if files of this format, as they are written here, cannot hold the samples or the profile of a photo
    from a file of the format `of`."""
    name = NAMES.get(container)
    deep_heif, deep_jxl = container == "HEIF" and of != "HEIF", container == "JXL" and not (grey and of == "JXL")
    if bits == 16 and (deep_heif or deep_jxl or container == "AVIF"):
        holds = "at most 12" if container == "HEIF" else 8
        raise ValueError(f"the photo has 16 bits per sample and {name} is written with {holds}; write a .png or .tif")
    if container == "JXL" and not jpeg_xl.is_written(icc, bits):
        raise ValueError(
            "the photo has an ICC profile, and JPEG XL is written in sRGB without one; write a .png, .tif or .heic"
        )


def turned_from(image: Image.Image, content: bytes) -> int | None:
    """The orientation, by EXIF's numbers, in which pillow-heif has found an opened photo and turned it; else None.

    It goes by the file's own properties, as the standard has it, and not by its EXIF, which it tells all the same.
    """
    turns = b"irot" in content or b"imir" in content
    return image.info.get("original_orientation") if image.format == "HEIF" and turns else None


def compression(image: Image.Image, content: bytes) -> dict[str, Any]:
    """Options for the encoder, after an opened photo."""
    if image.format == "HEIF":
        return heif.compression(image)
    if image.format == "AVIF":
        return {}
    return {"lossless": jpeg_xl.header(content).lossless is not False and not getattr(image, "jpeg", False)}


def notes_of(image: Image.Image, content: bytes) -> list[str]:
    """Notes on what is not kept of an opened photo."""
    if image.format == "HEIF":
        return heif.left_out(image)
    notes = []
    if image.format == "JXL":
        if getattr(image, "jpeg", False):
            notes.append("the file holds a packed JPEG, which cannot be unpacked from the result any more")
        elif exif_orientation(image.info.get("exif") or b"") not in (None, 1):
            notes.append("the EXIF of the file tells an orientation, which JPEG XL does not go by: it is left out")
        if jpeg_xl.has_compressed_xmp(content):
            notes.append("the XMP in the file is compressed, and is left out")
    return notes


def deep_samples(image: Image.Image, content: bytes) -> NDArray[np.uint16] | None:
    """The samples of an opened photo that has more than 8 bits, of which Pillow keeps 8; None of others.

    UnreadablePhoto if they cannot be had.
    """
    if image.format == "HEIF" and image.info.get("bit_depth", 8) > 8:
        return heif.decode_deep(content)
    if image.format == "AVIF" and avif.bits_of(content) > 8:
        return avif.decode_deep(content)
    if image.format == "JXL":
        header = jpeg_xl.header(content)
        if header.is_float or (header.bits != 8 and image.mode != "I;16"):
            raise UnreadablePhoto(
                f"it is a JPEG XL of {header.bits or 'unknown'} bits per sample, of which 8 would be kept; convert it "
                "to a PNG of 16 bits (djxl photo.jxl photo.png)"
            )
    return None


def encode(container: str, samples_HWC: NDArray[Any], options: dict[str, Any], metadata: dict[str, bytes]) -> bytes:
    """A file of this format with what there is of `exif`, `xmp` and `icc_profile`.

    `options` are those that `compression` gave for a photo of the same format; none for another's.
    """
    if container == "HEIF":
        return heif.encode(samples_HWC, options | metadata)
    image = Image.fromarray(samples_HWC[..., 0] if samples_HWC.shape[2] == 1 else samples_HWC)
    if container == "JXL":
        return jpeg_xl.encode(image, options.get("lossless", True), metadata.get("exif"), metadata.get("xmp"))
    return avif.encode(image, metadata)
