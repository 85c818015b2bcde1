"""Label Studio's JSON, in full or JSON-MIN: brushes, rectangles, polygons and ellipses, in percent of the picture.

It shows photos upright. What its COCO export makes of brushes has lost pixels and holes, so this goes by its own files.
"""

import re
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from engine.inference.holes.mask import Mask
from engine.inference.masks.annotations import fields
from engine.inference.masks.annotations.drawing import MOST_RUNS, fill_ellipse, fill_polygon, turned_box
from engine.inference.masks.annotations.fields import field, number
from engine.inference.masks.annotations.picture import UNKNOWN, Draw, Picture

UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""The prefix that it puts before the name of an uploaded file."""


def is_label_studio(document: Any) -> bool:
    """True if a JSON document is one of Label Studio's: a list of tasks, or one."""
    tasks = document if isinstance(document, list) else [document]
    return bool(tasks) and all(isinstance(task, dict) and (is_full(task) or is_short(task)) for task in tasks)


def is_full(task: dict[str, Any]) -> bool:
    """True if this is a task of the full form."""
    return isinstance(task.get("data"), dict) and ("annotations" in task or "completions" in task)


def is_short(task: dict[str, Any]) -> bool:
    """True if this is a task of JSON-MIN."""
    return "annotation_id" in task or any(results_in(value) for value in task.values())


def results_in(value: Any) -> bool:
    """True if this is a list of shapes in JSON-MIN."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and "original_width" in value[0]


def read(document: Any) -> list[Picture]:
    """The pictures of the tasks. ValueError if they are not as Label Studio has them."""
    tasks = document if isinstance(document, list) else [document]
    return [full(task) if is_full(task) else short(task) for task in tasks]


def full(task: dict[str, Any]) -> Picture:
    """A task with all that was annotated and not cancelled."""
    results = []
    name = "annotations" if task.get("annotations") else "completions"
    for annotation in field(task, name, list) if task.get(name) else []:
        if isinstance(annotation, dict) and not annotation.get("was_cancelled"):
            for result in field(annotation, "result", list):
                if isinstance(result, dict) and "original_width" in result:
                    results.append(result | field(result, "value", dict))
    return picture_of(task["data"], results)


def short(task: dict[str, Any]) -> Picture:
    """The same of JSON-MIN."""
    results = [result for value in task.values() if results_in(value) for result in value]
    return picture_of(task, results)


def picture_of(data: dict[str, Any], results: list[Any]) -> Picture:
    """A picture of these shapes; its name is the first text of `data` that ends as a file's does."""
    texts = [value for value in data.values() if isinstance(value, str)]
    name = next((text for text in texts if re.search(r"\.\w{3,5}$", file_of(text))), texts[0] if texts else "")
    if not results:
        return Picture(file_of(name), UNKNOWN)
    size = fields.size_of(results[0], "original_height", "original_width")
    picture = Picture(file_of(name), size)
    for result in results:
        if fields.size_of(result, "original_height", "original_width") != size:
            raise ValueError(f"the shapes of {file_of(name)} are of pictures of different sizes")
        if result.get("image_rotation"):
            raise ValueError(
                f"{file_of(name)} was turned by {result['image_rotation']} degrees while it was annotated, and the "
                "shapes lie in it as turned; turn it back in Label Studio"
            )
        picture.add(label_of(result), shape_of(result, size), str(result.get("type", "shape of another kind")))
    return picture


def file_of(address: str) -> str:
    """The path of a file in an address: s3://bucket/a.jpg, /data/upload/1/0a1b2c3d-a.jpg, /data/local-files/?d=a."""
    parts = urlsplit(address)
    path = parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
    folder, _, name = path.replace("\\", "/").rpartition("/")
    return f"{folder}/{UPLOADED.sub('', name)}".lstrip("/")


def label_of(result: dict[str, Any]) -> str:
    """The first of a shape's labels: brushlabels, rectanglelabels and so on; "" if it has none."""
    for name, value in result.items():
        if name.endswith("labels") and isinstance(value, list) and value:
            return str(value[0])
    return ""


def shape_of(result: dict[str, Any], size: tuple[int, int]) -> Draw | None:
    """A shape to be drawn; None if it is of a kind without an area."""
    if "rle" in result:
        return partial(fill_brush, rle=field(result, "rle", list))
    scale = np.array([size[1] / 100, size[0] / 100])
    if "points" in result:
        points = np.array(fields.points_of(result["points"], 3)) * scale
        return partial(fill_polygon, points=[(x, y) for x, y in points.tolist()])
    if "x" not in result:
        return None
    x, y = np.array([number(result["x"], "x"), number(result.get("y"), "y")]) * scale
    turn = number(result.get("rotation", 0), "rotation")
    if "radiusX" in result:
        across, down = (
            np.array([number(result["radiusX"], "radiusX"), number(result.get("radiusY"), "radiusY")]) * scale
        )
        return partial(fill_ellipse, centre=(x, y), radii=(across, down), degrees=turn)
    if "width" not in result or "height" not in result:
        return None
    width, height = np.array([number(result["width"], "width"), number(result["height"], "height")]) * scale
    return partial(fill_polygon, points=turned_box(x, y, width, height, turn, about=(x, y)))


def fill_brush(mask_HW: Mask, rle: list[Any]) -> None:
    """Mark a brush's strokes: RGBA in runs, of which alpha says where they are."""
    height, width = mask_HW.shape
    samples = unpacked(rle, 4 * height * width)
    mask_HW |= samples.reshape(height, width, 4)[..., 3] > 0


def unpacked(rle: list[Any], length: int) -> NDArray[np.uint8]:
    """The bytes of Label Studio's RLE, which must be so many. ValueError if they are not, or it is damaged.

    After a head (32 bits: how many; 5: bits of a value; four times 4: bits of a length) come runs: a bit that tells a
    repeated value from single ones, two that choose the bits of the length, the length, the value or values.
    """
    if not all(isinstance(byte, int) and 0 <= byte < 256 for byte in rle):
        raise ValueError("a brush's RLE of it is damaged: it should be bytes from 0 to 255")
    bits = (np.unpackbits(np.array(rle, np.uint8)) + 48).tobytes().decode()
    place = 0

    def take(count: int) -> int:
        nonlocal place
        place += count
        if place > len(bits):
            raise ValueError("a brush's RLE of it is cut short")
        return int(bits[place - count : place], 2)

    if take(32) != length:
        raise ValueError(f"a brush's RLE of it is of another picture: its samples should be {length}")
    value_bits = take(5) + 1
    length_bits = [take(4) + 1 for _ in range(4)]
    out = np.zeros(length, np.uint8)
    done = steps = 0
    while done < length:
        repeated = take(1)
        count = take(length_bits[take(2)]) + 1
        end = min(done + count, length)
        if repeated:
            out[done:end] = take(value_bits) & 255
        else:
            for one in range(done, end):
                out[one] = take(value_bits) & 255
        done, steps = end, steps + 1
        if steps > MOST_RUNS:
            raise ValueError(f"a brush's RLE of it has more than {MOST_RUNS} runs")
    return out
