"""The options of engine-infer, and what they mean for each photo."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from data.scan import is_shard
from engine.commands.completion import CompletionConfig
from engine.inference.folders.mask_sources import MaskSource
from engine.inference.folders.options import Options
from engine.inference.holes.mask import parse_box
from engine.inference.masks.files import MaskOptions, split_labels
from engine.inference.masks.pictures import parse_colour

MOST_VARIANTS = 99


@dataclass(kw_only=True)
class InferConfig(CompletionConfig):
    """The options of engine-infer."""

    photos: tyro.conf.Positional[tuple[Path, ...]]
    """Photos, folders of photos (searched whole), or globs; or tar shards, or folders of these and no photos."""

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

    shadow: bool = False
    """Also complete the shadow of what is masked or selected: what touches it and is darker by one factor in all
    colours. A note says whether one was found, which is seldom where the ground has much of a pattern."""

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
    """Photos that one process reads ahead, and writes behind, while it completes one; several have one photo each."""

    processes: int | None = None
    """Processes that complete photos on disk side by side, with a thread each. Default: one for each CPU where there
    are many photos, and one for a few, on a GPU and with --watch."""

    watch: bool = False
    """Go on after that, and complete photos as they are put into the folders, until it is stopped. Photos that failed
    are tried again when they or their masks change. Needs '.[watch]'."""

    force: bool = False
    """Complete more than half of a photo, too, where its mask says so."""

    json: bool = False
    """One line of JSON for each photo, and one for the summary."""

    cluster: Annotated[str | None, tyro.conf.arg(metavar="{auto,local,HOST:PORT}")] = None
    """Divide the photos of folders or buckets among the processes of a Ray cluster: the one that runs here (auto), one
    of this machine's own for this call (local), or another. Needs '.[cluster]'."""

    actors: int | None = None
    """Processes on the cluster. Default: one for each GPU, or as many as it has CPUs for when the run starts."""

    actor_cpus: int = 1
    """CPUs of each process, which runs as many threads."""

    retry_failed: bool = False
    """Of a cluster's photos, those alone that an earlier report calls failed; of shards, those that results lack."""

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
        if self.processes is not None and self.watch:
            raise ValueError(
                "--processes and --watch are both given, and photos that arrive are completed by one; give one"
            )
        for name in ("processes", "actors", "actor_cpus"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"--{name.replace('_', '-')} is {number}; it must be at least 1")
        retry_alone = self.retry_failed and not any(is_shard(path.name) for path in self.photos)
        if self.cluster is None and (self.actors or retry_alone or self.actor_cpus > 1):
            raise ValueError(
                "--actors, --actor-cpus and --retry-failed are for a cluster: give --cluster, too (--retry-failed is "
                "also for shards that are named, as in FOLDER/*.tar)"
            )
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


def options_of(config: InferConfig, several: bool, mask: Path | None) -> Options:
    """The options of completing each photo, one of `several` or the only one, with masks from `mask`."""
    return Options(
        masks=MaskSource(
            holes=tuple(parse_box("--hole", hole) for hole in config.hole),
            boxes=tuple(parse_box("--select", box) for box in config.select),
            path=mask,
            options=MaskOptions(
                threshold=config.mask_threshold,
                invert=config.mask_invert,
                colour=config.mask_colour,
                resize=config.mask_resize,
                labels=split_labels(config.label),
            ),
        ),
        completion=config.options,
        shadow=config.shadow,
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
