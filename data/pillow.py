"""Opening pictures with Pillow without its own limit on pixels, which is below this engine's."""

import os
from io import BytesIO
from threading import Lock

from PIL import Image

from data.decoders import decoding
from data.orientation import exif_orientation, orientation_of

_limit_lock = Lock()
"""Pillow's limit is one for the whole process."""
# Nobody holds it at a fork: the loader's worker would wait for it without end, or be left without the limit.
os.register_at_fork(before=_limit_lock.acquire, after_in_parent=_limit_lock.release, after_in_child=_limit_lock.release)


def open_image(content: bytes) -> Image.Image:
    """Pillow's image of a file's bytes, not decoded yet. UnreadablePhoto if Pillow cannot open it."""
    with _limit_lock, decoding():
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(BytesIO(content))
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def orientation_to_apply(image: Image.Image, content: bytes) -> int:
    """The orientation, 1 to 8, of the pixels that decoders give of an opened file.

    They turn a TIFF, a HEIF and a JPEG XL upright, but for a JPEG that was packed into a JPEG XL.
    """
    if image.format in ("TIFF", "HEIF") or (image.format == "JXL" and not getattr(image, "jpeg", False)):
        return 1
    if image.format in ("JPEG", "MPO", "PNG", "WEBP"):
        return orientation_of(content)
    return exif_orientation(image.info.get("exif", b"")) or 1
