"""CVAT's XML, for images and for videos: boxes, polygons, ellipses and masks. It shows photos upright."""

from functools import partial
from xml.etree.ElementTree import Element

import cv2
import numpy as np

from engine.inference.holes.mask import Mask
from engine.inference.masks.annotations import fields
from engine.inference.masks.annotations.drawing import Points, fill_box, fill_polygon, runs, turned_box
from engine.inference.masks.annotations.labelme import check_fits, put
from engine.inference.masks.annotations.picture import Draw, Picture

SHAPES = ("box", "polygon", "ellipse", "mask", "polyline", "points", "cuboid", "skeleton")


def read(root: Element) -> list[Picture]:
    """The pictures of a task: images by their names, frames of a video as frame_000012. ValueError if not CVAT's."""
    if root.tag != "annotations":
        raise ValueError(f"it is XML of the kind {root.tag!r}, and CVAT's is 'annotations' (export as CVAT 1.1)")
    pictures = [
        picture_of(image.get("name", ""), fields.size_of(dict(image.attrib)), image) for image in root.iter("image")
    ]
    tracks = list(root.iter("track"))
    if not tracks:
        return pictures
    original = root.find(".//original_size")
    if original is None:
        raise ValueError("it has tracks and no 'original_size'; export as CVAT for video 1.1")
    size = fields.size_of({side.tag: side.text for side in original})
    frames: dict[int, Picture] = {}
    for track in tracks:
        for shape in track:
            if shape.tag in SHAPES and shape.get("outside") != "1":
                frame = fields.whole(shape.get("frame"), "frame")
                picture = frames.setdefault(frame, Picture(f"frame_{frame:06d}", size))
                picture.add(track.get("label", ""), shape_of(shape), shape.tag)
    return pictures + [frames[frame] for frame in sorted(frames)]


def picture_of(name: str, size: tuple[int, int], image: Element) -> Picture:
    """An image with its shapes."""
    picture = Picture(name, size)
    for shape in image:
        if shape.tag in SHAPES:
            picture.add(shape.get("label", ""), shape_of(shape), shape.tag)
    return picture


def shape_of(shape: Element) -> Draw | None:
    """A shape to be drawn; None if it is of a kind without an area."""
    turn = fields.number(shape.get("rotation", "0"), "rotation")
    if shape.tag == "box":
        left, top, right, bottom = (fields.number(shape.get(name), name) for name in ("xtl", "ytl", "xbr", "ybr"))
        if turn:
            middle = ((left + right) / 2, (top + bottom) / 2)
            return partial(fill_polygon, points=turned_box(left, top, right - left, bottom - top, turn, middle))
        return partial(fill_box, left=left, top=top, right=right, bottom=bottom)
    if shape.tag == "polygon":
        return partial(fill_polygon, points=points_of(shape.get("points", "")))
    if shape.tag == "ellipse":
        x, y, across, down = (fields.number(shape.get(name), name) for name in ("cx", "cy", "rx", "ry"))
        return partial(
            fill_ellipse, centre=(round(x), round(y)), axes=(round(abs(across)), round(abs(down))), turn=turn
        )
    if shape.tag == "mask":
        left, top, width, height = (fields.whole(shape.get(name), name) for name in ("left", "top", "width", "height"))
        return partial(fill_mask, rle=shape.get("rle", ""), left=left, top=top, size=(height, width))
    return None


def points_of(text: str) -> Points:
    """The points of x,y;x,y. ValueError if they are none, or fewer than three."""
    return fields.points_of([pair.split(",") for pair in text.split(";")], 3)


def fill_ellipse(mask_HW: Mask, centre: tuple[int, int], axes: tuple[int, int], turn: float) -> None:
    """Mark an ellipse of whole numbers with OpenCV, as CVAT does when it exports masks."""
    drawn_HW = np.zeros(mask_HW.shape, np.uint8)
    cv2.ellipse(drawn_HW, centre, axes, turn, 0, 360, 1, -1)
    mask_HW |= drawn_HW > 0


def fill_mask(mask_HW: Mask, rle: str, left: int, top: int, size: tuple[int, int]) -> None:
    """Mark an RLE, of rows from the top, of the box in which its object lies."""
    check_fits((size[1], size[0]), mask_HW)
    counts = [fields.whole(count.strip(), "rle") for count in rle.split(",")]
    put(mask_HW, runs(counts, size).reshape(size), left, top)
