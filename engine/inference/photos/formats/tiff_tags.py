"""TIFF: the tags beside the picture."""

import struct
from typing import Any

from PIL import Image
from PIL.ExifTags import Base as Tag
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from data.orientation import EXIF_HEAD
from engine.inference.photos.formats.exif import make_xmp_upright
from engine.inference.photos.formats.thumbnails import PHOTOSHOP_LEFT_OUT, has_photoshop_thumbnail
from engine.inference.photos.photo import Photo

DESCRIPTIVE = (
    Tag.ImageDescription, Tag.Make, Tag.Model, Tag.Software, Tag.DateTime, Tag.Artist, Tag.Copyright, Tag.DocumentName,
    Tag.HostComputer,
)  # fmt: skip
"""Tags that EXIF shares with TIFF."""

PLACED = (33550, 33922, 34264, 34735, 34736, 34737)
"""GeoTIFF's tags: the scale, points or matrix that place the rows and columns on Earth, and the coordinate system."""

GDAL_METADATA, GDAL_NODATA = 42112, 42113

KEPT = (
    *DESCRIPTIVE, Tag.XResolution, Tag.YResolution, Tag.ResolutionUnit, Tag.XMLPacket, Tag.IPTCNAA, Tag.ImageResources,
    Tag.InterColorProfile, GDAL_METADATA, GDAL_NODATA,
)  # fmt: skip
"""Also resolution, XMP, IPTC, Photoshop's block, the ICC profile and what GDAL says of the values."""

DIRECTORIES = (Tag.ExifOffset, Tag.GPSInfo)
"""Tags of EXIF's own directories: of the exposure, and of the place."""

INCHES = 2
UNDEFINED, LONG = 7, 4


def metadata(image: TiffImageFile) -> dict[int, Any]:
    """The tags to carry over from an opened TIFF, EXIF and GPS directories as dictionaries."""
    kept: dict[int, Any] = {tag: unwrapped(image.tag_v2[tag]) for tag in KEPT if tag in image.tag_v2}
    if image.tag_v2.get(Tag.Orientation) not in range(2, 9):  # they place rows and columns as stored, not as turned
        kept |= {tag: image.tag_v2[tag] for tag in PLACED if tag in image.tag_v2}
    if isinstance(kept.get(Tag.XMLPacket), bytes):
        kept[Tag.XMLPacket] = make_xmp_upright(kept[Tag.XMLPacket])
    if left_out(image):
        del kept[Tag.ImageResources]
    exif = image.getexif()
    for tag in DIRECTORIES:
        if directory := exif.get_ifd(tag):
            kept[tag] = dict(directory)
    return {tag: value for tag, value in kept.items() if value != b"" and is_writable(tag, value)}


def left_out(image: TiffImageFile) -> list[str]:
    """Notes on what of an opened TIFF is not carried over since it shows the photo as it was."""
    resources = unwrapped(image.tag_v2.get(Tag.ImageResources))
    return [PHOTOSHOP_LEFT_OUT] * (isinstance(resources, bytes) and has_photoshop_thumbnail(resources))


def nodata(image: TiffImageFile) -> float | None:
    """The value that an opened TIFF declares, as GDAL does, for pixels without data; None if it does not."""
    try:
        return float(str(unwrapped(image.tag_v2[GDAL_NODATA])).strip(" \0"))
    except (KeyError, ValueError):
        return None


def unwrapped(value: Any) -> Any:
    """A tag's value as it is; Pillow wraps bytes in a tuple where the file has them in another type than it expects."""
    wrapped = isinstance(value, tuple) and len(value) == 1 and isinstance(value[0], bytes)
    return value[0] if wrapped else value


def tags(photo: Photo) -> dict[int, Any]:
    """The tags for the metadata of a photo that was no TIFF; of EXIF, what Pillow can parse."""
    made: dict[int, Any] = {Tag.InterColorProfile: photo.icc, Tag.XMLPacket: photo.xmp}
    if photo.dpi:
        made |= {Tag.XResolution: photo.dpi[0], Tag.YResolution: photo.dpi[1], Tag.ResolutionUnit: INCHES}
    if photo.exif:
        parsed = Image.Exif()
        parsed.load(photo.exif)
        made |= {tag: value for tag, value in parsed.items() if tag in DESCRIPTIVE}
        made |= {tag: dict(parsed.get_ifd(tag)) for tag in DIRECTORIES}
    return {tag: value for tag, value in made.items() if value and is_writable(tag, value)}


def exif_block(kept: dict[int, Any]) -> bytes | None:
    """The EXIF block for another container of the tags that `metadata` gave."""
    exif = Image.Exif()
    for tag in (*DESCRIPTIVE, *DIRECTORIES):
        if tag in kept:
            exif[tag] = kept[tag]
    return exif.tobytes().removeprefix(EXIF_HEAD) if len(exif) else None


def put(directory: ImageFileDirectory_v2, tag: int, value: Any) -> None:
    """Set a tag, with the type of another directory for a dictionary, and without one for bytes."""
    if isinstance(value, dict):
        directory.tagtype[tag] = LONG
    elif isinstance(value, bytes):
        directory.tagtype[tag] = UNDEFINED
    directory[tag] = value


def is_writable(tag: int, value: Any) -> bool:
    """True if Pillow can write a tag as it has read it; not where a damaged file has a number for a text."""
    directory = ImageFileDirectory_v2(prefix=b"II")
    try:
        put(directory, tag, value)
        directory.tobytes(8)
    except (ValueError, TypeError, AttributeError, SyntaxError, LookupError, struct.error):
        return False
    return True
