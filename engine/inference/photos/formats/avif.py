"""AVIF: 8 bits by Pillow; of 10 and 12 bits, of which Pillow keeps 8, the samples by OpenCV, for another format."""

import struct

import numpy as np
from PIL import Image

from engine.inference.photos.formats.codec import Codec, deep_colours, saved
from engine.inference.photos.photo import Photo
from engine.inference.pixels import Pixels


class Avif(Codec):
    """Reads AVIF of 8, 10 and 12 bits, and writes it with 8."""

    name, title, endings, media_type = "AVIF", "AVIF", (".avif",), "image/avif"
    is_lossy = True
    most_bits = "AVIF is written with 8"

    def read(self, image: Image.Image, content: bytes) -> Photo:
        return self.decoded(image, content, [], deep_samples=deep_samples(content))

    def write(self, photo: Photo, pixels_HW3: Pixels) -> bytes:
        """Of one quality, since a file does not say its own; without EXIF that Pillow cannot write."""
        metadata = photo.metadata()
        if "exif" in metadata and not is_writable(metadata["exif"]):
            del metadata["exif"]
        return saved(photo.samples_of(pixels_HW3), self.name, quality=95, subsampling="4:4:4", **metadata)


def deep_samples(content: bytes) -> Pixels | None:
    """Samples of 10 or 12 bits, spread over 16; None if Pillow keeps them all."""
    if bits_of(content) == 8:
        return None
    samples = deep_colours(content, "its samples of more than 8 bits")
    most = (1 << bits_of(content)) - 1
    return ((samples.astype(np.uint32) * 65535 + most // 2) // most).astype(np.uint16)


def is_writable(exif: bytes) -> bool:
    """True if Pillow can write an EXIF block again, which it does for an AVIF; not if that is damaged."""
    block = Image.Exif()
    try:
        block.load(exif)
        block.tobytes()
    except (ValueError, TypeError, AttributeError, SyntaxError, LookupError, struct.error):
        return False
    return True


def bits_of(content: bytes) -> int:
    """Bits of a sample, by the configuration of the AV1 codec in a file; 8 if it is not there."""
    place = content.find(b"av1C")
    if place < 0 or place + 6 >= len(content) or not content[place + 6] & 0x40:
        return 8
    return 12 if content[place + 6] & 0x20 else 10
