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
from collections.abc import Iterable
from pathlib import Path

import tyro

from engine.cluster.shard_list import shards_in, shards_named
from engine.cluster.stores import is_remote
from engine.commands.ending import ends_in_a_line, log_to_stderr
from engine.commands.infer_config import InferConfig, options_of
from engine.commands.infer_places import complete_shards, complete_stores
from engine.commands.outcomes import exit_status, print_outcome, print_passed_over, print_summary
from engine.commands.progress import progress
from engine.inference.folders.jobs import Job, NoPhotos, find_jobs, is_searched
from engine.inference.folders.watching import arriving
from engine.inference.photos.writing import container_of


@ends_in_a_line("engine-infer")
def main() -> None:
    log_to_stderr()
    config = tyro.cli(InferConfig, prog="engine-infer", description=__doc__)
    check_alone()
    named = shards_named(config.photos)
    try:
        if not named:
            complete_photos(config)
    except NoPhotos:
        named = shards_in(config.photos)
        if not named:
            raise
    if named:
        raise SystemExit(exit_status(complete_shards(config, named)))


def complete_photos(config: InferConfig) -> None:
    """Complete photos that are files, and exit; or without end. NoPhotos if there are none."""
    if config.cluster or any(map(is_remote, (*config.photos, config.mask, config.sample, config.avoid, config.out))):
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
    counts = run(config, [jobs], several, once)
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


def check_picture(option: str, path: Path, jobs: list[Job], overwrite: bool) -> None:
    """ValueError if the picture of an option cannot be written to `path`, or would replace what it should not."""
    if len(jobs) > 1:
        raise ValueError(f"{option} is one picture and there are {len(jobs)} photos")
    container_of(path)
    if path.resolve() in (jobs[0].photo.resolve(), jobs[0].out.resolve()):
        raise ValueError(f"{option} is {path}, the photo or its result; give it a name of its own")
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists; give another {option}, or --overwrite to replace it")


def run(config: InferConfig, lists: Iterable[list[Job]], several: bool, once: bool = False) -> Counter[str]:
    """Complete the photos, list by list, and print each outcome; how many of each there were.

    `several` is False for one photo by its name, which has to have a mask with something in it; `once` is True for its
    variants, too, which are to be those that it has by itself.
    """
    completer = config.completer(config.weights, once)
    from engine.inference.folders.complete import complete_files

    options = options_of(config, several, config.mask)
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
