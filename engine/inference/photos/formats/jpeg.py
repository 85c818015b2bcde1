"""JPEG: the segments beside the picture, and how the picture was compressed."""

import struct
from collections.abc import Iterator
from typing import Any

from PIL import Image, JpegImagePlugin

from data.containers import START_OF_SCAN, jpeg_segments
from data.decoders import UnreadablePhoto
from data.orientation import EXIF_HEAD, turned_back
from data.pillow import orientation_to_apply
from engine.inference.photos.formats import thumbnails
from engine.inference.photos.formats.codec import Codec, saved
from engine.inference.photos.formats.exif import only_orientation, without_thumbnail
from engine.inference.photos.photo import Photo
from engine.inference.pixels import Pixels

MAX_METADATA = 65_000
"""Bytes of EXIF, and of XMP, that one segment holds; a few more go in, less the segment's own head."""

BEHIND = (b"MPF\0", b"urn:iso:std:iso:ts:21496:-1\0")
"""Of the segments about pictures that follow in the file: all of them, and a gain map by ISO 21496-1."""
GAIN_MAP_SIGNS = (b"http://ns.adobe.com/hdr-gain-map/", b"http://ns.apple.com/HDRGainMap/", b'Semantic="GainMap"')
"""Texts in XMP that announce a gain map."""
COMMENT = 0xFE
APP0, APP1, APP13, APP14, APP15 = 0xE0, 0xE1, 0xED, 0xEE, 0xEF


class Jpeg(Codec):
    """Reads and writes JPEG, of 8 bits, grey or in colour."""

    name, title, endings, media_type = "JPEG", "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), "image/jpeg"
    longest_side = 65_500  # files could hold 35 more, and libjpeg writes none of them
    most_bits = "JPEG holds 8"
    is_lossy, is_one_picture = True, False

    def read(self, image: Image.Image, content: bytes) -> Photo:
        orientation = orientation_to_apply(image, content)
        own: dict[str, Any] = {"compression": compression(image), "carried": metadata(content, orientation)}
        return self.decoded(image, content, left_out(content), file=content, orientation=orientation, **own)

    def check_can_hold(self, photo: Photo) -> None:
        if photo.alpha_HW is not None:
            raise ValueError("the photo has an alpha channel and JPEG holds none; write a .png, .tif or .webp")
        longest = max(len(photo.exif or b""), len(photo.xmp or b""))
        if photo.container != self.name and longest > MAX_METADATA:
            raise ValueError(
                f"the photo has {longest} bytes of EXIF or XMP and a JPEG holds {MAX_METADATA}; write a .png or .tif"
            )

    def write(self, photo: Photo, pixels_HW3: Pixels) -> bytes:
        samples_HWC = photo.samples_of(pixels_HW3)
        if photo.container == self.name:
            as_stored_HWC = turned_back(samples_HWC, photo.orientation)
            return with_metadata(saved(as_stored_HWC, self.name, **photo.compression), photo.carried)
        options = photo.metadata() | {"quality": 95, "subsampling": 0, "dpi": photo.dpi or (0, 0)}
        return saved(samples_HWC, self.name, **options)


def segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, payload) of each segment before the picture's data."""
    return ((marker, content[where]) for marker, where, _ in jpeg_segments(content) if marker != START_OF_SCAN)


def left_out(content: bytes) -> list[str]:
    """Notes on what of a JPEG is not carried over since it shows the photo as it was."""
    notes = []
    found = [payload for marker, payload in segments(content) if APP0 <= marker <= APP15]
    if any(payload.startswith(BEHIND[1]) or any(sign in payload for sign in GAIN_MAP_SIGNS) for payload in found):
        notes.append("the gain map in the photo's file, which makes it HDR, shows the hole and is left out")
    elif any(payload.startswith(BEHIND[0]) for payload in found):
        notes.append("other pictures in the photo's file, which show the hole, are left out")
    heads = heads_left_out(content)
    if (APP13, thumbnails.PHOTOSHOP_HEAD) in heads:
        notes.append(thumbnails.PHOTOSHOP_LEFT_OUT)
    if (APP1, thumbnails.EXTENDED_HEAD) in heads:
        notes.append("the longer part of the photo's XMP, which has a picture that shows the hole, is left out")
    return notes


