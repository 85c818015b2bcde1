"""engine-evaluate: how good completions are on photos with known content, in one table.

    engine-evaluate photos/                         the engine's own weights
    engine-evaluate photos/ --against telea,ns      and OpenCV's inpainting
    engine-evaluate photos/ --weights default mine.safetensors  the same holes
    engine-evaluate photos/ --blend none            as in published tables
    engine-evaluate photos/ --size 512 --hole-size 90 150
    engine-evaluate photos/ --lpips alexnet-owt-7be5be79.pth
    engine-evaluate photos/ --fid inception-2015-12-05.pt

A blur pleases PSNR. What people see is told by the sharpness in the hole (of the original's; the median over photos)
and the distances of features and of textures from the original's.

Of each photo the largest square in its middle is taken, resized to --size; smaller photos are enlarged.
"""

import errno
import json
import logging
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any

import cv2
import tyro
from rich.console import Console
from rich.table import Table

from data.catalog import Catalog
from data.files import write_atomically
from data.sidecars import COMPLETION_BESIDE, MASK_BESIDE
from engine.commands.completion import NetworkConfig
from engine.commands.ending import ends_in_a_line, log_to_stderr
from engine.commands.progress import progress
from engine.comparison import DEFAULT, compared, in_words, verdict
from engine.evaluation import (
    HOLE_SIZE,
    RIVALS,
    SIZE,
    Case,
    HoleKind,
    Method,
    Task,
    by_network,
    evaluate,
    means,
    picture_grid,
)
from engine.inference.completer import Completer, CompletionOptions
from engine.learned_metrics import Fid, Lpips
from engine.metrics import BETTER
from engine.quality import FeatureDistance

log = logging.getLogger(__name__)

COLUMNS = {
    "l1_hole": ("L1 %\nhole", ".2f"),
    "psnr_hole": ("PSNR\nhole", ".2f"),
    "psnr": ("PSNR\nwhole", ".2f"),
    "ssim_hole": ("SSIM\nhole", ".3f"),
    "ssim": ("SSIM\nwhole", ".3f"),
    "seam": ("seam\nlevels", "+.1f"),
    "sharpness": ("sharp\nmedian", ".2f"),
    "feature_distance": ("feature\ndist.", ".2f"),
    "texture_distance": ("texture\ndist.", ".2f"),
    "lpips": ("LPIPS\nwhole", ".4f"),
    "fid": ("FID\nwhole", ".2f"),
    "seconds": ("seconds\na photo", ".3f"),
}
"""Heading and format of each column that the table may have."""

LEAST_SIZE, MOST_SIZE = 64, 1024
"""Of --size: LPIPS takes no less than 63 pixels, and texture distance 588 bytes for each pixel of the hole's box."""


