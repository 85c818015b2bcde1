"""What photos' files hold besides pixels, as cameras write it, and how files are after damage."""

import io
import struct
from functools import cache

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageCms

from engine.inference.photos.formats.registry import CODECS

XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6" dc:title="a"/></x:xmpmeta>'
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif_block(orientation=6, width=53, height=37, thumbnail=b"\xff\xd8the unwanted object\xff\xd9", order=">"):
    """An EXIF block as cameras write it, with a maker note, sizes, and a thumbnail after it."""
    first, sub, second = 8, 8 + 2 + 3 * 12 + 4, 8 + 2 + 3 * 12 + 4 + 2 + 3 * 12 + 4
    note, picture_at = b"MAKERNOTE" * 3, second + 2 + 2 * 12 + 4 + 27
    pack = lambda form, *values: struct.pack(order + form, *values)  # noqa: E731
    block = (b"MM" if order == ">" else b"II") + pack("HI", 42, first)
    block += pack("H", 3) + pack("HHI4s", 0x010F, 2, 4, b"Cam\0") + pack("HHIHH", 0x0112, 3, 1, orientation, 0)
    block += pack("HHII", 0x8769, 4, 1, sub) + pack("I", second)
    block += pack("H", 3) + pack("HHII", 0x927C, 7, 27, second + 2 + 2 * 12 + 4)
    block += pack("HHII", 0xA002, 4, 1, width) + pack("HHIHH", 0xA003, 3, 1, height, 0) + pack("I", 0)
    block += pack("H", 2) + pack("HHII", 0x0201, 4, 1, picture_at) + pack("HHII", 0x0202, 4, 1, len(thumbnail))
    return block + pack("I", 0) + note + thumbnail


def mangle(content: bytes, random: np.random.Generator) -> bytes:
    """A file as it is after a bad disk, a broken transfer, or malice."""
    broken = bytearray(content)
    how = random.integers(4)
    if how == 0:
        return bytes(broken[: random.integers(len(broken))])
    if how == 1:
        for position in random.integers(len(broken), size=random.integers(1, 30)):
            broken[position] = random.integers(256)
    elif how == 2:  # where the structure is
        for position in random.integers(min(300, len(broken)), size=random.integers(1, 6)):
            broken[position] = random.integers(256)
    else:
        start = random.integers(len(broken))
        del broken[start : start + random.integers(1, 200)]
    return bytes(broken)


@cache
def files_of_every_kind() -> dict[str, bytes]:
    """Photos of 53x37 pixels by what is particular about their files."""
    pixels_HW3 = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
    rgb, rgb16_HW3 = Image.fromarray(pixels_HW3), pixels_HW3.astype(np.uint16) * 257
    block = b"Exif\0\0" + exif_block()
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation], tags[ExifTags.Base.Software] = 6, "a program"
    tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2020:01:01 00:00:00"
    tags.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (1.0, 2.0, 3.0)
    pages = {"save_all": True, "append_images": [rgb.convert("1")]}
    made = {
        "jpeg with metadata": ("JPEG", rgb, {"exif": block, "icc_profile": PROFILE, "xmp": XMP, "dpi": (72, 72)}),
        "jpeg with xmp alone": ("JPEG", rgb, {"xmp": XMP}),
        "jpeg progressive": ("JPEG", rgb, {"progressive": True}),
        "jpeg grey": ("JPEG", rgb.convert("L"), {}),
        "jpeg cmyk": ("JPEG", rgb.convert("CMYK"), {}),
        "png with metadata": ("PNG", rgb, {"exif": exif_block(), "icc_profile": PROFILE, "dpi": (72, 72)}),
        "png of a palette": ("PNG", rgb.convert("P"), {"transparency": 3}),
        "png of one bit": ("PNG", rgb.convert("1"), {}),
        "png with alpha": ("PNG", rgb.convert("RGBA"), {}),
        "tiff": ("TIFF", rgb, {"compression": "raw", "dpi": (72, 72), "icc_profile": PROFILE}),
        "tiff with exif": ("TIFF", rgb, {"exif": tags}),
        "tiff of one bit": ("TIFF", rgb.convert("1"), {"compression": "group4"}),
        "tiff of a palette": ("TIFF", rgb.convert("P"), {}),
        "tiff of two pages": ("TIFF", rgb, pages),
        "tiff with alpha": ("TIFF", rgb.convert("RGBA"), {"compression": "tiff_lzw"}),
        "tiff of jpeg": ("TIFF", rgb, {"compression": "jpeg"}),
        "webp with metadata": ("WEBP", rgb, {"exif": block, "xmp": XMP}),
        "webp without loss": ("WEBP", rgb, {"lossless": True}),
        "avif": ("AVIF", rgb, {"exif": tags, "xmp": XMP}),
        "heic": ("HEIF", rgb, {"exif": tags.tobytes(), "xmp": XMP}),
        "jpeg xl": ("JXL", rgb, {"lossless": True}),
        "gif": ("GIF", rgb, {}),
        "bmp": ("BMP", rgb, {}),
    }
    for plugin in ("HEIF", "JXL"):
        CODECS[plugin].register()
    files = {}
    for name, (kind, image, options) in made.items():
        file = io.BytesIO()
        image.save(file, kind, **options)
        files[name] = file.getvalue()
    for ending in (".png", ".tif"):
        for name, samples in (("colour", rgb16_HW3), ("grey", rgb16_HW3[..., 0])):
            files[f"{ending} of 16-bit {name}"] = cv2.imencode(ending, samples)[1].tobytes()
    return files