def heads_left_out(content: bytes) -> list[tuple[int, bytes]]:
    """Of the metadata that is spread over segments, that with a picture of the photo: its marker, and how it begins."""
    found = []
    for head, is_shown in (
        ((APP13, thumbnails.PHOTOSHOP_HEAD), lambda parts: thumbnails.has_photoshop_thumbnail(b"".join(parts))),
        ((APP1, thumbnails.EXTENDED_HEAD), thumbnails.has_extended_picture),
    ):
        parts = [payload[len(head[1]) :] for marker, payload in segments(content) if is_of(head, marker, payload)]
        found += [head] * is_shown(parts)
    return found


def is_of(head: tuple[int, bytes], marker: int, payload: bytes) -> bool:
    """True if a segment is one of a kind."""
    return marker == head[0] and payload.startswith(head[1])


def metadata(content: bytes, orientation: int) -> list[tuple[int, bytes]]:
    """The segments to carry over, as the picture stays turned as it is: all that applications add, and comments.

    Not those that point beyond the picture (`BEHIND`), nor those that show it (`left_out`), nor the thumbnails of EXIF,
    JFIF and XMP. Of a broken EXIF block the orientation that it was read with is kept.
    """
    kept, heads = [], heads_left_out(content)
    for marker, payload in segments(content):
        if any(is_of(head, marker, payload) for head in heads):
            continue
        if marker == APP1 and payload.startswith(EXIF_HEAD):
            block = payload.removeprefix(EXIF_HEAD).removeprefix(EXIF_HEAD)  # some writers say it twice
            payload = EXIF_HEAD + (without_thumbnail(block) or only_orientation(orientation))
        elif marker == APP1 and not payload.startswith(thumbnails.EXTENDED_HEAD):  # that may end within an element
            payload = thumbnails.without_xmp_pictures(payload)
        elif marker == APP0 and payload.startswith(b"JFIF\0"):
            payload = payload[:12] + b"\0\0"
        elif marker == APP0 or payload.startswith(BEHIND):
            continue
        if is_metadata(marker):
            kept.append((marker, payload))
    return kept


def without_metadata(content: bytes) -> bytes:
    """The JPEG without what applications added, but for the two segments that tell how its colours are stored."""
    picture, stop = content[:2], 2
    for marker, where, _ in jpeg_segments(content):
        if marker == START_OF_SCAN:
            break
        if not is_metadata(marker) or marker == APP14 or (marker == APP0 and content[where].startswith(b"JFIF\0")):
            picture += content[where.start - 4 : where.stop]
        stop = where.stop
    return picture + content[stop:]


def is_metadata(marker: int) -> bool:
    """True if applications add such segments."""
    return APP0 <= marker <= APP15 or marker == COMMENT


def with_metadata(encoded: bytes, kept: list[tuple[int, bytes]]) -> bytes:
    """The JPEG `encoded` with these segments in place of its own."""
    own = 2
    for marker, payload in segments(encoded):
        if not is_metadata(marker):
            break
        own += 4 + len(payload)
    head = b"".join(struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload for marker, payload in kept)
    return encoded[:2] + head + encoded[own:]


def compression(image: Image.Image) -> dict[str, Any]:
    """The options of Pillow's encoder that compress as an opened JPEG is. UnreadablePhoto if its tables are missing."""
    assert isinstance(image, JpegImagePlugin.JpegImageFile)
    # -1: not one of the three that Pillow can write (or grey); keeping every chroma sample loses nothing.
    sampling = max(JpegImagePlugin.get_sampling(image), 0)
    progressive = "progression" in image.info or "progressive" in image.info
    # By component, since Pillow's encoder takes luma's first and chroma's second, whatever their numbers in the file.
    numbers = dict.fromkeys(component[3] for component in image.layer)
    try:
        tables = [image.quantization[number] for number in numbers]
    except KeyError as error:
        raise UnreadablePhoto(f"it lacks table {error} of quantisation") from error
    options = {"qtables": tables, "subsampling": sampling, "progressive": progressive}
    return options | ({"keep_rgb": True} if stores_rgb(image) else {})


def stores_rgb(image: JpegImagePlugin.JpegImageFile) -> bool:
    """True if the components are red, green and blue, and not luma and chroma, as libjpeg decides."""
    if image.mode != "RGB" or "jfif" in image.info:
        return False
    if "adobe" in image.info:
        return bool(image.info.get("adobe_transform") == 0)
    return bytes(component[0] for component in image.layer) == b"RGB"
