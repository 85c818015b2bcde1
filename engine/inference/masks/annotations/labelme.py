"""LabelMe's JSON, one file a photo: drawn with Pillow, as LabelMe does. It shows photos upright."""

import base64
import binascii
import math
from functools import partial
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from data.decoders import UnreadablePhoto, decoding
from data.pillow import open_image
from engine.inference.holes.mask import Mask
from engine.inference.masks.annotations import fields
from engine.inference.masks.annotations.fields import field
from engine.inference.masks.annotations.picture import Area, Picture

LINE_WIDTH, POINT_RADIUS = 10, 5
"""Pixels, as LabelMe has them when it draws lines and points as masks."""

LEAST_POINTS = {
    "circle": 2, "rectangle": 2, "line": 2, "linestrip": 2, "point": 1, "points": 1, "polygon": 3,
    "oriented_rectangle": 4, "mask": 2,
}  # fmt: skip


def is_labelme(document: Any) -> bool:
    """True if a JSON document is one of LabelMe's."""
    return isinstance(document, dict) and "shapes" in document and "imageHeight" in document


def read(document: Any) -> list[Picture]:
    """The one picture of a file. ValueError if it is not as LabelMe has it."""
    areas = []
    for shape in field(document, "shapes", list):
        kind = str(shape.get("shape_type") or "polygon") if isinstance(shape, dict) else None
        if kind not in LEAST_POINTS:
            raise ValueError(f"a shape of it is of the kind {fields.shown(kind)}; known are {', '.join(LEAST_POINTS)}")
        points = fields.points_of(field(shape, "points", list), LEAST_POINTS[kind])
        label = str(shape.get("label"))
        if kind == "mask":
            areas.append(Area(label, partial(fill_mask, points=points, encoded=field(shape, "mask", str))))
        else:
            areas.append(Area(label, partial(fill, kind=kind, points=points)))
    name = document.get("imagePath")
    return [Picture(str(name or ""), fields.size_of(document, "imageHeight", "imageWidth"), areas)]


def fill(mask_HW: Mask, kind: str, points: list[tuple[float, float]]) -> None:
    """Mark a shape."""
    image = Image.new("L", (mask_HW.shape[1], mask_HW.shape[0]))
    draw = ImageDraw.Draw(image)
    (x, y), (to_x, to_y) = points[0], points[-1]
    if kind == "circle":
        radius = math.hypot(x - to_x, y - to_y)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=1, fill=1)
    elif kind == "rectangle":
        draw.rectangle((min(x, to_x), min(y, to_y), max(x, to_x), max(y, to_y)), outline=1, fill=1)
    elif kind in ("line", "linestrip"):
        draw.line(points, fill=1, width=LINE_WIDTH)
    elif kind in ("point", "points"):
        for x, y in points:
            r = POINT_RADIUS
            draw.ellipse((x - r, y - r, x + r, y + r), outline=1, fill=1)
    else:
        draw.polygon(points, outline=1, fill=1)
    mask_HW |= np.asarray(image) > 0


def fill_mask(mask_HW: Mask, points: list[tuple[float, float]], encoded: str) -> None:
    """Mark a PNG in base64, which lies with its first pixel in the first point."""
    try:
        with open_image(base64.b64decode(encoded, validate=True)) as image:
            check_fits(image.size, mask_HW)
            with decoding():
                part_HW = np.asarray(image.convert("L")) > 0
    except (binascii.Error, UnreadablePhoto) as error:
        raise ValueError(f"a mask of it is no PNG in base64 ({error})") from error
    put(mask_HW, part_HW, int(points[0][0]), int(points[0][1]))


def check_fits(size: tuple[int, int], mask_HW: Mask) -> None:
    """ValueError if a part of a mask, of (width, height), is larger than its picture."""
    height, width = mask_HW.shape
    if size[0] > width or size[1] > height:
        raise ValueError(f"a mask of it has {size[0]}x{size[1]} pixels, and its picture has {width}x{height}")


def put(mask_HW: Mask, part_HW: Mask, left: int, top: int) -> None:
    """Mark what a part marks, whose first pixel is that in this column and row. ValueError if it lies outside."""
    if min(left, top) < 0 or top + part_HW.shape[0] > mask_HW.shape[0] or left + part_HW.shape[1] > mask_HW.shape[1]:
        raise ValueError(
            f"a mask of it, {part_HW.shape[1]}x{part_HW.shape[0]} at {left},{top}, leaves its picture, which is "
            f"{mask_HW.shape[1]}x{mask_HW.shape[0]}"
        )
    mask_HW[top : top + part_HW.shape[0], left : left + part_HW.shape[1]] |= part_HW
