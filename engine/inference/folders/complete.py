"""Completing many photo files: reading, completing and writing overlapped, errors kept to the photo that has them."""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from data.files import write_atomically
from data.in_order import in_order
from engine.inference.alpha import Layers, complete_layers
from engine.inference.completer import Completer
from engine.inference.folders.jobs import Job
from engine.inference.folders.mask_sources import NoMask, area_for
from engine.inference.folders.options import Options, Outcome
from engine.inference.folders.pictures import png_of, write_side_by_side
from engine.inference.holes.hidden import hidden_pixels
from engine.inference.holes.mask import Mask
from engine.inference.masks.remains import prepare_hole
from engine.inference.masks.shadows import shadows_of
from engine.inference.photos.lossless import check_lossless, write_losslessly
from engine.inference.photos.photo import Photo
from engine.inference.photos.reading import read_photo
from engine.inference.photos.writing import changes_of_kind, check_can_hold, check_sides, container_of, write_photo
from engine.inference.report import Report
from engine.inference.window_runner import is_out_of_memory

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Loaded:
    """A photo and what is to be completed of it, on their way through the stages."""

    outcome: Outcome
    photo: Photo | None = None
    hole_HW: Mask | None = None
    """The mask, widened."""
    sample_HW: Mask | None = None
    avoid_HW: Mask | None = None
    erased: bool = False
    """True if the mask is what was erased from the photo, which is opaque once it is completed."""
    completed: Photo | None = None
    """The photo as it is to be written."""
    to_be_copied: bool = False
    """True if there is nothing to complete, and the file is to be written as it is."""


def complete_files(
    completer: Completer, jobs: Iterable[Job], options: Options, in_flight: int = 2
) -> Iterator[Outcome]:
    """Complete each job's photo; its outcome, in order.

    `in_flight` photos are read ahead and as many written behind while one is completed.
    """
    with ThreadPoolExecutor(in_flight) as readers, ThreadPoolExecutor(in_flight) as writers:
        reads = in_order(readers, (partial(load, job, options) for job in jobs), ahead=in_flight - 1)
        yield from in_order(writers, completed(completer, reads, options), ahead=in_flight)


def completed(completer: Completer, reads: Iterator[Loaded], options: Options) -> Iterator[Callable[[], Outcome]]:
    """Complete one photo after the other; what is left is to write it."""
    for loaded in reads:
        complete_one(completer, loaded, options)
        yield partial(save, loaded, options, completer.spec.mean_pixel)
        del loaded  # its large arrays are the writer's alone


def load(job: Job, options: Options) -> Loaded:
    """Read a photo and its mask, unless the result is there already."""
    loaded = Loaded(Outcome(job))
    outcome = loaded.outcome
    with isolated(outcome):
        if options.transfer:
            with outcome.report.stage("fetch"):
                options.transfer.fetch(job)
        container = container_to_write(job, options.max_pixels)
        if job.out.exists() and not options.overwrite:
            if job.out.resolve() == job.photo.resolve():
                raise ValueError(f"{job.out} is the photo itself; give another --out, or --overwrite to replace it")
            outcome.status = "skipped"
            return loaded
        with outcome.report.stage("read"):
            loaded.photo = read_photo(job.photo, options.max_pixels)
            check_can_hold(container, loaded.photo)
            outcome.report.warnings += loaded.photo.notes + changes_of_kind(loaded.photo, container)
            if options.side_by_side:
                height, width = loaded.photo.pixels_HW3.shape[:2]
                check_sides(container_of(options.side_by_side), "--side-by-side", height, 3 * width)
            if options.lossless_outside:
                check_lossless(loaded.photo, job.out)
            try:
                mask_HW, loaded.erased = options.masks.mask_for(job, loaded.photo, outcome.report.warnings)
            except NoMask:
                if options.copy_missing:
                    return Loaded(outcome, to_be_copied=True)
                raise
            loaded.sample_HW, loaded.avoid_HW = (
                area_for(path, option, job, loaded.photo, outcome.report.warnings)
                for option, path in (
                    ("--sample", job.sample or options.sample),
                    ("--avoid", job.avoid or options.avoid),
                )
            )
        if options.copy_empty and not mask_HW.any():
            return Loaded(outcome, to_be_copied=True)
        if not mask_HW.any() and outcome.report.warnings:
            raise ValueError(f"the mask is empty: {'; '.join(outcome.report.warnings)}")
        with outcome.report.stage("mask"):
            mask_HW = wanted(mask_HW, loaded.photo, options, outcome.report.warnings)
        if options.save_mask:
            write_atomically(options.save_mask, png_of(mask_HW))
        outcome.size = loaded.photo.pixels_HW3.shape[:2]
        with outcome.report.stage("mask"):
            hidden_HW = hidden_of(loaded.photo, options)
            dilate, pixels_HW3 = options.completion.dilate, loaded.photo.pixels_HW3
            loaded.hole_HW = prepare_hole(pixels_HW3, mask_HW, dilate, outcome.report, hidden_HW)
        outcome.hole_pixels = int(np.count_nonzero(loaded.hole_HW))
    return loaded


