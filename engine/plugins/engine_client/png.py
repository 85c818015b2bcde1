"""The PNGs that are sent."""

import struct
import zlib

HALF = 128
"""Of a selection's 255: from there on a pixel is removed. The outline that paint programs draw runs there, too."""

COLOUR_TYPES = {1: 0, 4: 6}
"""Those of PNG, by the number of channels: grey, and red, green, blue, alpha."""


def png(width: int, height: int, samples: bytes, bits: int = 8, channels: int = 4) -> bytes:
    """A PNG of samples row by row, those of 16 bits big-endian; made fast, since it does not go far."""
    stride = width * channels * bits // 8
    rows = b"".join(b"\0" + samples[at : at + stride] for at in range(0, height * stride, stride))
    head = struct.pack(">IIBBBBB", width, height, bits, COLOUR_TYPES[channels], 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows, 1)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
