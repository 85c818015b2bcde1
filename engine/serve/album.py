"""The photos that pages work on, in memory: decoded once, with what was completed in them."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from data.sidecars import COMPLETED
from engine.inference.alpha import Layers
from engine.inference.folders.pictures import png_of
from engine.inference.holes.mask import Box, Mask, Where, bounding_box
from engine.inference.masks.selection import select_thing
from engine.inference.photos.formats.codec import saved
from engine.inference.photos.formats.png import profile_chunks, with_metadata
from engine.inference.photos.formats.registry import CODECS, CONTAINERS
from engine.inference.photos.photo import Photo
from engine.inference.photos.writing import encode
from engine.inference.pixels import Pixels, in_8_bits

MEDIA_TYPES = {container: codec.media_type for container, codec in CODECS.items()}


@dataclass(frozen=True, slots=True)
class Completed:
    """One completion: the box of the photo that it may have changed."""

    onto: int
    """The completion that it was made on, counted from 1; 0 is the photo itself."""
    where: Where
    pixels_HW3: Pixels
    """All of the box afterwards."""
    changed_HW: NDArray[np.bool_]
    alpha_HW: Pixels | None = None
    """All of the box's alpha afterwards, where that was completed, too."""

    @property
    def nbytes(self) -> int:
        """Of memory that it takes."""
        alpha = 0 if self.alpha_HW is None else self.alpha_HW.nbytes
        return self.pixels_HW3.nbytes + self.changed_HW.nbytes + alpha


def changes(before: Layers, after: Layers, mask_HW: Mask, reach: int, onto: int) -> Completed:
    """The pixels that a completion has changed, and where it may have: `reach` pixels around the mask at most."""
    where = bounding_box(mask_HW, reach)
    changed_HW = (before.pixels_HW3[where] != after.pixels_HW3[where]).any(2)
    alpha_HW = None
    if before.alpha_HW is not None and after.alpha_HW is not None and after.alpha_HW is not before.alpha_HW:
        alpha_HW = after.alpha_HW[where].copy()
    return Completed(onto, where, after.pixels_HW3[where].copy(), changed_HW, alpha_HW)


