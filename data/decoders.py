"""The one place where what Pillow and OpenCV raise for damaged files becomes an error of this engine's."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
from PIL import Image, UnidentifiedImageError

DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    EOFError,
    OverflowError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    cv2.error,
    Image.DecompressionBombError,
)
"""Those that Pillow and OpenCV raise for files that are not what they claim."""


class UnreadablePhoto(ValueError):
    """A picture's file that cannot be read, or not as it is; the message is why."""


class UnknownPicture(UnreadablePhoto):
    """A file of no format that the decoders know."""


@contextmanager
def decoding() -> Iterator[None]:
    """Around calls of Pillow and OpenCV, and no code of ours: what they raise becomes UnreadablePhoto."""
    try:
        yield
    except UnreadablePhoto:
        raise
    except UnidentifiedImageError as error:
        raise UnknownPicture(str(error)) from error
    except DECODER_ERRORS as error:
        raise UnreadablePhoto(str(error) or type(error).__name__) from error
