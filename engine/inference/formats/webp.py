"""WebP: how the picture was compressed. Its metadata Pillow keeps whole."""

import struct
from typing import Any


def compression(content: bytes) -> dict[str, Any]:
    """Options of Pillow's encoder: lossless if the file is, else quality 90, since a file does not say its quality."""
    position = 12
    while position + 8 <= len(content):
        kind, length = struct.unpack_from("<4sI", content, position)
        if kind in (b"VP8L", b"VP8 "):
            return {"lossless": kind == b"VP8L", "exact": True, "quality": 90}
        position += 8 + length + length % 2
    return {"lossless": True, "exact": True}
