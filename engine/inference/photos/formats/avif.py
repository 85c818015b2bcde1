"""AVIF: 8 bits by Pillow; of 10 and 12 bits, of which Pillow keeps 8, the samples by OpenCV, for another format."""

import struct
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.decoders import decoding

COMPRESSION: dict[str, Any] = {"quality": 95, "subsampling": "4:4:4"}
"""Of Pillow's encoder; the file does not say what it was encoded with."""


def encode(image: Image.Image, metadata: dict[str, bytes]) -> bytes:
    """An AVIF file with what there is of `exif`, `xmp` and `icc_profile`; without EXIF that Pillow cannot write."""
    if "exif" in metadata and not is_writable(metadata["exif"]):
        metadata = {name: value for name, value in metadata.items() if name != "exif"}
    file = BytesIO()
    image.save(file, "AVIF", **COMPRESSION, **metadata)
    return file.getvalue()


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


def decode_deep(content: bytes) -> NDArray[np.uint16]:
    """Samples of more than 8 bits as they are stored, spread over 16. ValueError if they cannot be decoded."""
    with decoding():
        samples = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16 or samples.ndim != 3:
        raise ValueError("its samples of more than 8 bits cannot be decoded")
    samples = cv2.cvtColor(samples, cv2.COLOR_BGRA2RGBA if samples.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    most = (1 << bits_of(content)) - 1
    return ((samples.astype(np.uint32) * 65535 + most // 2) // most).astype(np.uint16)
