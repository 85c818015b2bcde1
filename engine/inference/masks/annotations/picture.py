"""The shapes that an annotation file has of one photo, and the mask that they become."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from data.orientation import TURNS, upright
from engine.inference.holes.mask import Mask, check_size
from engine.inference.masks.labels import listed

Draw = Callable[[Mask], None]
"""Marks a shape in a mask of the picture's size."""

UNKNOWN = (0, 0)
"""The size of a picture in which nothing is annotated, where only shapes say it."""


class Area(NamedTuple):
    """One shape."""

    label: str
    draw: Draw


@dataclass(slots=True)
class Picture:
    """The shapes of one photo."""

    name: str
    """The photo's, as the tool has it, mostly with folders; "" if the file does not say."""
    size: tuple[int, int]
    """(height, width) of the picture that the shapes lie in."""
    areas: list[Area] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """Shapes without an area, by their kind."""

    def add(self, label: str, draw: Draw | None, kind: str) -> None:
        """Add a shape, or count one that has no area (None) among those of its kind."""
        if draw is None:
            self.left_out[kind] += 1
        else:
            self.areas.append(Area(label, draw))


class Options(NamedTuple):
    """The choice of shapes, and of the photo."""

    labels: tuple[str, ...] = ()
    """None: all."""
    orientation: int = 1
    """The photo's by EXIF."""
    as_displayed: bool = True
    """The tool shows photos upright, where the sizes do not tell."""


def mask_of(picture: Picture, size: tuple[int, ...], options: Options, notes: list[str]) -> Mask:
    """The mask of a picture's shapes, of a photo of (height, width) as displayed; what was taken goes to `notes`.

    ValueError if the photo has another size.
    """
    wanted = {label.casefold() for label in options.labels}
    areas = [area for area in picture.areas if not wanted or area.label.casefold() in wanted]
    stored_size = (size[1], size[0]) if TURNS[options.orientation].transpose else tuple(size[:2])
    as_stored = picture.size == stored_size != size[:2]
    if picture.size == stored_size == size[:2] and options.orientation != 1:
        as_stored = not options.as_displayed
        notes.append(
            f"the photo's orientation is {options.orientation}, and the annotations are taken to lie in it as it is "
            + ("stored, not as it is displayed" if as_stored else "displayed")
        )
    check_size(picture.size, stored_size if as_stored else size)
    mask_HW = np.zeros(picture.size, np.bool_)
    for area in areas:
        area.draw(mask_HW)
    notes.append(taken(areas, mask_HW) if areas else nothing(picture, options))
    if picture.left_out:
        kinds = ", ".join(f"{count} {kind}" for kind, count in picture.left_out.items())
        notes.append(f"annotations without an area are left out: {kinds}")
    return np.ascontiguousarray(upright(mask_HW, options.orientation)) if as_stored else mask_HW


def taken(areas: list[Area], mask_HW: Mask) -> str:
    """A note on the shapes that became the mask."""
    labels = dict.fromkeys(area.label or "without a label" for area in areas)
    outside = "" if mask_HW.any() else ", which mark no pixel of the photo"
    return f"{len(areas)} annotated object(s) are taken: {listed([*labels])}{outside}"


def nothing(picture: Picture, options: Options) -> str:
    """Why there is no hole, for a note."""
    if not picture.areas:
        return "no object is annotated in the photo"
    there = listed(list(dict.fromkeys(area.label for area in picture.areas)))
    return f"no object in the photo is labelled {', '.join(options.labels)} (--label); its labels are {there}"
