"""Segment Anything's JSON: RLEs of all that it found in one photo, named by their places in the file or by their ids.

Its script writes a list of them; the data set SA-1B has a file for each photo, which says its name. The script's
folders of PNGs are joined in `jobs.py`.
"""

from functools import partial
from typing import Any

from engine.inference.masks.annotations import fields
from engine.inference.masks.annotations.coco import fill_rle, objects
from engine.inference.masks.annotations.fields import field
from engine.inference.masks.annotations.picture import Area, Picture


def is_segment_anything(document: Any) -> bool:
    """True if a JSON document is one of Segment Anything's."""
    if isinstance(document, dict):
        return {"image", "annotations"} <= document.keys()
    return isinstance(document, list) and bool(document) and is_found(document[0])


def is_found(one: Any) -> bool:
    """True if this is a thing that it found."""
    return isinstance(one, dict) and "segmentation" in one and ("predicted_iou" in one or "stability_score" in one)


def read(document: Any) -> list[Picture]:
    """The one picture of a file. ValueError if it is not as Segment Anything has it."""
    found = objects(document["annotations"] if isinstance(document, dict) else document, "annotations")
    areas = []
    for number, one in enumerate(found):
        rle = field(one, "segmentation", dict)
        areas.append(Area(str(one.get("id", number)), partial(fill_rle, rle=rle)))
    if isinstance(document, dict):
        image = field(document, "image", dict)
        return [Picture(str(image.get("file_name", "")), fields.size_of(image), areas)]
    size = [fields.whole(side, "RLE's size") for side in field(found[0]["segmentation"], "size", list)]
    if len(size) != 2:
        raise ValueError(f"an RLE of it has the size {fields.shown(size)}, and should have [height, width]")
    return [Picture("", (size[0], size[1]), areas)]
