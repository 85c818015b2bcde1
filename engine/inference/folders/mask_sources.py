"""The mask of a photo: of rectangles, a file, a folder, what lies beside it, or its own transparency."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from data.sidecars import SIDECAR, photo_of
from engine.inference.folders.jobs import Job
from engine.inference.holes.mask import Mask, OtherSize, cut_out, mask_of_holes
from engine.inference.masks.annotations.document import NotThere
from engine.inference.masks.files import ANY_PHOTO, AS_IT_LOOKS, MaskOptions, OfPhoto, read_mask
from engine.inference.masks.labels import listed
from engine.inference.masks.selection import select_things
from engine.inference.photos.formats.registry import CONTAINERS
from engine.inference.photos.photo import Photo
from engine.inference.pixels import Pixels

PICTURE_ENDINGS = (".png", *(ending for ending in (*CONTAINERS, ".bmp", ".gif") if ending != ".png"))
MASK_ENDINGS = (*PICTURE_ENDINGS, ".json", ".xml", ".psd", ".ora", ".kra")
"""Of mask files, in the order in which they are looked for."""

SAME_SHAPE = 0.02
"""The share by which the sides of a mask that is scaled may be otherwise to each other than the photo's."""

FOUND_BY_SAM = "metadata.csv"
"""The file in a folder in which Segment Anything has written a PNG for each thing it found, called by its number."""


class NoMask(ValueError):
    """A photo for which no mask is given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskSource:
    """Where masks come from: rectangles and things in boxes, else a file or folder, else the photo's sidecars, else a
    selection saved in it, else its alpha."""

    holes: tuple[tuple[int, int, int, int], ...] = ()
    boxes: tuple[tuple[int, int, int, int], ...] = ()
    """Around things, which are selected in them."""
    path: Path | None = None
    options: MaskOptions = AS_IT_LOOKS

    def mask_for(self, job: Job, photo: Photo, notes: list[str]) -> tuple[Mask, bool]:
        """The mask of a photo, and whether it is the photo's own transparency; what was guessed goes to `notes`.

        NoMask if there is none, ValueError if it cannot be read.
        """
        size = photo.pixels_HW3.shape[:2]
        if self.holes or self.boxes:
            return mask_of_holes(self.holes, size) | select_things(photo.pixels_HW3, self.boxes), False
        path = job.masks or self.path
        files = files_for(path, job)
        if files:
            of = OfPhoto(job.name.as_posix(), photo.exif_orientation)
            return read_joined(files, self.options, size, notes, of), False
        if path:
            raise NoMask(
                f"no mask for {job.photo}: it needs {looked_for(path, job)} (or --missing-mask copy, if there is "
                "nothing to complete)"
            )
        if photo.selection_HW is not None and photo.selection_HW.any():
            notes.append("the mask is the selection that is saved in the photo's file")
            return selected(photo.selection_HW), False
        if photo.alpha_HW is not None and photo.alpha_HW.min() == 0:
            return cut_out(photo.alpha_HW), True
        if self.options.colour is not None:
            raise NoMask(
                f"no mask for {job.photo}: --mask-colour is of the mask; where it is painted on the photo itself, "
                f"--mask {job.photo}"
            )
        raise NoMask(
            f"no mask for {job.photo}. Give one of: --mask FILE (white is completed); --hole X,Y,WIDTH,HEIGHT; "
            f"--select X,Y,WIDTH,HEIGHT (a box around a thing); a file {job.photo.stem}{SIDECAR}.png beside the photo, "
            "or fully transparent pixels in the photo itself"
        )


def selected(selection_HW: Pixels) -> Mask:
    """Where a selection is at least half."""
    return selection_HW > np.iinfo(selection_HW.dtype).max // 2


def area_for(path: Path | None, option: str, job: Job, photo: Photo, notes: list[str]) -> Mask | None:
    """The area of a photo that the mask `path`, or the one in the folder `path`, marks; None without a path.

    ValueError, which begins with the name of the command's `option`, if there is none or it cannot be read.
    """
    if path is None:
        return None
    files = files_for(path, job)
    if not files:
        raise ValueError(f"{option}: no mask for {job.photo}: it needs {looked_for(path, job)}")
    try:
        of = OfPhoto(job.name.as_posix(), photo.exif_orientation)
        return read_joined(files, AS_IT_LOOKS, photo.pixels_HW3.shape[:2], notes, of)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from error


def read_joined(
    files: list[Path], options: MaskOptions, size: tuple[int, ...], notes: list[str], of: OfPhoto = ANY_PHOTO
) -> Mask:
    """The pixels that any of the files marks (inverted, what none does). ValueError as `read_mask`, NoMask where a data
    set's annotations do not know the photo."""
    if files[0].with_name(FOUND_BY_SAM).is_file():
        files, options = chosen(files, options)
    if len(files) > 1:
        notes.append(f"{len(files)} masks are joined: {listed([file.name for file in files])}")
    joined_HW = np.zeros(size, np.bool_)
    try:
        for file in files:
            joined_HW |= read_in_size(file, options._replace(invert=False), size, notes, of)
    except NotThere as error:
        raise NoMask(f"{error} (or --missing-mask copy, if there is nothing to complete)") from error
    return ~joined_HW if options.invert else joined_HW


