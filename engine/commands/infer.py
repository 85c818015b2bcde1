"""engine-infer: complete the holes of photographs. Nothing else in them changes.

    engine-infer photo.jpg --hole 300,120,80,60     x, y, width, height
    engine-infer photo.jpg --mask mask.png          or a folder of masks
    engine-infer photo.jpg                          photo.mask.png beside it
    engine-infer photos/ --mask masks/ --out done/  many; --cluster divides them
    engine-infer photos/ --mask coco.json --label person
    engine-infer --watch incoming/ --out done/      and what comes later
    engine-infer shards/ --out done/                tar shards (WebDataset)
    engine-infer s3://b/photos --out s3://b/done --cluster local    any number

Holes are what is white (or opaque) in a mask. Without one, they are the photo's own transparent pixels.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from data.scan import is_compressed_shard, is_shard
from engine.cluster.stores import is_remote
from engine.commands.ending import ends_in_a_line, log_to_stderr
from engine.commands.infer_config import InferConfig, options_of
from engine.commands.outcomes import exit_status, print_outcome, print_passed_over, print_summary
from engine.commands.progress import progress
from engine.commands.start import without_typeguard
from engine.inference.folders.jobs import Job, NoPhotos, find_jobs, is_searched
from engine.inference.folders.watching import arriving
from engine.inference.photos.writing import container_of

if TYPE_CHECKING:
    from engine.cluster.shard_list import Named
    from engine.inference.folders.options import Outcome

Completing = Callable[[list[Job]], "Iterator[Outcome]"]
"""Completes the photos of jobs; their outcomes, in order."""


@ends_in_a_line("engine-infer")
def main() -> None:
    log_to_stderr()
    with without_typeguard():
        config = tyro.cli(InferConfig, prog="engine-infer", description=__doc__)
    check_alone()
    # What one photo on disk does not need is loaded where it is needed.
    named = named_shards(config.photos)
    try:
        if not named:
            complete_photos(config)
    except NoPhotos:
        from engine.cluster.shard_list import shards_in

        named = shards_in(config.photos)
        if not named:
            raise
    if named:
        from engine.commands.infer_places import complete_shards

        check_no_processes(config)
        raise SystemExit(exit_status(complete_shards(config, named)))


def named_shards(photos: tuple[Path, ...]) -> "Named | None":
    """The shards that are named, as `shards_named` finds them."""
    if not any(is_shard(path.name) or is_compressed_shard(path.name) for path in photos):
        return None
    from engine.cluster.shard_list import shards_named

    return shards_named(photos)


def complete_photos(config: InferConfig) -> None:
    """Complete photos that are files, and exit; or without end. NoPhotos if there are none."""
    if config.cluster or any(map(is_remote, (*config.photos, config.mask, config.sample, config.avoid, config.out))):
        from engine.commands.infer_places import complete_stores

        check_no_processes(config)
        raise SystemExit(exit_status(complete_stores(config)))
    if config.watch:
        complete_as_they_arrive(config)
        return
    jobs, passed_over = jobs_of(config)
    if config.photos == (jobs[0].photo,) and config.variants == 1 and jobs[0].out.exists() and not config.overwrite:
        raise ValueError(f"{jobs[0].out} exists; give another --out, or --overwrite to replace it")
    for option, path in (("--side-by-side", config.side_by_side), ("--save-mask", config.save_mask)):
        if path:
            check_picture(option, path, jobs, config.overwrite)
    if config.save_mask and config.save_mask.suffix.lower() != ".png":
        raise ValueError(f"--save-mask is {config.save_mask}, and masks are written as PNG: give it the ending .png")
    several = len(jobs) > 1 or any(map(is_searched, config.photos))
    once = len(config.photos) == 1 and not is_searched(config.photos[0])
    counts = run(config, [jobs], completing_with(config, several, once, jobs))
    if len(jobs) > 1 or config.json:
        print_summary(counts, config.json)
    print_passed_over(passed_over)
    raise SystemExit(exit_status(counts))


def check_alone() -> None:
    """ValueError if torchrun has started this as one of several processes, each of which would complete all photos."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return
    from engine.torchrun import started_by_launcher

    if started_by_launcher():
        raise ValueError(
            f"torchrun has started {os.environ['WORLD_SIZE']} processes, and each would complete all photos: start the "
            "command once, without it, and with --cluster local (--cluster auto on several machines: docs/cluster.md)"
        )


def check_no_processes(config: InferConfig) -> None:
    """ValueError if --processes is given."""
    if config.processes is not None:
        raise ValueError(
            f"--processes is {config.processes}, and it is for photos on disk: buckets, shards and clusters have "
            "--cluster local --actors N"
        )


def jobs_of(config: InferConfig) -> tuple[list[Job], Counter[str]]:
    """The jobs that the options ask for, and what is passed over, as `find_jobs`."""
    return find_jobs(config.photos, config.out, (config.mask, config.sample, config.avoid), config.variants)


def complete_as_they_arrive(config: InferConfig) -> None:
    """Complete the photos that are there and those that come, without end."""
    check_watched(config)
    lists = arriving(lambda: jobs_of(config)[0], list(config.photos), config.mask)
    print(f"waiting for photos in {', '.join(map(str, config.photos))} (Ctrl+C ends it)", file=sys.stderr, flush=True)
    run(config, lists, completing_with(config, several=True))


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


def check_picture(option: str, path: Path, jobs: list[Job], overwrite: bool) -> None:
    """ValueError if the picture of an option cannot be written to `path`, or would replace what it should not."""
    if len(jobs) > 1:
        raise ValueError(f"{option} is one picture and there are {len(jobs)} photos")
    container_of(path)
    if path.resolve() in (jobs[0].photo.resolve(), jobs[0].out.resolve()):
        raise ValueError(f"{option} is {path}, the photo or its result; give it a name of its own")
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists; give another {option}, or --overwrite to replace it")


def completing_with(config: InferConfig, several: bool, once: bool = False, jobs: Sequence[Job] = ()) -> Completing:
    """A function that completes photos: in this process, or `jobs` in several where that is asked for or faster.

    `several` is False for one photo by its name, which has to have a mask with something in it; `once` is True for its
    variants, too, which are to be those that it has by itself. ValueError if the network cannot be had.
    """
    left = sum(config.overwrite or not job.out.exists() for job in jobs)
    if left > 1:
        from engine.commands.infer_processes import complete_in_processes, processes_for

        count = processes_for(config, left)
        if count > 1:
            return partial(complete_in_processes, config, count, once)
    completer = config.completer(config.weights, once)
    from engine.inference.folders.complete import complete_files

    return partial(
        complete_files, completer, options=options_of(config, several, config.mask), in_flight=config.in_flight
    )


def run(config: InferConfig, lists: Iterable[list[Job]], completing: Completing) -> Counter[str]:
    """Complete the photos, list by list, and print each outcome; how many of each there were."""
    counts: Counter[str] = Counter()
    for jobs in lists:
        # With standard output in a file or a pipe, the bar would keep the outcomes from it: see `progress`.
        shown = len(jobs) > 1 and not config.json and sys.stdout.isatty()
        with progress("completing", len(jobs), shown) as advance:
            for outcome in completing(jobs):
                counts[outcome.status] += 1
                advance(1)
                print_outcome(outcome, config.json)
    return counts


if __name__ == "__main__":
    main()
