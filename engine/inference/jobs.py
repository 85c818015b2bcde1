"""The jobs of a call: the photos to complete, each with its mask and its result's file."""

import glob
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.sidecars import SIDECAR
from engine.inference.mask import Mask, cut_out, mask_of_holes
from engine.inference.mask_files import AS_IT_LOOKS, MaskOptions, read_mask
from engine.inference.photo import CONTAINERS, Photo


class NoMask(ValueError):
    """A photo for which no mask is given."""


COMPLETED = ".completed"
"""photo.completed.jpg is what photo.jpg becomes if no other name is given."""

MASK_ENDINGS = (".png", *(ending for ending in (*CONTAINERS, ".bmp", ".gif") if ending != ".png"))
"""Of mask files, in the order in which they are looked for."""

OTHER_PICTURES = {
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".hif", ".j2k", ".jp2", ".jpf", ".jpm", ".jpx", ".jxl", ".jxr", ".mpo",
    ".dcm", ".dds", ".exr", ".fit", ".fits", ".hdr", ".kra", ".ora", ".pbm", ".pcx", ".pgm", ".pnm", ".ppm", ".psb",
    ".psd", ".qoi", ".svg", ".tga", ".xcf",
    ".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".iiq", ".kdc", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf",
    ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",  # cameras' raw files
}  # fmt: skip
"""Endings of pictures that are not completed as they are: to be counted, so that nobody takes them for done."""


@dataclass(frozen=True, slots=True)
class Job:
    """One photo to complete."""

    photo: Path
    name: Path
    """The photo's path within the folder that was asked for."""
    out: Path
    variant: int = 0
    """Of several completions of one photo, which: added to the seed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskSource:
    """Where masks come from: rectangles, else a file or folder, else the photo's sidecar, else its alpha."""

    holes: tuple[tuple[int, int, int, int], ...] = ()
    path: Path | None = None
    options: MaskOptions = AS_IT_LOOKS

    def mask_for(self, job: Job, photo: Photo, notes: list[str]) -> tuple[Mask, bool]:
        """The mask of a photo, and whether it is the photo's own transparency; what was guessed goes to `notes`.

        NoMask if there is none, ValueError if it cannot be read.
        """
        size = photo.pixels_HW3.shape[:2]
        if self.holes:
            return mask_of_holes(self.holes, size), False
        if self.path and not self.path.is_dir():
            return read_mask(self.path, self.options, size, notes), False
        file = find_mask(self.path / job.name if self.path else job.photo, sidecar_only=self.path is None)
        if file:
            return read_mask(file, self.options, size, notes), False
        if self.path:
            raise NoMask(
                f"no mask for {job.photo} in the folder {self.path}: it needs {job.name.stem}.png there (or "
                "--missing-mask copy, if there is nothing to complete)"
            )
        if photo.alpha_HW is not None and photo.alpha_HW.min() == 0:
            return cut_out(photo.alpha_HW), True
        raise NoMask(
            f"no mask for {job.photo}. Give one of: --mask FILE (white is completed); --hole X,Y,WIDTH,HEIGHT; "
            f"a file {job.photo.stem}{SIDECAR}.png beside the photo, or fully transparent pixels in the photo itself"
        )


def area_for(path: Path | None, option: str, job: Job, size: tuple[int, ...], notes: list[str]) -> Mask | None:
    """The area of a photo of `size` that the mask `path`, or the one in the folder `path`, marks; None without a path.

    ValueError, which begins with the name of the command's `option`, if there is none or it cannot be read.
    """
    if path is None:
        return None
    file = find_mask(path / job.name, sidecar_only=False) if path.is_dir() else path
    if file is None:
        raise ValueError(f"{option}: no mask for {job.photo} in the folder {path}: it needs {job.name.stem}.png there")
    try:
        return read_mask(file, AS_IT_LOOKS, size, notes)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from error


def find_mask(photo: Path, sidecar_only: bool) -> Path | None:
    """The mask file beside where `photo` is or would be: photo.mask.png, or, in a folder of masks, photo.png.

    Without regard to case, as cameras write IMG_1.JPG and other programs IMG_1.mask.png, if none has the same case.
    """
    suffixes = (SIDECAR,) if sidecar_only else (SIDECAR, "")
    names = [photo.stem + suffix + ending for suffix in suffixes for ending in MASK_ENDINGS]
    for name in names:
        if photo.with_name(name).is_file():
            return photo.with_name(name)
    if not photo.parent.is_dir():
        return None
    there = {file.name.casefold(): file for file in sorted(photo.parent.iterdir(), reverse=True)}
    found = (there.get(name.casefold()) for name in names)
    return next((file for file in found if file and file.is_file()), None)


