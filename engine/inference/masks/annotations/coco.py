"""COCO's JSON: pictures, categories, and annotations as polygons, plain or compressed RLE, or boxes."""

from functools import partial
from typing import Any

import numpy as np

from engine.inference.holes.mask import Mask
from engine.inference.masks.annotations import fields
from engine.inference.masks.annotations.drawing import fill_polygon, runs
from engine.inference.masks.annotations.fields import field
from engine.inference.masks.annotations.picture import Draw, Picture


def is_coco(document: Any) -> bool:
    """True if a JSON document is a data set of COCO's."""
    return isinstance(document, dict) and {"images", "annotations"} <= document.keys()


def read(document: Any) -> list[Picture]:
    """The pictures of a data set. ValueError if it is not as COCO has it."""
    names = {
        str(category.get("id")): str(category.get("name", category.get("id")))
        for category in objects(document.get("categories", []), "categories")
    }
    pictures = {
        str(image.get("id")): Picture(field(image, "file_name", str), fields.size_of(image))
        for image in objects(document["images"], "images")
    }
    for annotation in objects(document["annotations"], "annotations"):
        picture = pictures.get(str(annotation.get("image_id")))
        if picture is None:
            raise ValueError(f"an annotation of it is of the image {annotation.get('image_id')!r}, which it lacks")
        if "segments_info" in annotation:
            raise ValueError("it is COCO's panoptic kind, whose shapes are in PNGs; give the folder of these PNGs")
        category = str(annotation.get("category_id"))
        picture.add(names.get(category, category), shape_of(annotation), "annotation(s) without a shape")
    return list(pictures.values())


def objects(value: Any, name: str) -> list[dict[str, Any]]:
    """A list of objects. ValueError if it is none."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError(f"its {name!r} is {fields.shown(value)}, and should be a list of objects")
    return value


def shape_of(annotation: dict[str, Any]) -> Draw | None:
    """An annotation's shape; its box if it has no other; None if it has neither."""
    shape = annotation.get("segmentation")
    if isinstance(shape, dict):
        return partial(fill_rle, rle=shape)
    if isinstance(shape, list) and shape:
        polygons = shape if isinstance(shape[0], list) else [shape]
        return partial(fill_polygons, polygons=polygons)
    if shape:
        raise ValueError(f"its 'segmentation' is {fields.shown(shape)}, and should be polygons or an RLE")
    box = annotation.get("bbox")
    return partial(fill_polygons, polygons=[corners(box)]) if box else None


def corners(box: Any) -> list[float]:
    """The polygon [x, y, x, y, ...] of a box [x, y, width, height]."""
    if not isinstance(box, list) or len(box) != 4:
        raise ValueError(f"its 'bbox' is {fields.shown(box)}, and should be [x, y, width, height]")
    x, y, width, height = (fields.number(value, "bbox") for value in box)
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def fill_polygons(mask_HW: Mask, polygons: list[Any]) -> None:
    """Mark polygons [x, y, x, y, ...]; those of fewer than three points have no area."""
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) % 2:
            raise ValueError(f"a polygon of it is {fields.shown(polygon)}, and should be [x, y, x, y, ...]")
        values = [fields.number(value, "polygon") for value in polygon]
        if len(values) >= 6:
            fill_polygon(mask_HW, list(zip(values[::2], values[1::2], strict=True)))


def fill_rle(mask_HW: Mask, rle: dict[str, Any]) -> None:
    """Mark an RLE, of columns from the left, in COCO's plain or compressed form."""
    size = field(rle, "size", list)
    if [fields.whole(side, "RLE's size") for side in size] != list(mask_HW.shape):
        height, width = mask_HW.shape
        raise ValueError(f"an RLE of it has the size {fields.shown(size)}, and its picture has [{height}, {width}]")
    counts = rle.get("counts")
    if isinstance(counts, str):
        lengths = uncompressed(counts)
    elif isinstance(counts, list):
        lengths = [fields.whole(count, "RLE's count") for count in counts]
    else:
        raise ValueError(f"its RLE's 'counts' is {fields.shown(counts)}, and should be a list or a text")
    height, width = mask_HW.shape
    mask_HW |= runs(lengths, (height, width)).reshape(width, height).T


def uncompressed(text: str) -> list[int]:
    """The counts in COCO's compressed form: five bits a character, and from the third on differences to the one
    before the last. ValueError if it is damaged."""
    counts: list[int] = []
    value = shift = 0
    for code in np.frombuffer(text.encode(), np.uint8).tolist():
        bits = code - 48
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError("an RLE of it is damaged: it is not as COCO compresses them")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:  # more follows
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("an RLE of it is cut short")
    return counts
