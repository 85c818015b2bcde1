"""The jobs of a call: the photos to complete, each with its result's file."""

import glob
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from data.scan import COMPRESSED
from data.sidecars import COMPLETED, SIDECAR, is_mask_beside, photo_of
from engine.inference.photos.formats.registry import CONTAINERS

SHARD = ".tar"
"""The ending of a shard, which is a file of many photos."""

OTHER_PICTURES = {
    ".bmp", ".gif", ".j2k", ".jp2", ".jpf", ".jpm", ".jpx", ".jxr", ".mpo",
    ".dcm", ".dds", ".exr", ".fit", ".fits", ".hdr", ".kra", ".ora", ".pbm", ".pcx", ".pgm", ".pnm", ".ppm", ".psb",
    ".psd", ".qoi", ".svg", ".tga", ".xcf",
    ".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".iiq", ".kdc", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf",
    ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",  # cameras' raw files
    SHARD,
}  # fmt: skip
"""Endings of pictures that are not completed as they are: to be counted, so that nobody takes them for done."""


class NoPhotos(ValueError):
    """Nothing to complete where photos were looked for."""


@dataclass(frozen=True, slots=True)
class Job:
    """One photo to complete."""

    photo: Path
    name: Path
    """The photo's path within the folder that was asked for."""
    out: Path
    variant: int = 0
    """Of several completions of one photo, which: added to the seed."""
    alone: bool = True
    """No other photo of the call has this name, in whatever folder."""
    masks: Path | None = None
    """The folder of its masks, where that is not the one of all photos."""
    sample: Path | None = None
    """The folder of its masks of where texture may be taken from."""
    avoid: Path | None = None
    """The folder of its masks of where texture may not be taken from."""
    called: tuple[str, str] | None = None
    """What people know the photo and its result as, where the files are copies."""

    @property
    def photo_called(self) -> str:
        """The photo's name for people."""
        return self.called[0] if self.called else str(self.photo)

    @property
    def out_called(self) -> str:
        """The result's name for people."""
        return self.called[1] if self.called else str(self.out)


class Transfer(Protocol):
    """How the files of jobs come from where they are, and results go where they belong. ValueError or OSError, which
    fail the photo alone."""

    def fetch(self, job: Job) -> None:
        """Put the job's photo and its masks where it says they are."""
        ...

    def deliver(self, job: Job) -> None:
        """Take the job's result from where it was written."""
        ...


def passed_over_as(name: str) -> str | None:
    """The ending of a picture, or of a tar file of these, that is not completed as it is; None of other files."""
    ending = next(filter(name.lower().endswith, COMPRESSED), None) or Path(name).suffix.lower()
    return ending if ending in OTHER_PICTURES or ending in COMPRESSED else None


def told_passed_over(pictures: Counter[str]) -> list[str]:
    """Lines that say which pictures are passed over, by their endings, and what can be done about it."""
    shards = pictures[SHARD]
    lines = [f"passed over: {shards} shard(s) among the photos, to be completed as FOLDER/*.tar"] if shards else []
    for what, endings in (
        ("compressed shards to be unpacked first", set(COMPRESSED)),
        ("pictures to be converted first", OTHER_PICTURES - {SHARD}),
    ):
        if named := ", ".join(f"{count} {ending}" for ending, count in sorted(pictures.items()) if ending in endings):
            lines.append(f"passed over, as {what}: {named}")
    return lines


def no_photos(where: str, pictures: Counter[str]) -> NoPhotos:
    """The error of there being none, but for what is passed over."""
    return NoPhotos(
        "; ".join([f"there are no photos in {where}; looked for {', '.join(CONTAINERS)}", *told_passed_over(pictures)])
    )


def find_jobs(
    photos: tuple[Path, ...], out: Path | None, masks: Sequence[Path | None] = (), variants: int = 1
) -> tuple[list[Job], Counter[str]]:
    """A job for each photo of the files, folders (searched whole) and globs, but for what lies in the folders of the
    results and of the masks; and how many pictures of other kinds, by their ending, lie there and are passed over.

    With several `variants` of each photo there are as many jobs, into files with -1, -2 and so on in their names.

    NoPhotos if there is none; ValueError if there is none where one is named, if two would be written to one file, or
    if `out` is no name for the results.
    """
    found, passed_over = search(photos, excluded_folders(out, *masks))
    if not found:
        asked = ", ".join(map(str, photos)) or "what was given (nothing)"
        raise no_photos(asked, passed_over)
    one_file = out is not None and is_file_name(out)
    if out is not None:
        check_out(out, one_file, len(found), searched=any(map(is_searched, photos)))
    jobs = []
    named = Counter(name.stem.casefold() for _, name in found)
    for photo, name in found:
        for variant in range(variants):
            number = f"-{variant + 1}" if variants > 1 else ""
            if out is None:
                target = photo.with_name(f"{photo.stem}{number}{COMPLETED}{photo.suffix}")
            else:
                target = out if one_file else out / name
                target = target.with_stem(target.stem + number)
            jobs.append(Job(photo, name, target, variant, alone=named[name.stem.casefold()] == 1))
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
            if not belongs_to_another(path, photos):
                found.append((path, Path(path.name)))
            continue
        for file, name in files_of(path, excluded):
            if is_mask_or_result(file) or is_mask_beside(file.parent, file.name) or not file.is_file():
                continue
            if file.suffix.lower() in CONTAINERS:
                found.append((file, name))
            elif other := passed_over_as(file.name):
                passed_over[other] += 1
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


def belongs_to_another(file: Path, photos: tuple[Path, ...]) -> bool:
    """True if a file is the mask of another of the photos, or its result: a shell's *.png names these, too."""
    stem = file.stem.lower()
    other = stem.removesuffix(COMPLETED) if stem.endswith(COMPLETED) else photo_of(file.name.lower())
    return any(other == photo.stem.lower() and file.parent == photo.parent for photo in photos if photo != file)