def find_jobs(
    photos: tuple[Path, ...], out: Path | None, masks: Sequence[Path | None] = (), variants: int = 1
) -> tuple[list[Job], Counter[str]]:
    """A job for each photo of the files, folders (searched whole) and globs, but for what lies in the folders of the
    results and of the masks; and how many pictures of other kinds, by their ending, lie there and are passed over.

    With several `variants` of each photo there are as many jobs, into files with -1, -2 and so on in their names.

    ValueError if there is no photo, or none where one is named, if two would be written to one file, or if `out` is no
    name for the results.
    """
    found, passed_over = search(photos, excluded_folders(out, *masks))
    if not found:
        asked = ", ".join(map(str, photos)) or "what was given (nothing)"
        raise ValueError(f"there are no photos in {asked}; looked for {', '.join(CONTAINERS)}")
    one_file = out is not None and is_file_name(out)
    if out is not None:
        check_out(out, one_file, len(found), searched=any(map(is_searched, photos)))
    jobs = []
    for photo, name in found:
        for variant in range(variants):
            number = f"-{variant + 1}" if variants > 1 else ""
            if out is None:
                target = photo.with_name(f"{photo.stem}{number}{COMPLETED}{photo.suffix}")
            else:
                target = out if one_file else out / name
                target = target.with_stem(target.stem + number)
            jobs.append(Job(photo, name, target, variant))
    target, count = Counter(job.out for job in jobs).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{count} of the photos would be written to {target}; complete them in separate calls")
    return jobs, passed_over


def is_file_name(out: Path) -> bool:
    """True if a result is to be written there, and not into a folder of that name."""
    return out.suffix.lower() in CONTAINERS and not out.is_dir()


def check_out(out: Path, one_file: bool, photos: int, searched: bool) -> None:
    """ValueError if the results cannot be written there, or something else is likely to be meant."""
    if str(out) == "-":
        raise ValueError("--out is -, and results are not written to standard output; name a file or a folder")
    if one_file and photos > 1:
        raise ValueError(f"--out is {out}, the name of one file, and there are {photos} photos; name a folder")
    if out.is_file() and not one_file:
        raise ValueError(
            f"--out is {out}, which is a file; name a folder (or, for one photo, a file that ends in one of "
            f"{', '.join(CONTAINERS)})"
        )
    if out.suffix and not (one_file or out.is_dir() or searched or photos > 1):
        raise ValueError(
            f"--out is {out}, and a photo's name must end in one of {', '.join(CONTAINERS)}; if a folder is meant, "
            "make it first"
        )


def excluded_folders(*paths: Path | None) -> list[Path]:
    """The folders of the results and of the masks, where no photos are looked for."""
    return [folder.resolve() for folder in paths if folder and folder.is_dir()]


def search(photos: tuple[Path, ...], excluded: list[Path]) -> tuple[list[tuple[Path, Path]], Counter[str]]:
    """(photo, its name in the result's folder) for files, for folders without those of `excluded` below them, and for
    globs; and how many pictures with each ending are none that can be completed.

    ValueError if there is neither file nor folder.
    """
    found: list[tuple[Path, Path]] = []
    passed_over: Counter[str] = Counter()
    for path in photos:
        if not is_searched(path):
            if not path.exists():
                raise ValueError(f"there is no photo or folder at {path}")
            found.append((path, Path(path.name)))
            continue
        for file, name in files_of(path, excluded):
            ending = file.suffix.lower()
            if is_mask_or_result(file) or not file.is_file():
                continue
            if ending in CONTAINERS:
                found.append((file, name))
            elif ending in OTHER_PICTURES:
                passed_over[ending] += 1
    return found, passed_over


def is_searched(path: Path) -> bool:
    """True if this is a folder or a glob, and not a file."""
    return path.is_dir() or (not path.exists() and glob.has_magic(str(path)))


def files_of(path: Path, excluded: list[Path]) -> list[tuple[Path, Path]]:
    """(file, its name in the result's folder) for all in a folder without those of `excluded` below it, or of a
    glob."""
    if path.is_dir():
        below = {folder for folder in excluded if path.resolve() in folder.parents}
        files = sorted(path.rglob("*"))
        return [
            (file, file.relative_to(path)) for file in files if not below or not below & set(file.resolve().parents)
        ]
    return [(file, Path(file.name)) for file in map(Path, sorted(glob.glob(str(path), recursive=True)))]


def is_mask_or_result(file: Path) -> bool:
    """True if a file's name is that of a mask, of a result of ours, or hidden."""
    return file.stem.lower().endswith((SIDECAR, COMPLETED)) or file.name.startswith(".")
