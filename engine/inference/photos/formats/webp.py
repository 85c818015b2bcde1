"""WebP: how the picture was compressed. Its metadata Pillow keeps whole."""

from typing import Any

from PIL import Image

from data.containers import webp_chunks
from engine.inference.photos.formats.codec import Codec, saved
from engine.inference.photos.photo import Photo
from engine.inference.pixels import Pixels


class WebP(Codec):
    """Reads and writes WebP, of 8 bits."""

    name, title, endings, media_type = "WEBP", "WebP", (".webp",), "image/webp"
    longest_side = 16_383
    most_bits = "WEBP holds 8"

    def read(self, image: Image.Image, content: bytes) -> Photo:
        return self.decoded(image, content, [], compression=compression(content))

    def loss(self, photo: Photo) -> str | None:
        return (how := super().loss(photo)) and f"{how} again"

    def write(self, photo: Photo, pixels_HW3: Pixels) -> bytes:
        options = photo.compression if photo.container == self.name else {"lossless": True, "exact": True}
        return saved(photo.samples_of(pixels_HW3), self.name, **options, **photo.metadata())


def compression(content: bytes) -> dict[str, Any]:
    """Options of Pillow's encoder: lossless if the file is, else quality 90, since a file does not say its quality."""
    kinds = {kind for kind, _ in webp_chunks(content)}
    return {"lossless": b"VP8 " not in kinds or b"VP8L" in kinds, "exact": True, "quality": 90}
