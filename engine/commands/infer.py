"""engine-infer: complete the holes of photographs. Nothing else in them changes.

    engine-infer photo.jpg --hole 300,120,80,60     x, y, width, height
    engine-infer photo.jpg --mask mask.png          or a folder of masks
    engine-infer photo.jpg                          photo.mask.png beside it
    engine-infer photos/ --mask masks/ --out done/  many; torchrun divides them
    engine-infer photos/ --mask coco.json --label person
    engine-infer --watch incoming/ --out done/      and what comes later

Holes are what is white (or opaque) in a mask. Without one, they are the photo's own transparent pixels.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from engine.commands.completion import CompletionConfig
from engine.commands.ending import ends_in_a_line, log_to_stderr
from engine.commands.outcomes import print_outcome, print_summary
from engine.commands.progress import progress
from engine.inference.folders.complete import Options, complete_files
from engine.inference.folders.jobs import Job, find_jobs, is_searched
from engine.inference.folders.mask_sources import MaskSource
from engine.inference.folders.ranks import meet_others, own_device, rank_and_world, total
from engine.inference.folders.watching import arriving
from engine.inference.holes.mask import parse_box
from engine.inference.masks.files import MaskOptions, split_labels
from engine.inference.masks.pictures import parse_colour
from engine.inference.photos.writing import container_of

MOST_VARIANTS = 99


@dataclass(kw_only=True)
class InferConfig(CompletionConfig):
    """The options of engine-infer."""

    photos: tyro.conf.Positional[tuple[Path, ...]]
    """Photos, folders of photos (searched whole), or globs."""

    mask: Path | None = None
    """Mask for all photos, a folder with a mask of the same name for each, or the annotations of COCO, LabelMe, Label
    Studio, CVAT and others. White, opaque or annotated is completed. Default: what lies beside the photo as
    photo.mask.png or photo_mask001.png, then its fully transparent pixels, with the soft edge around them."""

    missing_mask: Literal["error", "copy"] = "error"
    """The treatment of a photo without a mask: copy writes its file as it is, as photos of a folder are whose masks are
    empty."""

    hole: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="X,Y,W,H")] = ()
    """Rectangle to complete, in pixels of the photo as it is displayed; may be repeated."""

    select: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="X,Y,W,H")] = ()
    """Box around a thing to complete: the thing is found in it, and the box is not completed. May be repeated."""

    save_mask: Path | None = None
    """Also write the mask here before it is widened, as a PNG, to look at and to paint on (for one photo)."""

    out: Path | None = None
    """File to write, as its ending says, or folder. Default: photo.completed.jpg beside photo.jpg."""

    overwrite: bool = False
    """Replace results that exist (else they are skipped), and the photo itself if --out says so."""

    side_by_side: Path | None = None
    """Also write a picture of input | holed | completed here (for one photo)."""

    lossless_outside: bool = False
    """In a JPEG, keep the coefficients of all blocks (8x8 to 16x16 pixels) outside the hole; else a JPEG is encoded
    again whole, with its own tables. A progressive file becomes a sequential one. Needs '.[jpeg]'."""

    mask_threshold: float | None = None
    """Share of the largest value that a mask could hold from which on it means a hole, whatever the mask looks like.
    Default: 0.5, or halfway between its own dark and bright; of a label map, all but the ground is a hole."""

    mask_colour: Annotated[str | None, tyro.conf.arg(metavar="RRGGBB")] = None
    """Complete what is painted in this colour in the mask, which may be a copy of the photo: FF0000 is red."""

    mask_resize: bool = False
    """Scale masks of another size to the photo's."""

    label: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="N,M")] = ()
    """Of a label map (a palette or a few flat colours), complete these: numbers, or colours as RRGGBB; of annotations,
    these categories; of a layered file, this layer or saved selection."""

    mask_invert: bool = False
    """Complete what masks leave black instead."""

    nodata: float | None = None
    """Pixels of this value in all channels hold no data: outside the hole they are neither looked at nor changed.
    Default: what a GeoTIFF declares."""

    sample: Path | None = None
    """Mask (or folder of masks) of where texture may be taken from: there alone. Of the photo's size."""

    avoid: Path | None = None
    """The same for where texture may not be taken from."""

    variants: int = 1
    """Write so many completions of each photo, with --seed and the numbers that follow: photo-1.completed.jpg, ..."""

    in_flight: int = 2
    """Photos read ahead, and written behind, while one is completed."""

    watch: bool = False
    """Go on after that, and complete photos as they are put into the folders, until it is stopped. Photos that failed
    are tried again when they or their masks change. Needs '.[watch]'."""

    force: bool = False
    """Complete more than half of a photo, too, where its mask says so."""

    json: bool = False
    """One line of JSON for each photo, and one for the summary."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mask_threshold is not None and not 0 < self.mask_threshold <= 1:
            raise ValueError(f"--mask-threshold is {self.mask_threshold}; it must be above 0 and at most 1")
        if self.mask_threshold is not None and self.label:
            raise ValueError("--mask-threshold and --label are both given, and labels have no brightness; give one")
        if self.mask_colour is not None:
            parse_colour(self.mask_colour)
            for name in ("hole", "select", "label", "mask_threshold"):
                if getattr(self, name):
                    option = name.replace("_", "-")
                    raise ValueError(f"--mask-colour and --{option} are both given, and say different things; give one")
        for name in ("hole", "select"):
            if getattr(self, name) and self.label:
                raise ValueError(f"--{name} and --label are both given, and only masks have labels; leave one out")
        if not 1 <= self.variants <= MOST_VARIANTS:
            raise ValueError(f"--variants is {self.variants}; it must be 1 to {MOST_VARIANTS}")
        if self.texture == "none":
            for name in ("sample", "avoid"):
                if getattr(self, name):
                    raise ValueError(f"--{name} and --texture none are both given, and no texture is taken; give one")
            if self.variants > 1:
                raise ValueError("--variants and --texture none are both given, and only textures vary; give one")
        if self.watch and self.overwrite:
            raise ValueError("--watch and --overwrite are both given, and every result would be made again; give one")
        if self.in_flight < 1:
            raise ValueError(f"--in-flight is {self.in_flight}; it must be at least 1")
        for name in ("hole", "select"):
            if getattr(self, name) and self.mask:
                raise ValueError(f"--{name} and --mask are both given; give one of them")
            if getattr(self, name) and self.mask_invert:
                raise ValueError(
                    f"--{name} and --mask-invert are both given, and only masks are inverted; leave one out"
                )
            for box in getattr(self, name):
                parse_box(f"--{name}", box)


@ends_in_a_line("engine-infer")
def main() -> None:
    log_to_stderr()
    config = tyro.cli(InferConfig, prog="engine-infer", description=__doc__)
    if config.watch:
        complete_as_they_arrive(config)
        return
    rank, world = rank_and_world()
    jobs, passed_over = jobs_of(config)
    if config.photos == (jobs[0].photo,) and config.variants == 1 and jobs[0].out.exists() and not config.overwrite:
        raise ValueError(f"{jobs[0].out} exists; give another --out, or --overwrite to replace it")
    for option, path in (("--side-by-side", config.side_by_side), ("--save-mask", config.save_mask)):
        if path:
            check_picture(option, path, jobs, config.overwrite)
    if config.save_mask and config.save_mask.suffix.lower() != ".png":
        raise ValueError(f"--save-mask is {config.save_mask}, and masks are written as PNG: give it the ending .png")
    others = meet_others()
    several = len(jobs) > 1 or any(map(is_searched, config.photos))
    counts = total(run(config, [jobs[rank::world]], several), others)
    if rank == 0 and (len(jobs) > 1 or config.json):
        print_summary(counts, config.json)
    if rank == 0 and passed_over:
        named = ", ".join(f"{count} {ending}" for ending, count in sorted(passed_over.items()))
        print(f"passed over, as pictures to be converted first: {named}", file=sys.stderr)
    # Under torchrun the other processes' exit would stop rank 0 before it has printed; its status is the job's.
    raise SystemExit(exit_status(counts) if rank == 0 else 0)


def jobs_of(config: InferConfig) -> tuple[list[Job], Counter[str]]:
    """The jobs that the options ask for, and what is passed over, as `find_jobs`."""
    return find_jobs(config.photos, config.out, (config.mask, config.sample, config.avoid), config.variants)


def complete_as_they_arrive(config: InferConfig) -> None:
    """Complete the photos that are there and those that come, without end."""
    check_watched(config)
    lists = arriving(lambda: jobs_of(config)[0], list(config.photos), config.mask)
    print(f"waiting for photos in {', '.join(map(str, config.photos))} (Ctrl+C ends it)", file=sys.stderr, flush=True)
    run(config, lists, several=True)


def check_watched(config: InferConfig) -> None:
    """ValueError if --watch cannot be met with the other options."""
    if not config.photos:
        raise ValueError("--watch waits for photos in folders, and none is named")
    for folder in config.photos:
        if not folder.is_dir():
            raise ValueError(f"--watch waits for photos in folders, and {folder} is none")
    for name in ("mask", "sample", "avoid"):
        path = getattr(config, name)
        if path and not path.exists():
            raise ValueError(f"--{name} is {path}, and nothing is there: make the folder first")
    for name in ("side_by_side", "save_mask"):
        if getattr(config, name):
            option = name.replace("_", "-")
            raise ValueError(f"--{option} is one picture, and --watch is for many photos; leave one out")
    if rank_and_world()[1] > 1:
        raise ValueError("--watch is for one process: start it without torchrun")


def exit_status(counts: Counter[str]) -> int:
    """0 if no photo failed, 3 if all of several did, and else 1."""
    if not counts["failed"]:
        return 0
    return 3 if counts["failed"] == counts.total() > 1 else 1


def check_picture(option: str, path: Path, jobs: list[Job], overwrite: bool) -> None:
    """ValueError if the picture of an option cannot be written to `path`, or would replace what it should not."""
    if len(jobs) > 1:
        raise ValueError(f"{option} is one picture and there are {len(jobs)} photos")
    container_of(path)
    if path.resolve() in (jobs[0].photo.resolve(), jobs[0].out.resolve()):
        raise ValueError(f"{option} is {path}, the photo or its result; give it a name of its own")
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists; give another {option}, or --overwrite to replace it")


def run(config: InferConfig, lists: Iterable[list[Job]], several: bool) -> Counter[str]:
    """Complete the photos, list by list, and print each outcome; how many of each there were.

    `several` is False for one photo by its name, which has to have a mask with something in it.
    """
    completer = config.completer(config.weights, own_device(config.device))
    options = Options(
        masks=MaskSource(
            holes=tuple(parse_box("--hole", hole) for hole in config.hole),
            boxes=tuple(parse_box("--select", box) for box in config.select),
            path=config.mask,
            options=MaskOptions(
                threshold=config.mask_threshold,
                invert=config.mask_invert,
                colour=config.mask_colour,
                resize=config.mask_resize,
                labels=split_labels(config.label),
            ),
        ),
        completion=config.options,
        overwrite=config.overwrite,
        max_pixels=config.max_pixels,
        side_by_side=config.side_by_side,
        save_mask=config.save_mask,
        copy_empty=several,
        copy_missing=config.missing_mask == "copy",
        nodata=config.nodata,
        sample=config.sample,
        avoid=config.avoid,
        force=config.force,
        lossless_outside=config.lossless_outside,
    )
    counts: Counter[str] = Counter()
    for jobs in lists:
        # With standard output in a file or a pipe, the bar would keep the outcomes from it: see `progress`.
        shown = len(jobs) > 1 and not config.json and sys.stdout.isatty()
        with progress("completing", len(jobs), shown) as advance:
            for outcome in complete_files(completer, jobs, options, config.in_flight):
                counts[outcome.status] += 1
                advance(1)
                print_outcome(outcome, config.json)
    return counts


if __name__ == "__main__":
    main()
