"""Holes for training and evaluation: rectangles and strokes, each a function of (seed, stream, sample number).

Nothing here has a state, so a resume and any number of ranks draw the same holes for the same samples.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from data.randomness import Bits, integers, key_of, random_bits

_DRAWS_OF_PHOTO = 4  # kind, number of rectangles or strokes, the region's y and x
_DRAWS_OF_BOX = 4  # height, width, y, x
_DRAWS_OF_STROKE = 18  # thickness, number of points, y and x of up to 8 points
_STROKE_POINTS = (4, 8)


@dataclass(frozen=True, kw_only=True, slots=True)
class HoleConfig:
    """The shapes of holes. The defaults are the paper's: one rectangle with sides of 96 to 128 pixels."""

    kind: Literal["box", "freeform", "mixed"] = "box"
    """Rectangles, free-form strokes, or for each photo one of the two by chance."""

    size: tuple[int, int] = (96, 128)
    """Smallest and largest side of a rectangle, in pixels, both inclusive."""

    count: tuple[int, int] = (1, 1)
    """Fewest and most rectangles (or strokes) in one photo, both inclusive; they may overlap."""

    region: int = 128
    """Side of the square local region, in pixels: the photo's holes lie in it, and the local discriminator sees it."""

    def __post_init__(self) -> None:
        if self.kind not in ("box", "freeform", "mixed"):
            raise ValueError(f"kind is {self.kind!r}: use box, freeform or mixed")
        if not 1 <= self.size[0] <= self.size[1] <= self.region:
            raise ValueError(
                f"hole size {self.size} does not fit the region of {self.region}: 1 <= least <= most <= region"
            )
        if not 1 <= self.count[0] <= self.count[1]:
            raise ValueError(f"hole count {self.count}: it takes 1 <= least <= most")


class Holes(NamedTuple):
    """The holes of N samples."""

    mask_N1HW: Tensor
    """bool, True in the holes."""
    centres_N2: Tensor
    """int64 (y, x): the local region is region//2 pixels before each centre to region//2 after, inside the image."""


def draw_holes(config: HoleConfig, seed: int, stream: int, ids_N: Tensor | ArrayLike, side: int) -> Holes:
    """The holes of the samples `ids_N` in images of `side` x `side` pixels.

    `stream` separates the masks that one sample needs for different purposes (M_c and M_d of the paper). Rectangles
    and strokes lie inside the local region, and the region inside the image. ValueError if the region is larger than
    the image.
    """
    region = config.region
    if region > side:
        raise ValueError(f"a local region of {region} does not fit images of {side}x{side}: make it smaller")
    ids_N = np.asarray(ids_N, np.int64)
    key, most = key_of(seed, stream), config.count[1]
    bits_ND = random_bits(key, ids_N, _DRAWS_OF_PHOTO + most * (_DRAWS_OF_BOX + _DRAWS_OF_STROKE))
    photo_ND, box_ND, stroke_ND = np.split(bits_ND, np.cumsum([_DRAWS_OF_PHOTO, most * _DRAWS_OF_BOX]), axis=1)
    freeform_N = (photo_ND[:, 0] & np.uint64(1)).astype(bool) if config.kind == "mixed" else config.kind == "freeform"
    count_N = integers(photo_ND[:, 1], *config.count).tolist()
    corner_N2 = integers(photo_ND[:, 2:4], 0, side - region)

    mask_NHW = np.zeros((len(ids_N), side, side), np.uint8)
    region_NPP = [
        mask_NHW[n, top : top + region, left : left + region] for n, (top, left) in enumerate(corner_N2.tolist())
    ]
    if config.kind != "freeform":
        box_NK4 = _boxes(box_ND.reshape(-1, most, _DRAWS_OF_BOX), config)
        for n in np.flatnonzero(~np.broadcast_to(freeform_N, len(ids_N))):
            for y, x, h, w in box_NK4[n, : count_N[n]].tolist():
                region_NPP[n][y : y + h, x : x + w] = 1
    if config.kind != "box":
        stroke_NKD = stroke_ND.reshape(-1, most, _DRAWS_OF_STROKE)
        for n in np.flatnonzero(np.broadcast_to(freeform_N, len(ids_N))):
            for stroke_D in stroke_NKD[n, : count_N[n]]:
                _draw_stroke(region_NPP[n], stroke_D)
    return Holes(torch.from_numpy(mask_NHW[:, None].view(bool)), torch.from_numpy(corner_N2 + region // 2))


def _boxes(bits_NK4: Bits, config: HoleConfig) -> NDArray[np.int64]:
    """(y, x, height, width) of each rectangle, relative to the local region."""
    side_NK2 = integers(bits_NK4[..., :2], *config.size)
    corner_NK2 = integers(bits_NK4[..., 2:], 0, config.region - side_NK2)
    return np.concatenate([corner_NK2, side_NK2], axis=-1)


def _draw_stroke(region_PP: NDArray[np.uint8], bits_D: Bits) -> None:
    """One stroke of a round brush through random points, wholly inside the region."""
    side = len(region_PP)
    thickness = int(integers(bits_D[0], max(1, side // 10), max(1, side // 5)))
    margin = thickness // 2 + 1
    points_K2 = integers(bits_D[2:], min(margin, side // 2), max(side // 2, side - 1 - margin)).reshape(-1, 1, 2)
    count = int(integers(bits_D[1], *_STROKE_POINTS))
    cv2.polylines(region_PP, [points_K2[:count].astype(np.int32)], isClosed=False, color=1, thickness=thickness)
