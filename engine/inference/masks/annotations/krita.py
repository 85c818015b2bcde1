"""Krita documents: a ZIP archive with the pixels of each layer in tiles of 64x64, compressed by LZF."""

import re
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.inference.masks.annotations import fields
from engine.inference.masks.annotations.layer import Layer, Layered, is_zip_of, member

KRITA = "{http://www.calligra.org/DTD/krita}"
MASKS = {"transparencymask": "layer mask", "selectionmask": "saved selection"}
HEAD = re.compile(rb"VERSION (\d+)\nTILEWIDTH (\d+)\nTILEHEIGHT (\d+)\nPIXELSIZE (\d+)\nDATA (\d+)\n")
TILE = re.compile(rb"(-?\d+),(-?\d+),LZF,(\d+)\n")
MOST_PIXELS = 2**29


class Tile(NamedTuple):
    """A part of a layer."""

    left: int
    top: int
    samples: NDArray[np.uint8]
    """(height, width, bytes of a pixel)."""


def is_krita(content: bytes) -> bool:
    """True if a file is such a document."""
    return is_zip_of(content, b"application/x-krita")


def read(content: bytes) -> Layered:
    """A document's layers with pixels of their own, and its masks and selections. ValueError if it is damaged."""
    image = fields.parse_xml(member(content, "maindoc.xml")).find(f"{KRITA}IMAGE")
    if image is None:
        raise ValueError("its maindoc.xml has no IMAGE, as Krita writes one")
    size = fields.whole(image.get("height"), "height"), fields.whole(image.get("width"), "width")
    layers = []
    for node in image.iter():
        kind = {"paintlayer": "layer", **MASKS}.get(node.get("nodetype", ""))
        if kind is None:
            continue
        left, top = (int(fields.number(node.get(side, "0"), side)) for side in ("x", "y"))
        file = f"{image.get('name')}/layers/{node.get('filename')}"
        if kind == "layer":
            samples = partial(colours_of, content, file, node.get("colorspacename", ""), (left, top), size)
        else:
            samples = partial(selection_of, content, f"{file}.pixelselection", (left, top), size)
        layers.append(Layer(node.get("name", ""), kind, 0, 0, samples))
    return Layered(size, layers)


def colours_of(
    content: bytes, file: str, colours: str, corner: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """A paint layer as RGBA. ValueError if its colours are others than RGB or grey of 8 or 16 bits."""
    pixel = {"RGBA": 4, "RGBA16": 8, "GRAYA": 2, "GRAYAU16": 4}.get(colours)
    if pixel is None:
        raise ValueError(f"the layer's colours are {colours}; RGBA, RGBA16, GRAYA and GRAYAU16 are read")
    samples = samples_of(content, file, pixel, corner, size)
    if colours.endswith("16"):
        samples = samples[..., 1::2]  # the higher byte
    return samples[..., [2, 1, 0, 3] if samples.shape[2] == 4 else [0, 0, 0, 1]]


def selection_of(content: bytes, file: str, corner: tuple[int, int], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A mask or selection."""
    return samples_of(content, file, 1, corner, size)[..., 0]


def samples_of(
    content: bytes, file: str, pixel: int, corner: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """The bytes of the pixels within the document: (height, width, bytes of a pixel). ValueError if damaged."""
    if size[0] * size[1] > MOST_PIXELS:
        raise ValueError(f"the document has {size[1]}x{size[0]} pixels, and at most {MOST_PIXELS} are read")
    canvas = np.empty((*size, pixel), np.uint8)
    canvas[:] = np.frombuffer(member(content, f"{file}.defaultpixel")[:pixel].ljust(pixel, b"\0"), np.uint8)
    for tile in tiles_of(member(content, file), pixel):
        left, top = corner[0] + tile.left, corner[1] + tile.top
        height, width = tile.samples.shape[:2]
        rows = slice(max(top, 0), max(min(top + height, size[0]), 0))
        columns = slice(max(left, 0), max(min(left + width, size[1]), 0))
        if rows.start < rows.stop and columns.start < columns.stop:
            canvas[rows, columns] = tile.samples[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
    return canvas


def tiles_of(data: bytes, pixel: int) -> list[Tile]:
    """The tiles in a layer's file. ValueError if it is damaged, or its pixels have not that many bytes."""
    head = HEAD.match(data)
    if head is None:
        raise ValueError("a layer of it is damaged: its tiles have another head than Krita writes")
    _, width, height, stated, count = (int(value) for value in head.groups())
    if stated != pixel or not 0 < width * height <= 2**20:
        raise ValueError(f"a layer of it is damaged: its tiles are {width}x{height} of {stated} bytes a pixel")
    tiles, place = [], head.end()
    for _ in range(count):
        one = TILE.match(data, place)
        if one is None or one.end() + int(one[3]) > len(data):
            raise ValueError("a layer of it is cut short")
        packed = data[one.end() : one.end() + int(one[3])]
        length = width * height * pixel
        planes = unpacked(packed[1:], length) if packed[:1] == b"\1" else packed[1 : 1 + length]
        if len(planes) != length:
            raise ValueError("a tile of a layer of it is damaged")
        samples = np.frombuffer(planes, np.uint8).reshape(pixel, height, width).transpose(1, 2, 0)
        tiles.append(Tile(int(one[1]), int(one[2]), samples))
        place = one.end() + int(one[3])
    return tiles


def unpacked(packed: bytes, length: int) -> bytes:
    """The bytes that LZF has packed, at most so many: literal runs, and copies of what came before."""
    out = bytearray()
    place = 0
    try:
        while place < len(packed) and len(out) < length:
            control = packed[place]
            place += 1
            if control < 32:
                out += packed[place : place + control + 1]
                place += control + 1
                continue
            count = (control >> 5) + 2
            if count == 9:
                count += packed[place]
                place += 1
            back = ((control & 31) << 8) + packed[place] + 1
            place += 1
            if back > len(out):
                raise ValueError("a tile of a layer of it is damaged")
            for _ in range(count):
                out.append(out[-back])
    except IndexError as error:
        raise ValueError("a tile of a layer of it is cut short") from error
    return bytes(out)
