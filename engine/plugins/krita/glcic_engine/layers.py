"""Krita's pixels: a layer and the selection as they are sent, and what comes back as a new layer.

Krita stores a pixel as blue, green, red, alpha, and PNG as red, green, blue, alpha, with the higher byte first.
"""

from __future__ import annotations

import os
import sys
from array import array
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from PyQt5.QtGui import QImage

from .engine_client.picture import Picture, is_whole, whole, whole_note
from .engine_client.png import HALF, png
from .engine_client.problem import Problem
from .engine_client.server import read_settings

SETTINGS = Path(__file__).parent / "server.json"

BITS = {"U8": 8, "U16": 16}
"""Of the colour depths that are completed, by Krita's names."""


class Selected(NamedTuple):
    """A layer, as far as the canvas reaches, and what is selected in it."""

    document: Any
    layer: Any
    size: tuple[int, int]
    bits: int
    pixels: bytes
    """Of the layer as it is seen, as Krita has them."""
    box: tuple[int, int, int, int]
    """x, y, width, height of what is selected."""
    mask: bytes
    """From 0 to 255, of the box."""

    @classmethod
    def of(cls, document: Any, layer: Any = None) -> Selected:
        """What is selected in a layer, or in the one that is active. Problem if it cannot be completed."""
        if document is None:
            raise Problem("No image is open: open one, and select what is to be removed.")
        layer = layer or document.activeNode()
        while layer is not None and layer.type().endswith("mask"):
            layer = layer.parentNode()
        if layer is None:
            raise Problem("No layer is active: choose the one to remove something from.")
        model, depth = layer.colorModel(), layer.colorDepth()
        if model != "RGBA" or depth not in BITS:
            raise Problem(
                f"The layer '{layer.name()}' is {model} of {depth}, and only RGB of 8 or 16 bits is completed: convert "
                "it in Layer > Convert > Convert Layer Color Space."
            )
        document.waitForDone()
        size = document.width(), document.height()
        box, mask = selection_in(document, size)
        pixels = bytes(layer.projectionPixelData(0, 0, *size))
        return cls(document, layer, size, BITS[depth], pixels, box, mask)

    def for_server(self) -> tuple[Any, ...]:
        """What a Removal takes."""
        return (
            read_settings(SETTINGS),
            os.getpid(),
            partial(self.photo),
            partial(png, *self.box[2:], self.mask, channels=1),
            self.box,
            self.bits == 16,
        )

    def photo(self) -> bytes:
        """The layer as a PNG."""
        samples = swapped(self.pixels, self.bits)
        if self.bits == 16 and sys.byteorder == "little":
            samples.byteswap()
        return png(*self.size, samples.tobytes(), self.bits)


def selection_in(document: Any, size: tuple[int, int]) -> tuple[tuple[int, int, int, int], bytes]:
    """The box of what is selected on a canvas of this size, and the selection in it. Problem if nothing is."""
    selection = document.selection()
    if selection is not None:
        left, top = max(selection.x(), 0), max(selection.y(), 0)
        right = min(selection.x() + selection.width(), size[0])
        bottom = min(selection.y() + selection.height(), size[1])
        if left < right and top < bottom:
            box = left, top, right - left, bottom - top
            mask = bytes(selection.pixelData(*box))
            if max(mask) >= HALF:
                return box, mask
    raise Problem("Nothing is selected on the canvas, by half or more: select what is to be removed.")


def swapped(pixels: bytes, bits: int) -> array[int]:
    """Pixels of four samples with the first and the third exchanged."""
    samples = array("H" if bits == 16 else "B", pixels)
    samples[0::4], samples[2::4] = samples[2::4], samples[0::4]
    return samples


def add_above(selected: Selected, picture: Picture) -> list[str]:
    """Add the completed pixels as a new layer above; what is to be told of it. Problem if that cannot be."""
    x, y, width, height = picture.box
    image = QImage.fromData(picture.png, "PNG")
    if (image.width(), image.height()) != (width, height):
        raise Problem("What engine-serve sent is not the picture that it announced; is it of another version?")
    alpha = bits_of(image.convertToFormat(QImage.Format_Alpha8), width)
    if selected.bits == 16:
        pixels = swapped(bits_of(image.convertToFormat(QImage.Format_RGBA64), width * 8), 16).tobytes()
    else:
        pixels = swapped(bits_of(image.convertToFormat(QImage.Format_RGBA8888), width * 4), 8).tobytes()
    notes = []
    if is_whole(picture, alpha):
        pixels = whole(selected.pixels, selected.size[0], selected.bits // 2, picture, pixels, alpha)
        x, y, width, height = 0, 0, *selected.size
        notes = [whole_note(selected.layer.name())]
    add_layer(selected, pixels, (x, y, width, height))
    return notes


def bits_of(image: QImage, row: int) -> bytes:
    """An image's samples, of which a row has so many bytes: QImage fills rows up to four."""
    content, stride = image.constBits().asstring(image.sizeInBytes()), image.bytesPerLine()
    return b"".join(content[at : at + row] for at in range(0, len(content), stride))


def add_layer(selected: Selected, pixels: bytes, box: tuple[int, int, int, int]) -> None:
    """Add a layer with these pixels above the selected one. Problem if Krita does not take it."""
    document, layer = selected.document, selected.layer
    new = document.createNode(f"{layer.name()}, completed", "paintlayer")
    new.setColorSpace(layer.colorModel(), layer.colorDepth(), layer.colorProfile())
    new.setPixelData(pixels, *box)
    if not layer.parentNode().addChildNode(new, layer):
        raise Problem(f"Krita did not add a layer above '{layer.name()}': is it in a locked group?")
    document.refreshProjection()
