"""JPEG XL, read and written by pillow-jxl-plugin: 8 bits, and 16 of grey.

A file's own orientation is applied by the decoder, and its EXIF's does not count, but for a JPEG that was packed into a
JPEG XL. The encoder writes no ICC profile: 8 bits are said to be sRGB, 16 of grey linear light. The header is read
here, for what the plugin does not tell: how many bits there are, of which it gives 8 of colours, and whether the file
is lossless.
"""

import struct
from functools import lru_cache
from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

from data.decoders import UnreadablePhoto
from data.orientation import exif_orientation
from engine.inference.photos.formats.codec import Codec, saved
from engine.inference.photos.photo import Photo
from engine.inference.pixels import Pixels
from engine.packages import import_optional

QUALITY = 95
CODESTREAM = b"\xff\x0a"
SIZES, BITS = ((9, 1), (13, 1), (18, 1), (30, 1)), ((0, 8), (0, 10), (0, 12), (6, 1))
"""Ways of writing a number: bits that follow, and what is added."""

RATIOS = (None, (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Of width to height, which spare saying the width."""


class Header(NamedTuple):
    """The header of a file."""

    size: tuple[int, int]
    """(height, width) as stored."""
    bits: int
    is_float: bool
    lossless: bool | None
    """True if the values are stored in the photo's own colours; None if that is not read."""


class JpegXl(Codec):
    """Reads and writes JPEG XL, of 8 bits and of grey of 16."""

    name, title, endings, media_type = "JXL", "JPEG XL", (".jxl",), "image/jxl"
    most_bits, keeps_bits = "JPEG XL is written with 8", True
    kind = "a JPEG XL picture"

    def register(self) -> None:
        import_optional("pillow_jxl")

    def size_before_opening(self, content: bytes) -> tuple[int, int] | None:
        return header(content).size

    def read(self, image: Image.Image, content: bytes) -> Photo:
        stored = header(content)
        check_bits(stored, image)
        lossless = stored.lossless is not False and not getattr(image, "jpeg", False)
        notes, compression = left_out(image, content), {"lossless": lossless}
        return self.decoded(image, content, notes, compression=compression, xmp=xmp_in(content))

    def check_can_hold(self, photo: Photo) -> None:
        if not is_written(photo.icc, 8 * photo.pixels_HW3.itemsize):
            raise ValueError(
                "the photo has an ICC profile, and JPEG XL is written in sRGB without one; write a .png, .tif or .heic"
            )

    def write(self, photo: Photo, pixels_HW3: Pixels) -> bytes:
        metadata = {name: value for name, value in photo.metadata().items() if name != "icc_profile"}
        options = {"lossless": self.loss(photo) is None, "quality": QUALITY, "use_container": bool(metadata)}
        # Without lossless_jpeg=False the plugin would write the JPEG that a picture was opened from, as it was.
        return saved(photo.samples_of(pixels_HW3), self.name, lossless_jpeg=False, **options, **metadata)


def check_bits(stored: Header, image: Image.Image) -> None:
    """UnreadablePhoto if an opened file has more bits than Pillow has of it: of colours the plugin gives 8."""
    if stored.is_float or (stored.bits != 8 and image.mode != "I;16"):
        raise UnreadablePhoto(
            f"it is a JPEG XL of {stored.bits or 'unknown'} bits per sample, of which 8 would be kept; convert it "
            "to a PNG of 16 bits (djxl photo.jxl photo.png)"
        )


def left_out(image: Image.Image, content: bytes) -> list[str]:
    """Notes on what is not kept of an opened file."""
    notes = []
    if getattr(image, "jpeg", False):
        notes.append("the file holds a packed JPEG, which cannot be unpacked from the result any more")
    elif exif_orientation(image.info.get("exif") or b"") not in (None, 1):
        notes.append("the EXIF of the file tells an orientation, which JPEG XL does not go by: it is left out")
    if has_compressed_xmp(content):
        notes.append("the XMP in the file is compressed, and is left out")
    return notes


def boxes(content: bytes) -> list[tuple[bytes, bytes]]:
    """(kind, content) of a container's boxes; of a bare codestream, that as one."""
    if content.startswith(CODESTREAM):
        return [(b"jxlc", content)]
    found, place = [], 0
    while place + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        start = 8
        if length == 1 and place + 16 <= len(content):
            length, start = struct.unpack_from(">Q", content, place + 8)[0], 16
        end = len(content) if length == 0 else place + length
        if end <= place + start - 1:
            break
        found.append((kind, content[place + start : end]))
        place = end
    return found


def header(content: bytes) -> Header:
    """The header of a file. ValueError if that is damaged."""
    parts = [data[4:] if kind == b"jxlp" else data for kind, data in boxes(content) if kind in (b"jxlc", b"jxlp")]
    stream = b"".join(parts)[:64]
    if not stream.startswith(CODESTREAM):
        raise ValueError("the JPEG XL is damaged or cut short")
    number, place = int.from_bytes(stream[2:], "little"), 0

    def take(count: int) -> int:
        nonlocal place
        place += count
        return (number >> (place - count)) & ((1 << count) - 1)

    def choose(ways: tuple[tuple[int, int], ...]) -> int:
        more, added = ways[take(2)]
        return take(more) + added

    small = take(1)
    height = 8 * (take(5) + 1) if small else choose(SIZES)
    ratio = RATIOS[take(3)]
    width = height * ratio[0] // ratio[1] if ratio else 8 * (take(5) + 1) if small else choose(SIZES)
    size = (height, width)
    if take(1):  # all as usual
        return Header(size, 8, False, False)
    if take(1):  # more fields
        take(3)  # the orientation
        if take(3):  # another size to be shown in, a preview, an animation
            return Header(size, 0, False, None)
    is_float = bool(take(1))
    bits = choose(((0, 32), (0, 16), (0, 24), (6, 1))) if is_float else choose(BITS)
    if is_float:
        take(4)
    take(1)
    lossless = not take(1) if take(2) == 0 else None  # behind extra channels, such as alpha, it is not looked for
    return Header(size, bits, is_float, lossless)


def xmp_in(content: bytes) -> bytes | None:
    """The XMP of a file, which the plugin does not give, unless it is compressed."""
    return next((data for kind, data in boxes(content) if kind == b"xml "), None)


def has_compressed_xmp(content: bytes) -> bool:
    """True if there is XMP that is compressed."""
    return any(kind == b"brob" and data.startswith(b"xml ") for kind, data in boxes(content))


@lru_cache
def own_profile(mode: str) -> bytes | None:
    """The ICC profile that the plugin gives for what its encoder has written."""
    import_optional("pillow_jxl")
    written = saved(Image.new(mode, (8, 8)), "JXL", lossless=True, lossless_jpeg=False)
    with Image.open(BytesIO(written)) as image:
        return image.info.get("icc_profile")


def is_written(icc: bytes | None, bits: int) -> bool:
    """True if the encoder says of samples of so many bits what this profile says: 8 are sRGB, 16 of grey linear."""
    if bits == 16:
        return icc == own_profile("I;16")
    return icc in (None, own_profile("RGB"), own_profile("L")) or is_seen_as_srgb(icc)


@lru_cache
def is_seen_as_srgb(icc: bytes) -> bool:
    """True if colours look within two levels as in sRGB by a profile; also if that is damaged, and nobody reads it."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    colours = Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), -1).reshape(81, 9, 3))
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(icc))
        if profile.profile.xcolor_space.strip() == "GRAY":
            colours = colours.convert("L")
        seen = ImageCms.profileToProfile(colours, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return True
    assert seen is not None
    return bool(abs(np.asarray(seen).astype(int) - np.asarray(colours.convert("RGB"))).max() <= 2)