@dataclass(kw_only=True)
class EvaluateConfig(NetworkConfig):
    """The options of engine-evaluate."""

    photos: tyro.conf.Positional[Path]
    """Folder of photos, of tar shards, or an index file."""

    weights: Annotated[tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction] = ()
    """Weights files; "default" is what comes with the engine, and is taken where none is named. May be repeated."""

    against: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME,NAME")] = ()
    """Ways without a network to compare with: telea, ns, smooth, patchmatch (which needs '.[patchmatch]'). May be
    repeated."""

    masks: HoleKind = "random"
    """A square in the middle, boxes at random places, strokes of a brush, or the masks beside the photos
    (photo.mask.png)."""

    size: int = SIZE
    """Side in pixels of the squares that are evaluated."""

    hole_size: tuple[int, int] = HOLE_SIZE
    """Smallest and largest side in pixels of the boxes at random places; the latter is also that of the square in the
    middle, and of the region that a stroke lies in."""

    seed: int = 0
    """The seed of random holes. The texture in them is the one that engine-infer gives first."""

    limit: int | None = None
    """Evaluate so many photos, spread evenly over the folder; by default all."""

    lpips: Path | None = None
    """File with AlexNet's weights, torchvision's alexnet-owt-7be5be79.pth: measures LPIPS, too."""

    fid: Path | None = None
    """File with the Inception network, StyleGAN2-ADA's inception-2015-12-05.pt: measures FID, too. Of a few hundred
    photos it comes out too large, and compares the rows of one table only. TorchScript: open no file you do not trust.
    """

    grid: Path | None = None
    """PNG file for a picture of the first weights' best, median and worst case. Replaced if it exists."""

    json: bool = False
    """Print one JSON document, with the scores of every photo, instead of the table."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if () in self.weights:
            raise ValueError("--weights names no file; name some, or leave it out for those that come with the engine")
        if unknown := [name for name in self.rivals if name not in RIVALS]:
            raise ValueError(f"--against names {unknown[0]!r}; it must be some of {', '.join(RIVALS)}")
        if not LEAST_SIZE <= self.size <= MOST_SIZE:
            raise ValueError(f"--size is {self.size}; it must be {LEAST_SIZE} to {MOST_SIZE} pixels")
        least, most = self.hole_size
        if self.masks != "beside" and not 1 <= least <= most < self.size:
            raise ValueError(
                f"--hole-size is {least} {most} and --size {self.size}; "
                "it must be two sides, the smaller one first, of 1 pixel or more and below --size"
            )
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"--limit is {self.limit}; it must be at least 1")
        if self.grid and self.grid.suffix.lower() != ".png":
            raise ValueError(f"--grid is {self.grid}; it must be the name of a .png file")

    @property
    def options(self) -> CompletionOptions:
        """The options of completion, which are the same for all holes."""
        return super().options._replace(seed=CompletionOptions().seed)

    @property
    def networks(self) -> list[str]:
        """The names in `weights`."""
        return [name for names in self.weights for name in names] or [DEFAULT]

    @property
    def rivals(self) -> list[str]:
        """The names in `against`."""
        return [name for names in self.against for name in names.split(",") if name]


@ends_in_a_line("engine-evaluate")
def main() -> None:
    """The command line. Exit status 1 if a photo could not be evaluated."""
    log_to_stderr()
    config = tyro.cli(EvaluateConfig, prog="engine-evaluate", description=__doc__)
    if config.grid:
        check_writable(config.grid)
    task = Task.of(Catalog.open(config.photos), config.masks, config.seed, config.limit, config.size, config.hole_size)
    if (masks := masks_beside(task)) and config.masks != "beside":
        log.warning("%d masks lie beside photos and are no photos: --masks beside evaluates in them", masks)
    completers = {name: config.completer(Path(name)) for name in config.networks}
    methods = methods_of(config, completers)
    lpips = Lpips.load(config.lpips) if config.lpips else None
    fid = Fid.load(config.fid) if config.fid else None
    features = FeatureDistance.load()
    cases = []
    with progress("evaluating", len(task.photos)) as advance:
        for case in evaluate(task, methods, lpips, fid, features):
            cases.append(case)
            advance(1)
    if not cases:
        raise ValueError(f"none of the {len(task.photos)} photos of {config.photos} can be decoded")
    if config.grid:
        picture_HW3 = picture_grid(task, cases, methods, next(iter(methods)))
        write_atomically(config.grid, cv2.imencode(".png", picture_HW3[..., ::-1])[1].tobytes())
    scores = means(cases, fid)
    if config.json:
        print(json.dumps(document(config, task, cases, scores, completers)))
    else:
        print_table(config, task, cases, scores)
    raise SystemExit(left_out(config, task, cases) > 0)


def check_writable(path: Path) -> None:
    """OSError if no file can be written at `path`: to be known before hours of work and not after."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=path.parent):
        pass
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder; name a file", str(path))


def methods_of(config: EvaluateConfig, completers: dict[str, Completer]) -> dict[str, Method]:
    """The ways that are compared, by name: the weights, then their rivals."""
    networks = {name: by_network(completer, config.options) for name, completer in completers.items()}
    return networks | {name: RIVALS[name] for name in config.rivals}


