"""The mask in a picture: by its transparency, its brightness, or the labels of a label map.

What is guessed is said in a note: that dark and bright are other values than 0 and the largest, that labels were taken,
or which of transparency and brightness was.
"""

import string
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.decoders import decoding
from engine.inference.holes.mask import Mask
from engine.inference.masks.labels import LabelMap

EDGE = 1 / 16
"""A mask's values are near its least one, or near its largest one, within this share of what lies between these."""

MOST_BETWEEN = 3 / 4
"""The share of a mask's pixels that may be near neither. Of 200 photos 181 have more (the median: 0.93). A soft brush
or a blur leaves 0.1 to 0.2, and 0.7 if it is as wide as the picture."""

SMALL = 64
"""Masks with a side below this may be all edge, as the box of a dot painted on a page is."""

FAINT = 1 / 8
"""The least share of the range between dark and bright, but for two numbers of which one is 0."""

CUT_OUT = 3 / 4
"""The share of a picture that an object cut out of it has at most; more is a photo with something erased."""

SINGLE, SPECKS = 1 / 2, 16
"""The share of a hole's pixels that may have no other beside them, where there are at least so many of these."""

NEAR_COLOUR = 48
"""Levels of 255 by which a pixel's channels may differ from the colour of the brush."""

NOISE = 1 / 8
"""The share of a mask's pixels that are other than most of the nine around them, from which on it is noise."""


class MaskOptions(NamedTuple):
    """Options of reading masks."""

    threshold: float | None = None
    """Share of the largest value that the picture could hold (unless all are 0 and 1) from which on it means a hole.
    None: half of that; if the mask's own values all lie around another one, the middle between these."""
    invert: bool = False
    """Complete what would be no hole."""
    colour: str | None = None
    """The colour of the brush that the holes are painted with, as RRGGBB."""
    resize: bool = False
    """Scale a mask of another size to the photo's."""
    labels: tuple[str, ...] = ()
    """Of a label map, those that are holes, by number or by colour as RRGGBB; none: all but the ground. Of annotations,
    those of these categories; of a document of layers, this layer or selection."""


AS_IT_LOOKS = MaskOptions()


def mask_in(image: Image.Image, options: MaskOptions, notes: list[str]) -> Mask:
    """The mask in an opened image, as it is stored; see `read_mask`."""
    image.info.pop("xmp", None)  # by which, too, Pillow would turn a TIFF upright, while it loads
    with decoding():
        image.load()
    if options.colour is not None:
        mask_HW = by_colour(image, options.colour)
        return ~mask_HW if options.invert else mask_HW
    if not options.labels or image.mode != "P":
        image = by_alpha_or_colours(image, notes)
    # A given threshold overrules the guess that this is a label map, and labels that are asked for any other.
    labels = LabelMap.of(image, bool(options.labels)) if options.threshold is None or options.labels else None
    if options.labels and labels is None:
        raise ValueError("it has no labels to choose from (--label): it is no picture of a few flat colours or numbers")
    if labels:
        mask_HW, note = labels.choose(options.labels)
        notes.append(note + ("" if options.labels else " (--label chooses, or --mask-threshold by brightness)"))
    else:
        mask_HW = by_brightness(image, options.threshold, notes)
    return ~mask_HW if options.invert else mask_HW


def by_colour(image: Image.Image, colour: str) -> Mask:
    """The pixels that are seen in a colour, or nearly: JPEG's colours and soft edges are near it.

    ValueError if no pixel is.
    """
    wanted = np.array(parse_colour(colour), np.int16)
    values_HW4 = np.asarray(image.convert("RGBA")).astype(np.int16)
    apart_HW = np.abs(values_HW4[..., :3] - wanted).max(2)
    apart_HW[values_HW4[..., 3] < 128] = 255
    if apart_HW.min() > NEAR_COLOUR:
        raise ValueError(
            f"no pixel of it has a colour within {NEAR_COLOUR} levels of {colour} (--mask-colour); "
            f"the nearest is {int(apart_HW.min())} away"
        )
    return apart_HW <= NEAR_COLOUR


