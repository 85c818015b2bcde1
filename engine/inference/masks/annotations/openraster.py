"""OpenRaster documents (Krita, GIMP, MyPaint): a ZIP archive with a PNG for each layer."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from data.decoders import decoding
from data.pillow import open_image
from engine.inference.masks.annotations import fields
from engine.inference.masks.annotations.layer import Layer, Layered, is_zip_of, member


def is_openraster(content: bytes) -> bool:
    """True if a file is such a document."""
    return is_zip_of(content, b"image/openraster")


def read(content: bytes) -> Layered:
    """A document's layers, those in groups, too. ValueError if it is damaged."""
    image = fields.parse_xml(member(content, "stack.xml"))
    size = fields.whole(image.get("h"), "height"), fields.whole(image.get("w"), "width")
    layers = []
    for layer in image.iter("layer"):
        left, top = (int(fields.number(layer.get(side, "0"), side)) for side in ("x", "y"))
        samples = partial(samples_of, content, layer.get("src", ""))
        layers.append(Layer(layer.get("name", ""), "layer", left, top, samples))
    return Layered(size, layers)


def samples_of(content: bytes, name: str) -> NDArray[np.uint8]:
    """A layer's PNG as RGBA."""
    with open_image(member(content, name)) as image, decoding():
        return np.asarray(image.convert("RGBA"))