def wanted(mask_HW: Mask, photo: Photo, options: Options, notes: list[str]) -> Mask:
    """The mask, with the shadows of what is in it if they are asked for; what was found goes to `notes`.

    ValueError if it is more of the photo than is meant.
    """
    if not options.force and not options.masks.holes:
        check_not_inverted(mask_HW)
    if not options.shadow:
        return mask_HW
    shadows = shadows_of(photo.pixels_HW3, mask_HW, hidden_of(photo, options))
    notes.append(shadows.note())
    both_HW = mask_HW | shadows.shadow_HW
    share = np.count_nonzero(both_HW) / both_HW.size
    if share > 0.5 and shadows.found and not options.force:
        raise ValueError(
            f"with the shadow that was found, {share:.0%} of the photo would be completed, and more than half of one "
            "is seldom meant: leave out --shadow, or give --force"
        )
    return both_HW


def hidden_of(photo: Photo, options: Options) -> Mask | None:
    """Where nobody sees the photo's colours, if there is such a place, without the note that its completion makes."""
    return hidden_pixels(photo.pixels_HW3, photo.alpha_HW, nodata_of(photo, options), Report())


def nodata_of(photo: Photo, options: Options) -> float | None:
    """The value of a photo's pixels without data, if there is one."""
    return photo.nodata if options.nodata is None else options.nodata


def check_not_inverted(mask_HW: Mask) -> None:
    """ValueError if more than half of a photo is to be completed: masks that say so are mostly inverted."""
    share = np.count_nonzero(mask_HW) / mask_HW.size
    if share > 0.5:
        raise ValueError(
            f"the mask marks {share:.0%} of the photo, and more than half of one is seldom meant: "
            "--mask-invert completes the rest instead, --force what is marked"
        )


def container_to_write(job: Job, max_pixels: int) -> str:
    """The format of a job's result. ValueError if none is written under its name, or, if that is the photo's own
    ending, as the photo cannot even be read."""
    try:
        return container_of(job.out)
    except ValueError:
        if job.out.suffix == job.photo.suffix:
            read_photo(job.photo, max_pixels)
        raise


def complete_one(completer: Completer, loaded: Loaded, options: Options) -> None:
    """Complete a photo that has neither failed nor been skipped."""
    outcome = loaded.outcome
    if outcome.status != "pending" or loaded.photo is None or loaded.hole_HW is None:
        return
    photo, before = loaded.photo, Layers(loaded.photo.pixels_HW3, loaded.photo.alpha_HW)
    with isolated(outcome):
        completed = complete_layers(
            completer,
            before,
            loaded.hole_HW,
            options.completion._replace(seed=options.completion.seed + outcome.job.variant),
            outcome.report,
            erased=loaded.erased,
            nodata=nodata_of(photo, options),
            sample_HW=loaded.sample_HW,
            avoid_HW=loaded.avoid_HW,
        )
        loaded.completed = replace(photo, **completed._asdict())
    if not (options.side_by_side or options.lossless_outside):
        loaded.photo = None  # it is large, and not needed any more


def save(loaded: Loaded, options: Options, mean_pixel: tuple[float, float, float]) -> Outcome:
    """Write the completed photo, if there is one."""
    outcome, result, before = loaded.outcome, loaded.completed, loaded.photo
    if loaded.to_be_copied:
        with isolated(outcome):
            content = outcome.job.photo.read_bytes()
            with writing(outcome.job.out):
                write_atomically(outcome.job.out, content)
            if options.transfer:
                options.transfer.deliver(outcome.job)
            outcome.status = "copied"
    if outcome.status != "pending" or loaded.hole_HW is None or result is None:
        return outcome
    with isolated(outcome):
        with outcome.report.stage("write"):
            with writing(outcome.job.out):
                if options.lossless_outside and before:
                    write_losslessly(outcome.job.out, replace(result, pixels_HW3=before.pixels_HW3), result.pixels_HW3)
                else:
                    write_photo(outcome.job.out, result, result.pixels_HW3)
            if options.side_by_side and before:
                three = before.pixels_HW3, loaded.hole_HW, result.pixels_HW3
                write_side_by_side(options.side_by_side, *three, mean_pixel)
        if options.transfer:
            with outcome.report.stage("deliver"):
                options.transfer.deliver(outcome.job)
        outcome.status = "completed"
    return outcome


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """An OSError in the block says that this file cannot be written, and why."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename and Path(error.filename) != path else ""
        raise OSError(f"cannot write {path}: {error.strerror or error}{where}; give another --out") from error


@contextmanager
def isolated(outcome: Outcome) -> Iterator[None]:
    """An error in the block fails this photo alone; of one that is the engine's own, the log has the traceback."""
    try:
        yield
    except Exception as error:
        said = str(error) or type(error).__name__
        if not (isinstance(error, ValueError | OSError) or is_out_of_memory(error)):
            log.exception("%s: an error of the engine's own, not of the photo", outcome.job.photo_called)
            said = f"{type(error).__name__}: {error} (an error of the engine's own: please report what the log says)"
        outcome.status, outcome.error = "failed", said