def parse_colour(text: str) -> tuple[int, int, int]:
    """Red, green and blue of RRGGBB. ValueError if it is none."""
    digits = text.removeprefix("#")
    if len(digits) != 6 or any(digit not in string.hexdigits for digit in digits):
        raise ValueError(f"--mask-colour is {text!r}; it must be RRGGBB, such as FF0000 for red")
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def by_brightness(image: Image.Image, threshold: float | None, notes: list[str]) -> Mask:
    """The bright pixels. ValueError if there are none, or unless a threshold is given all is something between."""
    values_HW, scale = mask_values(image)
    low, high = float(values_HW.min()), float(values_HW.max())
    between_HW = cv2.inRange(values_HW, low + EDGE * (high - low), high - EDGE * (high - low))
    between = np.count_nonzero(between_HW) / between_HW.size
    small = min(values_HW.shape) < SMALL
    if threshold is None and low < high and between > MOST_BETWEEN and not small:
        raise ValueError(
            f"{between:.0%} of it is neither dark nor bright and in a mask at most {MOST_BETWEEN:.0%} may be; "
            "is it a photo? Paint the hole white on black, or say in which colour it is painted (--mask-colour FF0000) "
            "or from which brightness on it counts (--mask-threshold 0.5)"
        )
    if threshold is None:
        only_two = between == 0 and is_two_values(values_HW, low, high)
        # A small box of a soft brush's stroke may have neither what is dark nor what is bright; and half of what could
        # be is as good as half of what is there where that lies around it.
        relative = low < high and (only_two or (not small and abs(0.5 - (low + high) / 2) > (high - low) / 4))
        faint = high - low < FAINT and not (only_two and low == 0)
        if faint and (low > 0 or high == 0) and high < 0.5:  # black as video has it, with a bit of noise
            return np.zeros(values_HW.shape, np.bool_)
        relative = relative and not faint and (low > EDGE or high < 1 - EDGE)
        threshold = (low + high) / 2 if relative else 0.5
        check_no_noise(values_HW >= threshold)
        if relative:
            notes.append(
                f"the mask's values are {low * scale:g} to {high * scale:g} of {scale}: "
                f"those from {threshold * scale:g} on are taken as bright (--mask-threshold)"
            )
    if 0 < high < threshold:
        raise ValueError(
            f"its largest value is {high * scale:g} of {scale}, and a hole begins at {threshold * scale:g} "
            "(--mask-threshold): make the hole white"
        )
    return values_HW >= threshold


def is_two_values(values_HW: NDArray[np.float32], low: float, high: float) -> bool:
    """True if there are no others than these two, each in areas of its own."""
    if not ((values_HW == low) | (values_HW == high)).all():
        return False
    bright_HW = (values_HW == high).astype(np.uint8)
    square = np.ones((2, 2), np.uint8)
    areas = (
        cv2.erode(one_HW, square, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        for one_HW in (bright_HW, 1 - bright_HW)
    )
    return all(area_HW.any() for area_HW in areas)


def check_no_noise(mask_HW: Mask) -> None:
    """ValueError if the mask is scattered pixels and no areas, as of a photo that was reduced to two values."""
    bright_HW = mask_HW.astype(np.uint8)
    count = int(np.count_nonzero(bright_HW))
    if count < SPECKS:
        return
    around_HW = cv2.filter2D(bright_HW, -1, np.ones((3, 3), np.float32), borderType=cv2.BORDER_CONSTANT)
    single = np.count_nonzero(mask_HW & (around_HW == 1))
    odd = np.count_nonzero(cv2.medianBlur(bright_HW, 3) != bright_HW)
    if single > SINGLE * count or (odd > NOISE * mask_HW.size and min(mask_HW.shape) >= SMALL):
        raise ValueError(
            f"its {count} bright pixels are scattered and form no areas; is it a photo in black and white, or noise? "
            "Paint the hole white on black, or give --mask-threshold to take it as it is"
        )


def by_alpha_or_colours(image: Image.Image, notes: list[str]) -> Image.Image:
    """The part of a picture that is the mask: its alpha, its colours with what is not seen as black, or it itself.

    The alpha decides where it varies, as in an object that is cut out. But black and white that are seen are the mask
    themselves, and a photo of which something was erased is no mask at all, which its colours tell.
    """
    if image.mode == "PA" or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode not in ("LA", "RGBA", "La", "RGBa"):
        return image
    values = np.asarray(image)
    colours, alpha_HW = values[..., :-1], values[..., -1]
    seen_HW = alpha_HW > 0
    shown = Image.fromarray(np.squeeze(colours * seen_HW[..., None]))
    if alpha_HW.min() == alpha_HW.max():
        return shown
    seen_P = colours[seen_HW]
    if np.array_equal(seen_P.min(0), seen_P.max(0)):
        return Image.fromarray(alpha_HW)
    bright_P = seen_P.max(1)
    dark_or_bright = (bright_P < EDGE * 255) | (bright_P > (1 - EDGE) * 255)
    in_black_and_white = dark_or_bright.all() and bright_P.min() < 128 <= bright_P.max()
    if in_black_and_white or np.count_nonzero(alpha_HW >= 128) > CUT_OUT * alpha_HW.size:
        notes.append("the mask has both transparency and brightness that vary: what is bright in it was taken")
        return shown
    notes.append("the mask has both transparency and brightness that vary: what is opaque in it was taken")
    return Image.fromarray(alpha_HW)


def mask_values(image: Image.Image) -> tuple[NDArray[np.float32], int]:
    """The picture's brightness in [0, 1], in its brightest channel, and the picture's value that became 1."""
    if image.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        image = image.convert("RGB")
    if image.mode == "1":
        return np.asarray(image).astype(np.float32), 1
    values = np.asarray(image)
    if values.ndim == 3:
        values = values.max(2)
    largest = 65535 if image.mode.startswith("I") else 255
    if values.max() <= 1:  # what segmentation models write
        largest = 1
    return values.astype(np.float32) / np.float32(largest), largest
