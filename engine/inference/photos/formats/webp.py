"""WebP: how the picture was compressed. Its metadata Pillow keeps whole."""

from typing import Any

from data.containers import webp_chunks


def compression(content: bytes) -> dict[str, Any]:
    """Options of Pillow's encoder: lossless if the file is, else quality 90, since a file does not say its quality."""
    kinds = {kind for kind, _ in webp_chunks(content)}
    return {"lossless": b"VP8 " not in kinds or b"VP8L" in kinds, "exact": True, "quality": 90}
