"""Photoshop documents, read by psd-tools: saved selections, layers' masks, layers."""

import warnings
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.inference.masks.annotations.layer import Layer, Layered, within
from engine.packages import import_optional

DAMAGE: Any = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, OSError, EOFError, OverflowError,
)  # fmt: skip
"""The errors of psd-tools for documents that are damaged or cut short, beside struct's and zlib's errors."""


def is_photoshop(content: bytes) -> bool:
    """True if a file is such a document."""
    return content.startswith(b"8BPS")


def read(content: bytes) -> Layered:
    """A document's saved selections, layers and layers' masks. ValueError if it is damaged, or psd-tools is missing."""
    psd_tools = import_optional("psd_tools")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            document = psd_tools.PSDImage.open(BytesIO(content))
            layers = saved_selections(document)
            for layer in document.descendants():
                if layer.has_mask():
                    layers.append(mask_of(layer))
                if not layer.is_group() and layer.width and layer.height:
                    samples = partial(pixels_of, layer)
                    layers.append(Layer(layer.name, "layer", layer.left, layer.top, samples))
    except DAMAGE as error:
        raise ValueError(f"it is damaged or cut short ({error})") from error
    return Layered((document.height, document.width), layers)


def saved_selections(document: Any) -> list[Layer]:
    """The channels of the document behind those of its colours and its transparency."""
    from psd_tools.api.utils import get_color_channels, get_transparency_index, has_transparency
    from psd_tools.constants import Resource

    names = document.image_resources.get_data(Resource.ALPHA_NAMES_UNICODE) or []
    identifiers = document.image_resources.get_data(Resource.ALPHA_IDENTIFIERS) or []
    colours = get_color_channels(document)
    transparency = get_transparency_index(document) if has_transparency(document) else -1
    if 0 <= transparency < colours:
        transparency = -1
    selections = []
    for channel in range(colours, document.channels):
        number = channel - colours
        named = number - (document.channels - colours - len(names))
        name = str(names[named]).strip("\0") if named >= 0 else f"Alpha {number + 1}"
        only_alpha = has_transparency(document) and not identifiers and number == 0 and not names
        if channel == transparency or only_alpha or name == "Transparency":
            continue
        selections.append(Layer(name, "saved selection", 0, 0, partial(channel_of, document, channel)))
    return selections


def channel_of(document: Any, channel: int) -> NDArray[np.uint8]:
    """One channel of the whole document."""
    return to_bytes(document.numpy()[..., channel])


def mask_of(layer: Any) -> Layer:
    """A layer's mask."""
    mask = layer.mask
    return Layer(layer.name, "layer mask", mask.left, mask.top, partial(mask_pixels, layer), mask.background_color)


def mask_pixels(layer: Any) -> NDArray[np.uint8]:
    """The pixels of a layer's mask."""
    image = layer.mask.topil()
    return np.zeros((0, 0), np.uint8) if image is None else np.asarray(image.convert("L"))


def pixels_of(layer: Any) -> NDArray[np.uint8]:
    """A layer's pixels as RGBA, as transparent as its mask makes them."""
    image = layer.topil()
    if image is None:
        return np.zeros((0, 0, 4), np.uint8)
    samples = np.array(image.convert("RGBA"))
    if layer.has_mask() and not layer.mask.disabled:
        seen = within(mask_of(layer), layer.left, layer.top, samples.shape[1], samples.shape[0])
        samples[..., 3] = samples[..., 3].astype(np.uint16) * seen // 255
    return samples


def to_bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Values of 0 to 1 in 8 bits."""
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
