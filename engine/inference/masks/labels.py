"""Label maps: masks of a few flat colours or numbers, one for each object or kind of thing, as annotation tools write.

Everything but the ground is a hole, or the labels that are asked for: in the usual palette the first label is a dark
red and the fourth a dark blue, of which a threshold on brightness takes some and leaves others.
"""

from typing import Any, NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.inference.holes.mask import Mask

FEW = 64
"""Labels that a map of 8 bits, or of colours, may have; more are the steps of a soft brush."""

MANY = 4096
"""Those that a map of 16 bits may have, or one that is asked for labels: instances are numbered."""

FLAT = 3 / 4
"""The share of a map's pixels that are as all eight around them. Photos reduced to 16 colours have 0.27 to 0.59."""

SAMPLES = 2**16
"""Pixels that are looked at first, for whether there are few values."""

GREY = 1 + (1 << 8) + (1 << 16)
"""A colour's code is this many times its value where it is grey."""


class LabelMap(NamedTuple):
    """A number for each pixel, which of these is the ground, and what the others are called."""

    codes_HW: NDArray[Any]
    ground: int
    names: dict[int, str]
    """Of all values: numbers, or colours as RRGGBB."""

    @classmethod
    def of(cls, image: Image.Image, asked: bool) -> Self | None:
        """The label map in a decoded image; None if it is none, as a mask in black and white.

        `asked`: labels are asked for by name, so that there must be some, whatever the picture looks like.
        """
        codes_HW = codes_of(image)
        if codes_HW is None:
            return None
        values = few_values(codes_HW, MANY if asked or image.mode.startswith("I") else FEW)
        if values is None or len(values) < 2:
            return None
        colours = {value: colour_of(image, value) for value in values}
        all_grey = all(colour % GREY == 0 for colour in colours.values())
        if not asked and ((all_grey and len(values) == 2) or not is_flat(codes_HW, len(values))):
            return None
        if image.mode != "RGB":
            names = {value: str(value) for value in values}
        else:
            names = {value: str(value // GREY) if all_grey else f"{value:06X}" for value in values}
        return cls(codes_HW, ground_of(codes_HW, colours), names)

    def choose(self, wanted: tuple[str, ...]) -> tuple[Mask, str]:
        """Where the wanted labels are (all but the ground, if none is named), and a note that says so.

        ValueError if one is not there.
        """
        named = {name.upper(): value for value, name in self.names.items()}
        unknown = [name for name in wanted if name.upper() not in named]
        if unknown:
            raise ValueError(
                f"it has no label {', '.join(unknown)}; its labels are {listed(list(self.names.values()))} (--label)"
            )
        chosen = [named[name.upper()] for name in wanted] or [value for value in self.names if value != self.ground]
        mask_HW = np.isin(self.codes_HW, chosen)
        objects = sum(count_objects(self.codes_HW == value) for value in chosen[:FEW])
        more = " and more" if len(chosen) > FEW else ""
        what = listed([self.names[value] for value in chosen])
        return (
            mask_HW,
            f"the mask is a label map: {objects} object(s){more} of {len(chosen)} label(s) are taken, {what}",
        )


def codes_of(image: Image.Image) -> NDArray[Any] | None:
    """An unsigned number for each pixel, of at most 24 bits: its index, its grey, or its three colours in one.

    None for kinds of pictures that no label map is.
    """
    if image.mode == "RGB":
        codes_HW3 = np.asarray(image).astype(np.uint32)
        return codes_HW3[..., 0] << 16 | codes_HW3[..., 1] << 8 | codes_HW3[..., 2]
    if image.mode in ("1", "L", "P"):
        return np.asarray(image).astype(np.uint8, copy=False)
    if not image.mode.startswith("I"):
        return None
    samples = np.asarray(image)
    if samples.size and not 0 <= samples.min() <= samples.max() < 2**24:
        return None
    return samples.astype(np.uint16 if samples.max() < 2**16 else np.uint32)


def colour_of(image: Image.Image, code: int) -> int:
    """The colour, as a code, that a pixel of this code is seen in; of a number that is no colour, grey."""
    if image.mode == "P":
        palette = image.getpalette("RGB") or []
        red, green, blue = (*palette[3 * code : 3 * code + 3], 0, 0, 0)[:3]
        return red << 16 | green << 8 | blue
    return code if image.mode == "RGB" else code * GREY


def few_values(codes_HW: NDArray[Any], most: int) -> list[int] | None:
    """The values there are, in ascending order, or None if there are more than `most`."""
    codes_P = codes_HW.ravel()
    values = np.unique(codes_P[:: codes_P.size // SAMPLES + 1])
    if len(values) > most:
        return None
    is_known = np.zeros(2**24, np.bool_)
    is_known[values] = True
    others = codes_P[~is_known[codes_P]]
    if others.size > codes_P.size // 16:
        return None
    values = np.union1d(values, others)
    return [int(value) for value in values] if len(values) <= most else None


def is_flat(codes_HW: NDArray[Any], count: int) -> bool:
    """True if the pixels, of so many values, lie in areas of one each, and are no soft edges between such areas."""
    if codes_HW.dtype == np.uint32:
        codes_HW = codes_HW.astype(np.float32)  # which OpenCV knows, and which holds 24 bits
    square = np.ones((3, 3), np.uint8)
    inside_HW = cv2.erode(codes_HW, square) == cv2.dilate(codes_HW, square)
    return bool(inside_HW.mean() >= FLAT) and len(np.unique(codes_HW[inside_HW])) > count / 2


def ground_of(codes_HW: NDArray[Any], colours: dict[int, int]) -> int:
    """The value that is seen as black, the first of several; else the one that most pixels have."""
    black = [value for value, colour in colours.items() if colour == 0]
    if black:
        return black[0]
    return max(colours, key=lambda value: np.count_nonzero(codes_HW == value))


def count_objects(mask_HW: Mask) -> int:
    """Its connected regions."""
    return cv2.connectedComponents(mask_HW.view(np.uint8), connectivity=8)[0] - 1


def listed(names: list[str]) -> str:
    """Names for people, of many only the first ones."""
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
