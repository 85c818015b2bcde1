"""Which photos to complete, with which mask, into which file."""

import glob
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from engine.inference.mask import Mask, mask_of_holes
from engine.inference.mask_files import read_mask
from engine.inference.photo import CONTAINERS, Photo

SIDECAR = ".mask"
"""photo.mask.png is the mask of photo.jpg."""

COMPLETED = ".completed"
"""photo.completed.jpg is what photo.jpg becomes if no other name is given."""

MASK_ENDINGS = (".png", *(ending for ending in (*CONTAINERS, ".bmp", ".gif") if ending != ".png"))
"""Of mask files, in the order in which they are looked for."""


@dataclass(frozen=True, slots=True)
class Job:
    """One photo to complete."""

    photo: Path
    name: Path
    """The photo's path within the folder that was asked for."""
    out: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskSource:
    """Where masks come from: rectangles, else a file or folder, else the photo's sidecar, else its alpha."""

    holes: tuple[tuple[int, int, int, int], ...] = ()
    path: Path | None = None
    threshold: float = 0.5
    invert: bool = False

    def mask_for(self, job: Job, photo: Photo) -> tuple[Mask, bool]:
        """The mask of a photo, and whether it is the photo's own transparency.

        ValueError if there is none, or it cannot be read.
        """
        size = photo.pixels_HW3.shape[:2]
        if self.holes:
            return mask_of_holes(self.holes, size), False
        if self.path and not self.path.is_dir():
            return read_mask(self.path, self.threshold, self.invert, size), False
        file = find_mask(self.path / job.name if self.path else job.photo, sidecar_only=self.path is None)
        if file:
            return read_mask(file, self.threshold, self.invert, size), False
        if self.path:
            raise ValueError(f"no mask for {job.photo} in the folder {self.path}: it needs {job.name.stem}.png there")
        if photo.alpha_HW is not None and photo.alpha_HW.min() == 0:
            return photo.alpha_HW == 0, True
        raise ValueError(
            f"no mask for {job.photo}. Give one of: --mask FILE (white is completed); --hole X,Y,WIDTH,HEIGHT; "
            f"a file {job.photo.stem}{SIDECAR}.png beside the photo, or fully transparent pixels in the photo itself"
        )


def find_mask(photo: Path, sidecar_only: bool) -> Path | None:
    """The mask file beside where `photo` is or would be: photo.mask.png, or, in a folder of masks, photo.png."""
    for suffix in (SIDECAR,) if sidecar_only else (SIDECAR, ""):
        for ending in MASK_ENDINGS:
            file = photo.with_name(photo.stem + suffix + ending)
            if file.is_file():
                return file
    return None


def find_jobs(photos: tuple[Path, ...], out: Path | None, masks: Path | None = None) -> list[Job]:
    """A job for each photo of the files, folders (searched whole) and globs, but for what lies in the folders of the
    results and of the masks. ValueError if there is none, or if two would be written to one file."""
    others = [folder.resolve() for folder in (out, masks) if folder and folder.is_dir()]
    found = [one for path in photos for one in expand(path, others)]
    if not found:
        asked = ", ".join(map(str, photos)) or "what was given (nothing)"
        raise ValueError(f"there are no photos in {asked}; looked for {', '.join(CONTAINERS)}")
    one_file = out is not None and len(found) == 1 and out.suffix != "" and not out.is_dir()
    if out is not None and out.is_file() and not one_file:
        raise ValueError(f"--out is {out}, which is a file; name a folder (or, for one photo, a file with an ending)")
    jobs = []
    for photo, name in found:
        if out is None:
            target = photo.with_name(f"{photo.stem}{COMPLETED}{photo.suffix}")
        else:
            target = out if one_file else out / name
        jobs.append(Job(photo, name, target))
    target, count = Counter(job.out for job in jobs).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{count} of the photos would be written to {target}; complete them in separate calls")
    return jobs


def expand(path: Path, others: list[Path]) -> list[tuple[Path, Path]]:
    """(photo, its name in the result's folder) for a file, a folder without those of `others` below it, or a glob."""
    if path.is_dir():
        below = [folder for folder in others if path.resolve() in folder.parents]
        photos = [file for file in sorted(path.rglob("*")) if is_photo(file)]
        return [(photo, photo.relative_to(path)) for photo in photos if not set(below) & set(photo.resolve().parents)]
    if not path.exists() and glob.has_magic(str(path)):
        files = map(Path, sorted(glob.glob(str(path), recursive=True)))
        return [(file, Path(file.name)) for file in files if is_photo(file)]
    return [(path, Path(path.name))]


def is_photo(file: Path) -> bool:
    """Whether a file found in a folder is meant: not a mask, not a result of ours."""
    meant = file.suffix.lower() in CONTAINERS and not file.stem.endswith((SIDECAR, COMPLETED))
    return meant and not file.name.startswith(".") and file.is_file()