def read_in_size(file: Path, options: MaskOptions, size: tuple[int, ...], notes: list[str], of: OfPhoto) -> Mask:
    """The mask in a file, scaled to the photo's size if it has another and the options say so.

    ValueError as `read_mask`, and if the sides are not as those of the photo.
    """
    before = len(notes)
    try:
        return read_mask(file, options, size, notes, of)
    except OtherSize as error:
        refused = error
    del notes[before:]
    mask_HW = read_mask(file, options, None, notes, of)
    (height, width), (mask_height, mask_width) = size, mask_HW.shape
    # A mask that was scaled down has sides that are rounded.
    apart = abs(mask_height * width - mask_width * height) - max(width, height) - SAME_SHAPE * mask_height * width
    if apart > 0 and not options.resize:
        raise refused
    if apart > 0:
        raise ValueError(
            f"the mask is {mask_width}x{mask_height} and the photo {width}x{height} (width x height), which is another "
            "shape: --mask-resize scales both sides alike"
        )
    if not options.resize:
        raise OtherSize(f"{refused} (--mask-resize scales the mask)") from refused
    notes.append(f"the mask was scaled from {mask_width}x{mask_height} to {width}x{height}")
    scaled_HW = cv2.resize(mask_HW.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return scaled_HW >= 0.5


def files_for(path: Path | None, job: Job) -> list[Path]:
    """The masks of a photo: the file `path`, those in the folder `path`, or those beside the photo if it is None."""
    if path and not path.is_dir():
        return [path]
    if path and (path / FOUND_BY_SAM).is_file():
        return found_by_sam(path)
    if path is None:
        return find_masks(job.photo, sidecar_only=True)
    found = find_masks(path / job.name, sidecar_only=False, other_than=job.photo)
    if not found and is_flat_enough(job):
        return find_masks(path / job.name.name, sidecar_only=False, other_than=job.photo)
    return found


def is_flat_enough(job: Job) -> bool:
    """True if masks of photos in folders may lie in one folder without these: this photo's name is the only one."""
    return job.alone and len(job.name.parts) > 1


def looked_for(path: Path, job: Job) -> str:
    """The files in a folder of masks that could be a photo's, as PNGs, for errors."""
    name = job.name.with_suffix(".png")
    if is_flat_enough(job):
        return f"{path / name} or {path / name.name}"
    if len(name.parts) > 1 and find_masks(path / name.name, sidecar_only=False):
        return f"{path / name}: {path / name.name} could be of several photos of this name"
    return str(path / name)


def find_masks(photo: Path, sidecar_only: bool, other_than: Path | None = None) -> list[Path]:
    """The masks beside where `photo` is or would be: photo.mask.png, photo_mask.png, photo_mask001.png and so on; else,
    in a folder of masks, photo.png (photo.json, photo.jpg.json), or Segment Anything's folder `photo`; but never
    `other_than`, which is the photo itself.

    Without regard to case, as cameras write IMG_1.JPG and other programs IMG_1.mask.png, if none has the same case.
    """
    if not photo.parent.is_dir():
        return []
    there = masks_in(photo.parent, photo.parent.stat().st_mtime_ns)
    beside = in_same_case(there.get(photo.stem.casefold(), []), photo.stem)
    if beside or sidecar_only:
        return beside
    for ending in MASK_ENDINGS:
        for name in (photo.stem + ending, photo.name + ending):
            if photo.with_name(name).is_file() and not (other_than and photo.with_name(name).samefile(other_than)):
                return [photo.with_name(name)]
    if (photo.with_name(photo.stem) / FOUND_BY_SAM).is_file():
        return found_by_sam(photo.with_name(photo.stem))
    names = [photo.stem + ending for ending in MASK_ENDINGS]
    files = {file.name.casefold(): file for file in sorted(photo.parent.iterdir(), reverse=True)}
    found = (files.get(name.casefold()) for name in names)
    return [file for file in found if file and file.is_file() and not (other_than and file.samefile(other_than))][:1]


def in_same_case(masks: list[Path], stem: str) -> list[Path]:
    """Those of a photo's masks that spell its name as it is; all if none does."""
    return [mask for mask in masks if mask.name.startswith(stem)] or masks


@lru_cache(maxsize=8)
def masks_in(folder: Path, modified: int) -> dict[str, list[Path]]:
    """The masks in a folder that are called as a photo's, by that photo's name without its ending and its case.

    `modified` is when the folder was, so that it is read again once it has changed.
    """
    found: dict[str, dict[str, Path]] = {}
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if photo_of(entry.name) and entry.is_file())
    for name in sorted(names, key=preference):
        photo, stem = photo_of(name), os.path.splitext(name)[0]
        if photo and preference(name) < len(MASK_ENDINGS):
            found.setdefault(photo.casefold(), {}).setdefault(stem, folder / name)
    return {photo: [masks[stem] for stem in sorted(masks)] for photo, masks in found.items()}


def preference(name: str) -> int:
    """The rank of a file among several with one name: the place of its ending in `MASK_ENDINGS`."""
    ending = os.path.splitext(name)[1].lower()
    return MASK_ENDINGS.index(ending) if ending in MASK_ENDINGS else len(MASK_ENDINGS)


def found_by_sam(folder: Path) -> list[Path]:
    """The PNGs of all that Segment Anything found, in their order."""
    return sorted((file for file in folder.glob("*.png") if file.stem.isdecimal()), key=lambda file: int(file.stem))


def chosen(files: list[Path], options: MaskOptions) -> tuple[list[Path], MaskOptions]:
    """Those of Segment Anything's files that the labels name, and the options without these. ValueError if there is
    none of that number."""
    numbers = [file.stem for file in files]
    unknown = [label for label in options.labels if label not in numbers]
    if unknown:
        raise ValueError(f"{files[0].parent} has no mask {', '.join(unknown)}; it has {listed(numbers)} (--label)")
    wanted = options.labels or tuple(numbers)
    return [file for file in files if file.stem in wanted], options._replace(labels=())
