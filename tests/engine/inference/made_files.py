"""What photos' files hold besides pixels, as cameras write it, and how files are after damage."""

import struct

import numpy as np
from PIL import ImageCms

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
