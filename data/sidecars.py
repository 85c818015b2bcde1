"""Masks that lie beside photographs, and are none: photo.mask.png is where photo.jpg is to be completed.

Or photo_mask.png, photo_mask001.png and so on, as LaMa calls them, of which a photo may have several.
"""

import os
import re
from collections.abc import Collection

from data.headers import SUFFIXES

SIDECAR = ".mask"
"""The part of a mask's name between the photo's and the ending."""

MASK_BESIDE = "the mask of a photo beside it"
"""Why such a file is left out."""

ENDINGS = [*sorted(SUFFIXES), *(suffix.upper() for suffix in sorted(SUFFIXES))]
_CALLED = re.compile(r"(?P<photo>.+)[._-]mask[._-]?\d*", re.IGNORECASE | re.DOTALL)


def is_mask_beside(root: str | os.PathLike[str], name: str) -> bool:
    """True if the file `name` under `root` is the mask of a photo that lies beside it."""
    photo = photo_of(name)
    return photo is not None and any(os.path.exists(os.path.join(root, photo + ending)) for ending in ENDINGS)


def masks_among(names: Collection[str]) -> set[str]:
    """Those of the names in a shard that are masks of others there."""
    there = {os.path.splitext(name)[0].casefold() for name in names}
    return {name for name in names if (photo := photo_of(name)) is not None and photo.casefold() in there}


def photo_of(mask: str) -> str | None:
    """The name, without its ending, of the photo that a file would be the mask of; None if it is called otherwise."""
    called = _CALLED.fullmatch(os.path.splitext(mask)[0])
    return called and called["photo"]
