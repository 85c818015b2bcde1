"""Photos of one bit per pixel, or with a palette: a fax page, a sprite. They come back so, in their own colours."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.orientation import upright

AT_A_TIME = 4096
"""Colours that are compared with the palette's at a time."""


class FewColours(NamedTuple):
    """The indices and colours of such a photo, upright."""

    indices_HW: NDArray[np.uint8]
    palette_K4: NDArray[np.uint8]
    """RGBA of each index."""
    bits: int
    """Of an index in the file."""

    @classmethod
    def of(cls, image: Image.Image, orientation: int, bits: int) -> Self | None:
        """That of a decoded image, whose file has indices of so many bits; None if it has other samples."""
        if image.mode not in ("1", "P") or (image.mode == "1" and "transparency" in image.info):
            return None
        indices_HW = np.ascontiguousarray(upright(np.asarray(image).astype(np.uint8), orientation))
        return cls(indices_HW, palette_of(image), 1 if image.mode == "1" else bits)

    def drawn_with(self, samples_HW4: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The indices of these colours: the photo's own where they are the photo's, else the nearest that it has."""
        indices_HW = self.indices_HW.copy()
        changed_HW = (self.palette_K4[indices_HW] != samples_HW4).any(2)
        used_U = np.unique(indices_HW)
        colours_U4 = premultiplied(self.palette_K4[used_U])
        wanted_N4, which_P = np.unique(samples_HW4[changed_HW], axis=0, return_inverse=True)
        nearest_N = np.zeros(len(wanted_N4), np.uint8)
        for start in range(0, len(wanted_N4), AT_A_TIME):
            part_P4 = premultiplied(wanted_N4[start : start + AT_A_TIME])
            distance_PU = ((part_P4[:, None] - colours_U4) ** 2).sum(2)
            nearest_N[start : start + AT_A_TIME] = used_U[distance_PU.argmin(1)]
        indices_HW[changed_HW] = nearest_N[which_P.ravel()]
        return indices_HW

    def image(self, pixels_HW3: NDArray[np.uint8], alpha_HW: NDArray[np.uint8] | None) -> Image.Image:
        """Pillow's image of the nearest colours: of one bit, or with the palette."""
        alpha_HW = np.full(pixels_HW3.shape[:2], 255, np.uint8) if alpha_HW is None else alpha_HW
        indices_HW = self.drawn_with(np.dstack((pixels_HW3, alpha_HW)))
        if self.bits == 1 and np.array_equal(self.palette_K4, [[0, 0, 0, 255], [255, 255, 255, 255]]):
            return Image.fromarray(indices_HW.astype(np.bool_))
        image = Image.fromarray(indices_HW, "P")
        image.putpalette(self.palette_K4[:, :3].tobytes())
        return image


def palette_of(image: Image.Image) -> NDArray[np.uint8]:
    """RGBA of each index that may occur in an image with a palette or of one bit."""
    if image.mode == "1":
        return np.array([[0, 0, 0, 255], [255, 255, 255, 255]], np.uint8)
    palette_K4 = np.full((256, 4), 255, np.uint8)
    colours_K3 = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    palette_K4[:, :3] = 0
    palette_K4[: len(colours_K3), :3] = colours_K3
    transparency = image.info.get("transparency")
    if isinstance(transparency, bytes):
        palette_K4[: len(transparency), 3] = np.frombuffer(transparency, np.uint8)
    elif transparency is not None:
        palette_K4[transparency, 3] = 0
    largest = max(len(colours_K3) - 1, int(np.asarray(image).max(initial=0)))
    return palette_K4[: largest + 1]


def premultiplied(colours_N4: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Colours by what is seen of them: how transparent ones would differ does not count."""
    values_N4 = colours_N4.astype(np.float32)
    values_N4[:, :3] *= values_N4[:, 3:] / 255
    return values_N4


def note_on_bits(bits: int, few: FewColours | None) -> list[str]:
    """A note on a file of fewer bits per sample than the result will have."""
    return [f"the file has {bits} bit(s) per sample, and the result has 8"] if bits < 8 and not few else []
