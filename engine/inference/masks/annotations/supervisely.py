"""Supervisely's JSON, one file a photo: bitmaps in base64, polygons and rectangles, drawn with OpenCV as it does."""

import base64
import binascii
import zlib
from functools import partial
from typing import Any

import cv2
import numpy as np

from data.decoders import UnreadablePhoto, decoding
from data.pillow import open_image
from engine.inference.holes.mask import Mask
from engine.inference.masks.annotations import fields
from engine.inference.masks.annotations.drawing import fill_box
from engine.inference.masks.annotations.fields import field
from engine.inference.masks.annotations.labelme import check_fits, put
from engine.inference.masks.annotations.picture import Draw, Picture

MOST_BYTES = 2**28
"""Of an unpacked bitmap's PNG."""


def is_supervisely(document: Any) -> bool:
    """True if a JSON document is one of Supervisely's."""
    return isinstance(document, dict) and {"objects", "size"} <= document.keys()


def read(document: Any) -> list[Picture]:
    """The one picture of a file. ValueError if it is not as Supervisely has it."""
    picture = Picture("", fields.size_of(field(document, "size", dict)))
    for one in field(document, "objects", list):
        kind = field(one, "geometryType", str)
        picture.add(str(one.get("classTitle")), shape_of(kind, one), kind)
    return [picture]


def shape_of(kind: str, one: dict[str, Any]) -> Draw | None:
    """An object's shape; None if it is of a kind without an area."""
    if kind == "bitmap":
        bitmap = field(one, "bitmap", dict)
        left, top = fields.points_of([field(bitmap, "origin", list)])[0]
        return partial(fill_bitmap, encoded=field(bitmap, "data", str), left=int(left), top=int(top))
    if kind not in ("polygon", "rectangle"):
        return None
    points = field(one, "points", dict)
    outer = fields.points_of(field(points, "exterior", list), 3 if kind == "polygon" else 2)
    if kind == "rectangle":
        return partial(fill_box, left=outer[0][0], top=outer[0][1], right=outer[1][0], bottom=outer[1][1])
    inner = [fields.points_of(ring, 3) for ring in (field(points, "interior", list) if points.get("interior") else [])]
    return partial(fill_rings, outer=outer, inner=inner)


def fill_rings(mask_HW: Mask, outer: list[tuple[float, float]], inner: list[list[tuple[float, float]]]) -> None:
    """Mark a polygon without its holes."""
    drawn_HW = np.zeros(mask_HW.shape, np.uint8)
    cv2.fillPoly(drawn_HW, [np.rint(outer).astype(np.int32)], 1)
    for ring in inner:
        cv2.fillPoly(drawn_HW, [np.rint(ring).astype(np.int32)], 0)
    mask_HW |= drawn_HW > 0


def fill_bitmap(mask_HW: Mask, encoded: str, left: int, top: int) -> None:
    """Mark a PNG, mostly in zlib, in base64: what is opaque in it, or not 0 if it has no alpha."""
    try:
        packed = base64.b64decode(encoded, validate=True)
        content = packed
        if not packed.startswith(b"\x89PNG"):
            content = zlib.decompressobj().decompress(packed, MOST_BYTES)
        with open_image(content) as image:
            check_fits(image.size, mask_HW)
            has_alpha = "A" in image.getbands() or "transparency" in image.info
            with decoding():
                samples = np.asarray(image.convert("RGBA"))[..., 3] if has_alpha else np.asarray(image)
    except (binascii.Error, zlib.error, UnreadablePhoto) as error:
        raise ValueError(f"a bitmap of it is no PNG in base64 ({error})") from error
    put(mask_HW, (samples if samples.ndim == 2 else samples.max(2)) > 0, left, top)
