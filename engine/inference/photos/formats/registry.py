"""The formats that photos are read and written in, in one place: by name, by ending, and by what a file begins with."""

from engine.inference.photos.formats import kinds
from engine.inference.photos.formats.avif import Avif
from engine.inference.photos.formats.codec import Codec
from engine.inference.photos.formats.heif import Heif
from engine.inference.photos.formats.jpeg import Jpeg
from engine.inference.photos.formats.jpeg_xl import JpegXl
from engine.inference.photos.formats.png import Png
from engine.inference.photos.formats.tiff import Tiff
from engine.inference.photos.formats.webp import WebP

CODECS: dict[str, Codec] = {codec.name: codec for codec in (Jpeg(), Png(), Tiff(), WebP(), Heif(), Avif(), JpegXl())}
"""By the name of the format, which is `Photo.container`."""

CONTAINERS = {ending: name for name, codec in CODECS.items() for ending in codec.endings}
"""The format that is written, by the ending of the file's name."""

TITLES = " or ".join(", ".join(codec.title for codec in CODECS.values()).rsplit(", ", 1))
"""All of them, for errors."""

PLUGINS = {codec.kind: codec for codec in CODECS.values() if codec.kind}
"""By what `kinds` calls their files."""


def register_for(content: bytes) -> Codec | None:
    """Have Pillow open what a file is; its codec, if that needs a plugin. ValueError as `Codec.register`."""
    if codec := PLUGINS.get(kinds.kind_of(content) or ""):
        codec.register()
    return codec
