"""Documents of layers (Photoshop, OpenRaster, Krita): which layer or saved selection is the mask, as a picture.

The one that is called mask (or as --label says); else, of a Photoshop document, its only saved selection, or the only
layer's mask.
"""

from collections.abc import Callable
from typing import NamedTuple

from PIL import Image

from engine.inference.holes.mask import OtherSize, check_size
from engine.inference.masks.annotations import krita, openraster, photoshop
from engine.inference.masks.annotations.layer import Layer, Layered, within
from engine.inference.masks.labels import listed
from engine.inference.photos.formats import kinds

CALLED = "mask"
KINDS = ("saved selection", "layer", "layer mask")


class Program(NamedTuple):
    """A program whose documents have layers."""

    wrote: Callable[[bytes], bool]
    read: Callable[[bytes], Layered]


PROGRAMS = (
    Program(photoshop.is_photoshop, photoshop.read),
    Program(openraster.is_openraster, openraster.read),
    Program(krita.is_krita, krita.read),
)


def is_layered(content: bytes) -> bool:
    """True if a file is one of these documents."""
    return any(program.wrote(content) for program in PROGRAMS)


def mask_image(content: bytes, labels: tuple[str, ...], size: tuple[int, ...] | None, notes: list[str]) -> Image.Image:
    """The layer that is the mask, as large as the document; which one it is goes to `notes`.

    OtherSize if the document is not of the photo's `size` (height, width), ValueError if no layer is the mask.
    """
    try:
        layered = next(program.read for program in PROGRAMS if program.wrote(content))(content)
        if size is not None:
            check_size(layered.size, size)
        layer = choose(layered.layers, labels)
        notes.append(f"the mask is the {layer.kind} {layer.name!r}")
        height, width = layered.size
        return Image.fromarray(within(layer, 0, 0, width, height))
    except OtherSize:
        raise
    except ValueError as error:
        raise ValueError(f"it is {kinds.kind_of(content)}, and {error}") from error


def choose(layers: list[Layer], labels: tuple[str, ...]) -> Layer:
    """The layer that is the mask. ValueError if it is none of them, or it could be several."""
    there = listed([f"{layer.name!r} ({layer.kind})" for layer in layers]) or "none"
    if len(labels) > 1:
        raise ValueError(f"{len(labels)} layers are asked for (--label), and one can be the mask; it has {there}")
    name = labels[0] if labels else CALLED
    called = [layer for layer in layers if layer.name.strip().casefold() == name.casefold()]
    if labels and not called:
        raise ValueError(f"it has no layer or selection {name!r} (--label); it has {there}")
    candidates = of_first_kind(called, KINDS) or of_first_kind(layers, ("saved selection", "layer mask"))
    if not candidates:
        raise ValueError(f"it has no layer called {CALLED!r} (--label chooses another); it has {there}")
    if len(candidates) > 1:
        several = listed([f"{layer.name!r} ({layer.kind})" for layer in candidates])
        raise ValueError(f"its mask could be any of {several}; choose one by its name (--label), or call it {CALLED!r}")
    return candidates[0]


def of_first_kind(layers: list[Layer], kinds: tuple[str, ...]) -> list[Layer]:
    """The layers of the first of these kinds that there are any of."""
    of_kinds = ([layer for layer in layers if layer.kind == kind] for kind in kinds)
    return next((found for found in of_kinds if found), [])
