"""A codec reads and writes the photos of one format: what all formats have in common, and what each says for itself."""

from abc import ABC, abstractmethod
from contextlib import suppress
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from PIL import Image

from data.decoders import UnreadablePhoto, decoding
from data.orientation import EXIF_HEAD, TURNS, upright
from data.pillow import orientation_to_apply
from engine.inference.photos.formats.exif import make_upright, upright_xmp
from engine.inference.photos.formats.few_colours import FewColours, note_on_bits
from engine.inference.photos.photo import Photo
from engine.inference.pixels import Pixels

# OpenCV prints warnings about files to standard error; what matters of them is raised as an error.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class Codec(ABC):
    """Reads and writes the photos of one format."""

    name: str
    """As Pillow calls it."""
    title: str
    """As people say it."""
    endings: tuple[str, ...]
    """Of files' names, the usual one first."""
    media_type: str
    longest_side: int | None = None
    """Pixels of a side that its files hold at most."""
    is_lossy: bool = False
    """True if writing changes every pixel; else it does for photos whose option `lossless` is false."""
    most_bits: str | None = None
    """The words of the error where its files cannot hold 16 bits per sample."""
    keeps_bits: bool = False
    """True if they hold them, for all that, of a photo that had them in this format."""
    is_one_picture: bool = True
    """True if a file with more than one picture is no photo; else `read` sees to the others."""
    kind: str | None = None
    """The name that `kinds` has for its files, if Pillow opens them only after `register`."""

    def register(self) -> None:  # noqa: B027  # most have nothing to do
        """Have Pillow open and write its files. ValueError with the line that installs what does, if it is missing."""

    def size_before_opening(self, content: bytes) -> tuple[int, int] | None:
        """(height, width) as stored, of a format that is decoded as it is opened; None of others."""
        return None

    @abstractmethod
    def read(self, image: Image.Image, content: bytes) -> Photo:
        """The photo in an opened image, whose file's bytes are `content`. UnreadablePhoto if it cannot be kept."""

    def decoded(
        self,
        image: Image.Image,
        content: bytes,
        notes: list[str],
        bits: int = 8,
        deep_samples: Pixels | None = None,
        **own: Any,
    ) -> Photo:
        """The photo of an opened image; `own` are the fields that its format says in a way of its own.

        `deep_samples` are those of a photo with more bits than Pillow would keep, None of others.
        """
        orientation = orientation_to_apply(image, content)
        exif, xmp = image.info.get("exif"), image.info.pop("xmp", None)
        if exif:
            exif = make_upright(exif.removeprefix(EXIF_HEAD), TURNS[orientation].transpose)
        fields: dict[str, Any] = {
            "exif": exif or None,
            "icc": image.info.get("icc_profile") or None,
            "xmp": upright_xmp(xmp),
            "dpi": resolution_of(image),
            "exif_orientation": orientation,
        } | own
        samples = samples_of(image) if deep_samples is None else deep_samples
        pixels_HW3, alpha_HW, fields["grey"] = split_samples(upright(samples, orientation))
        few = FewColours.of(image, orientation, bits)
        fields["notes"] = (*notes, *note_on_bits(bits, few))
        return Photo(pixels_HW3=pixels_HW3, alpha_HW=alpha_HW, container=self.name, few=few, **fields)

    def check_can_hold(self, photo: Photo) -> None:  # noqa: B027  # most hold all
        """ValueError if its files cannot hold anything else of a photo, beside its sides and bits."""

    def loss(self, photo: Photo) -> str | None:
        """The way in which writing changes every pixel, such as "HEIC with lossy compression"; None if it does not."""
        is_lossy_again = photo.container == self.name and not photo.compression.get("lossless", True)
        return f"{self.title} with lossy compression" if self.is_lossy or is_lossy_again else None

    def note_elsewhere(self, photo: Photo, container: str) -> str | None:
        """A note on what its file says of the photo, and one of another format does not."""
        return None

    @abstractmethod
    def write(self, photo: Photo, pixels_HW3: Pixels) -> bytes:
        """The bytes of a file of a photo that it can hold, with these pixels."""


def resolution_of(image: Image.Image) -> tuple[float, float] | None:
    """Dots per inch across and down, if the file says what can be: a JPEG holds no more than 65535."""
    dpi = image.info.get("dpi")
    with suppress(TypeError):  # they may be texts
        return dpi if dpi and all(0 < one < 65536 for one in dpi) else None
    return None


def samples_of(image: Image.Image) -> Pixels:
    """The samples of an opened image as Pillow gives them, (height, width) or (height, width, 2 to 4)."""
    transparent, mode = "transparency" in image.info, image.mode
    if mode == "P" or (mode in ("1", "L", "RGB") and transparent):
        mode = ("LA" if mode in ("1", "L") else "RGBA") if transparent else "RGB"
    elif mode == "1":
        mode = "L"
    elif mode not in ("L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I;16L"):
        raise UnreadablePhoto(f"its colours are {mode}, and they would not be kept; convert it to RGB or grey first")
    with decoding():
        samples = np.asarray(image if mode == image.mode else image.convert(mode))
    return samples.astype(samples.dtype.newbyteorder("="), copy=False)


def split_samples(samples: Pixels) -> tuple[Pixels, Pixels | None, bool]:
    """RGB, alpha if there is one, and True if the photo is grey, of an image file's samples."""
    channels = samples.shape[2] if samples.ndim == 3 else 1
    grey, alpha_HW = channels in (1, 2), None
    if channels in (2, 4):
        alpha_HW, samples = np.ascontiguousarray(samples[..., -1]), samples[..., :-1]
    if grey:
        samples = np.repeat(samples.reshape(*samples.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(samples), alpha_HW, grey


def deep_colours(content: bytes, named: str, size: tuple[int, int] | None = None) -> Pixels:
    """Colours of 16 bits per sample, of which Pillow would keep 8, by OpenCV: RGB, or with alpha.

    UnreadablePhoto if they cannot be decoded, or not in this (height, width).
    """
    with decoding():
        samples = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16 or samples.ndim != 3 or (size and samples.shape[:2] != size):
        raise UnreadablePhoto(f"{named} cannot be decoded")
    return cv2.cvtColor(samples, cv2.COLOR_BGRA2RGBA if samples.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def saved(picture: Image.Image | Pixels, name: str, **options: Any) -> bytes:
    """The file that Pillow writes of an image, or of samples with 1 to 4 channels, in the format of this name."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    file = BytesIO()
    picture.save(file, name, **options)
    return file.getvalue()