@dataclass(slots=True)
class KeptPhoto:
    """A photo and its completions."""

    photo: Photo
    name: str
    """The file's, without folders."""
    completions: list[Completed] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width, _ = self.photo.pixels_HW3.shape
        return height, width

    @property
    def nbytes(self) -> int:
        """Of memory that it takes."""
        alpha = 0 if self.photo.alpha_HW is None else self.photo.alpha_HW.nbytes
        indices = 0 if self.photo.few is None else self.photo.few.indices_HW.nbytes
        boxes = sum(completed.nbytes for completed in self.completions)
        return self.photo.pixels_HW3.nbytes + alpha + len(self.photo.file) + indices + boxes

    def completed(self, number: int) -> Completed:
        """The completion of this number. ValueError if there is none."""
        if not 1 <= number <= len(self.completions):
            raise ValueError(f"there is no completion {number} of this photo; it has {len(self.completions)}")
        return self.completions[number - 1]

    def after(self, number: int) -> Layers:
        """The photo after this completion and those that it was made on. Of 0 its own pixels: not to be changed."""
        photo = self.photo
        if number == 0:
            return Layers(photo.pixels_HW3, photo.alpha_HW)  # no copy: of 24 megapixels, one takes 40 ms
        chain = []
        while number:
            chain.append(self.completed(number))
            number = chain[-1].onto
        pixels_HW3, alpha_HW = photo.pixels_HW3.copy(), None if photo.alpha_HW is None else photo.alpha_HW.copy()
        for completed in reversed(chain):
            pixels_HW3[completed.where] = completed.pixels_HW3
            if alpha_HW is not None and completed.alpha_HW is not None:
                alpha_HW[completed.where] = completed.alpha_HW
        return Layers(pixels_HW3, alpha_HW)

    def file_after(self, number: int) -> bytes:
        """The photo's file after this completion: what engine-infer writes."""
        pixels_HW3, alpha_HW = self.after(number)
        return encode(replace(self.photo, alpha_HW=alpha_HW), pixels_HW3, self.photo.container)

    def picture_of(self, number: int, deep: bool = False) -> bytes:
        """The pixels that this completion changed, as a PNG of its box, transparent elsewhere; where it completed
        alpha, too, all of the box. It has 8 bits, or if `deep` those of the photo."""
        completed = self.completed(number)
        pixels_HW3, alpha_HW = completed.pixels_HW3, completed.alpha_HW
        if alpha_HW is None:
            photo_alpha_HW = self.after(number).alpha_HW
            opaque = np.iinfo(pixels_HW3.dtype).max if photo_alpha_HW is None else photo_alpha_HW[completed.where]
            alpha_HW = np.where(completed.changed_HW, opaque, 0).astype(pixels_HW3.dtype)
        samples_HW4 = np.dstack((pixels_HW3, alpha_HW))
        return png(samples_HW4 if deep else in_8_bits(samples_HW4), self.photo.icc)

    def thing_in(self, box: Box, number: int, outlined_HW: Mask | None = None) -> bytes:
        """The mask of a box, white where the thing in it is in the photo after this completion, as a PNG of the box.

        `outlined_HW` and ValueError as `select_thing`.
        """
        named = f"the {'box' if outlined_HW is None else 'outline'} {','.join(map(str, box))}"
        return png_of(select_thing(self.after(number).pixels_HW3, box, named, outlined_HW), bilevel=True)

    def preview(self) -> bytes:
        """The photo as a PNG in 8 bits, for browsers that cannot show its file."""
        samples_HW3 = in_8_bits(self.photo.pixels_HW3)
        alpha_HW = self.photo.alpha_HW
        return png(samples_HW3 if alpha_HW is None else np.dstack((samples_HW3, in_8_bits(alpha_HW))), self.photo.icc)


def png(samples_HWC: Pixels, icc: bytes | None) -> bytes:
    """A PNG that is made fast, in the colours of this profile. Of 16 bits, with three colours and alpha."""
    if samples_HWC.dtype == np.uint16:  # which Pillow has not
        encoded = cv2.imencode(".png", cv2.cvtColor(samples_HWC, cv2.COLOR_RGBA2BGRA))[1].tobytes()
        return with_metadata(encoded, profile_chunks(icc))
    return saved(samples_HWC, "PNG", compress_level=1, icc_profile=icc)


def result_name(name: str, container: str) -> str:
    """The name of a completed photo's file: as engine-infer gives it, with an ending that is true."""
    path = PurePosixPath(name)
    suffix = path.suffix if CONTAINERS.get(path.suffix.lower()) == container else CODECS[container].endings[0]
    return f"{path.stem}{COMPLETED}{suffix}"


def safe_name(name: str) -> str:
    """The last part of a file's name as a client gives it, for messages and for the name of its result."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[-100:] or "photo"


class Album:
    """The photos that are kept, up to `limit` bytes: those that were not used for longest are dropped first."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.photos: OrderedDict[str, KeptPhoto] = OrderedDict()

    def add(self, kept: KeptPhoto) -> str:
        """Keep a photo; the name by which it is found, which nobody can guess."""
        name = secrets.token_urlsafe(16)
        self.photos[name] = kept
        self.make_room()
        return name

    def get(self, name: str) -> KeptPhoto:
        """A photo. LookupError if it is not kept, or not any more."""
        self.photos.move_to_end(name)
        return self.photos[name]

    def drop(self, name: str) -> None:
        """Forget a photo, if it is there."""
        self.photos.pop(name, None)

    def make_room(self) -> None:
        """Drop photos until the others fit; the newest stays, whatever its size."""
        taken = sum(kept.nbytes for kept in self.photos.values())
        while taken > self.limit and len(self.photos) > 1:
            taken -= self.photos.popitem(last=False)[1].nbytes
