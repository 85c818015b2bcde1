"""Pictures that lie beside photographs, and are none: masks, and completions.

photo.mask.png is where photo.jpg is to be completed, or photo_mask.png, photo_mask001.png and so on, as LaMa calls
them, of which a photo may have several. photo.completed.jpg is what came of it, or photo-1.completed.jpg and so on.
"""

import os
import re
from collections.abc import Collection

from data.headers import SUFFIXES

SIDECAR = ".mask"
"""The part of a mask's name between the photo's and the ending."""

COMPLETED = ".completed"
"""The same of a completion's name: photo.completed.jpg is what photo.jpg becomes if no other is given."""

MASK_BESIDE, COMPLETION_BESIDE = "the mask of a photo beside it", "the completion of a photo beside it"
"""Why such a file is left out."""

ENDINGS = [*sorted(SUFFIXES), *(suffix.upper() for suffix in sorted(SUFFIXES))]
_CALLED = re.compile(r"(?P<photo>.+)[._-]mask[._-]?\d*", re.IGNORECASE | re.DOTALL)
_VARIANT = re.compile(r"-\d+$")


def why_no_photo(root: str | os.PathLike[str], name: str) -> str | None:
    """Why the file `name` under `root` is no photo, by what lies beside it; None if it may be one."""
    if is_mask_beside(root, name):
        return MASK_BESIDE
    return COMPLETION_BESIDE if is_completion_beside(root, name) else None


def is_mask_beside(root: str | os.PathLike[str], name: str) -> bool:
    """True if the file `name` under `root` is the mask of a photo that lies beside it."""
    photo = photo_of(name)
    return photo is not None and _is_there(root, photo)


def is_completion_beside(root: str | os.PathLike[str], name: str) -> bool:
    """True if the file `name` under `root` is called as a completion of a photo that lies beside it."""
    stem = os.path.splitext(name)[0]
    if not stem.endswith(COMPLETED):
        return False
    photo = stem.removesuffix(COMPLETED)
    return _is_there(root, photo) or _is_there(root, _VARIANT.sub("", photo))


def _is_there(root: str | os.PathLike[str], photo: str) -> bool:
    """True if there is a picture of this name, with whichever ending."""
    return any(os.path.exists(os.path.join(root, photo + ending)) for ending in ENDINGS)


def masks_among(names: Collection[str]) -> set[str]:
    """Those of the names in a shard that are masks of others there."""
    there = {os.path.splitext(name)[0].casefold() for name in names}
    return {name for name in names if (photo := photo_of(name)) is not None and photo.casefold() in there}


def photo_of(mask: str) -> str | None:
    """The name, without its ending, of the photo that a file would be the mask of; None if it is called otherwise."""
    called = _CALLED.fullmatch(os.path.splitext(mask)[0])
    return called and called["photo"]