def print_table(config: EvaluateConfig, task: Task, cases: list[Case], scores: dict[str, dict[str, float]]) -> None:
    """The means, a row for each way to complete, which direction is better, and the differences from the others."""
    columns = {key: column for key, column in COLUMNS.items() if key in next(iter(scores.values()))}
    title = f"{len(cases)} photos at {task.size}x{task.size}, {config.masks} holes, seed {config.seed}"
    table = Table(title=title, box=None, padding=(0, 1, 0, 0), pad_edge=False)  # which fits 80 columns
    table.add_column("", overflow="fold")
    for heading, _ in columns.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for name, values in scores.items():
        cells = [(values[key], style) for key, (_, style) in columns.items()]
        table.add_row(name, *("-" if isnan(value) else format(value, style) for value, style in cells))
    console = Console(markup=False, emoji=False, highlight=False)  # names of files are no markup
    console.print(table)
    console.print(directions(columns))
    for subject, differences in compared(cases).items():
        for name, (mean, error) in differences.items():
            console.print(f"{subject}: {in_words(name, mean, error)} ({BETTER[name]}): {verdict(name, mean, error)}")
    enlarged = sum(min(task.catalog.size(case.photo)) < task.size for case in cases)
    if enlarged:
        console.print(f"{enlarged} photos are smaller than {task.size}x{task.size} and were enlarged")
    if config.grid:
        console.print(f"pictures: {config.grid}", soft_wrap=True)


def directions(columns: dict[str, tuple[str, str]]) -> str:
    """The direction of each of the table's columns, in words."""
    said: dict[str, list[str]] = {}
    for key, (heading, _) in columns.items():
        word = heading.partition("\n")[0]
        if word not in said.setdefault(BETTER[key], []):
            said[BETTER[key]].append(word)
    return "; ".join(f"{direction}: {', '.join(words)}" for direction, words in said.items())


def left_out(config: EvaluateConfig, task: Task, cases: list[Case]) -> int:
    """The number of photos that could not be evaluated. Where all were asked for, those count that are not in the
    catalog."""
    no_photos = (MASK_BESIDE, COMPLETION_BESIDE)
    bad = sum(photo.reason not in no_photos for photo in task.catalog.bad) if config.limit is None else 0
    return len(task.photos) - len(cases) + bad


def masks_beside(task: Task) -> int:
    """The number of files in the folder that are masks of its photos."""
    return sum(photo.reason == MASK_BESIDE for photo in task.catalog.bad)


def document(
    config: EvaluateConfig,
    task: Task,
    cases: list[Case],
    scores: dict[str, dict[str, float]],
    completers: dict[str, Completer],
) -> dict[str, Any]:
    """All that was asked and measured, for machines."""
    return {
        "photos": len(cases),
        "left_out": left_out(config, task, cases),
        "masks_beside": masks_beside(task),
        **{name: getattr(config, name) for name in ("size", "hole_size", "masks", "seed", "blend", "scale", "texture")},
        # What "auto" became, for each weights by itself; known only after they have run.
        "runtime": {name: completer.runtime.name for name, completer in completers.items()},
        "precision": {name: completer.runtime.precision for name, completer in completers.items()},
        "means": {name: told(values) for name, values in scores.items()},
        "differences": {
            subject: {name: value._asdict() for name, value in differences.items()}
            for subject, differences in compared(cases).items()
        },
        "cases": [
            {"photo": task.catalog.name(case.photo)} | {name: measured(case, name) for name in case.scores}
            for case in cases
        ],
    }


def measured(case: Case, name: str) -> dict[str, float | None]:
    """All that was measured of one photo, completed in one way."""
    lpips = {"lpips": case.lpips[name]} if case.lpips else {}
    return told(asdict(case.scores[name]) | asdict(case.looks[name]) | lpips)


def told(values: dict[str, float]) -> dict[str, float | None]:
    """The values, with None for NaN: what cannot be told of small holes. JSON has no NaN."""
    return {key: None if isnan(value) else value for key, value in values.items()}


if __name__ == "__main__":
    main()
