"""engine-infer for photos in object stores, in shards, and for those of folders that a cluster completes."""

import json
import sys
from collections import Counter

from data.scan import is_shard
from engine.cluster.shard_list import Named, Shards
from engine.cluster.sources import Source, absolute, is_file, sources_of
from engine.cluster.staging import Places, Staging
from engine.cluster.stores import is_remote
from engine.cluster.survey import survey
from engine.commands.infer_config import InferConfig, options_of
from engine.commands.outcomes import print_outcome, print_passed_over, print_summary
from engine.commands.progress import progress
from engine.inference.folders.jobs import is_file_name


def complete_stores(config: InferConfig) -> Counter[str]:
    """Complete all photos of a place that have no result yet, and print each outcome; how many of each there were.

    ValueError if an option does not go with it.
    """
    places = places_of(config)
    if config.cluster:
        return on_cluster(config, places)
    counts: Counter[str] = Counter()
    with survey(places, config.overwrite, variants=config.variants) as listing:
        left = listing.left()
        counts["skipped"] = listing.count() - left
        print_passed_over(listing.passed_over)
        completer = config.completer(config.weights, once=not is_several(config)) if left else None
        shown = not config.json and sys.stdout.isatty()
        with Staging(places) as staging, progress("completing", left, shown) as advance:
            options = staging.prepared(options_of(config, is_several(config), mask=None))
            for outcome in staging.complete(completer, listing.to_do(), options, config.in_flight) if completer else ():
                counts[outcome.status] += 1
                advance(1)
                print_outcome(outcome, config.json)
    print_summary(counts, config.json)
    return counts


def complete_shards(config: InferConfig, named: Named) -> Counter[str]:
    """Complete the photos of all shards that have no result yet, and print each outcome; how many of each there were,
    of which those that are skipped are shards.

    ValueError if an option does not go with shards.
    """
    places = places_of_shards(config, named)
    if config.cluster:
        shards = Shards(places, named, config.overwrite, config.retry_failed)
        return on_cluster(config, places, shards)
    shards = Shards(places, named, config.overwrite or config.retry_failed)
    counts = Counter(skipped=shards.count() - shards.left())
    if shards.left():
        counts += complete_here(config, places, shards)
    print_summary(counts, config.json)
    return counts


def complete_here(config: InferConfig, places: Places, shards: Shards) -> Counter[str]:
    """Complete shards by this process, and print each outcome; how many photos of each there were."""
    from engine.cluster.shards import complete_shard

    counts: Counter[str] = Counter()
    completer = config.completer(config.weights)
    shown = not config.json and sys.stdout.isatty()
    retry = config.retry_failed and not config.overwrite
    with Staging(places) as staging, progress("completing", shards.left(), shown) as advance:
        options = staging.prepared(options_of(config, several=True, mask=None))
        for shard in shards.to_do():
            here: Counter[str] = Counter()
            for outcome in complete_shard(places, completer, shard.name, options, config.in_flight, retry):
                here[outcome.status] += 1
                print_outcome(outcome, config.json)
            lost = outcome.status == "failed" and outcome.job.name.as_posix() == shard.name
            counts += Counter(failed=here["failed"]) if lost else here
            advance(1)
    return counts


def on_cluster(config: InferConfig, places: Places, shards: Shards | None = None) -> Counter[str]:
    """The same by the processes of a cluster, with a report and a line of JSON at the end."""
    from engine.cluster.driver import complete_on_cluster
    from engine.cluster.worker import Work

    work = Work(
        places=places,
        options=options_of(config, is_several(config), mask=None),
        runtime=config.runtime,
        precision=config.precision,
        device=config.device,
        once=not is_several(config),
        memory=None if config.memory is None else int(config.memory * 2**30),
        in_flight=config.in_flight,
        cpus=config.actor_cpus,
        variants=config.variants,
        shards=shards is not None,
        retry=config.retry_failed and not config.overwrite,
    )
    summary = complete_on_cluster(str(config.cluster), work, config.weights, config.actors, config.retry_failed, shards)
    print(json.dumps(summary), flush=True)
    return Counter(summary["summary"])


def is_several(config: InferConfig) -> bool:
    """False if the only photo is named, which has to have a mask with something in it."""
    return len(config.photos) > 1 or not is_file(config.photos[0])


def places_of(config: InferConfig) -> Places:
    """Where photos, masks and results are. ValueError if nothing is there, or an option does not go with it."""
    refuse(config, ("side_by_side", "save_mask", "watch"), "photos on disk, without --cluster")
    if config.out is None:
        raise ValueError("photos of a store, or of a cluster, are not written beside themselves: name a place by --out")
    if is_file_name(config.out):
        raise ValueError(f"--out is {config.out}, the name of one file; of a store, or with --cluster, name a folder")
    if not config.photos:
        raise ValueError("no photos are named: give folders, files or globs")
    areas = (None if path is None else absolute(path) for path in (config.mask, config.sample, config.avoid))
    masks, sample, avoid = areas
    return Places(sources_of(config.photos), masks, absolute(config.out), sample, avoid)


def places_of_shards(config: InferConfig, named: Named) -> Places:
    """Where shards, masks and results are. ValueError if an option does not go with shards."""
    here_alone = ("side_by_side", "save_mask", "watch", "sample", "avoid")
    refuse(config, here_alone, "photos that are files, not for shards")
    if config.variants > 1:
        raise ValueError("--variants is for photos that are files, not for shards; vary --seed and --out instead")
    if config.out is None:
        raise ValueError("results of shards are not written beside these: name a place by --out")
    if is_file_name(config.out) or (is_shard(config.out.name) and not config.out.is_dir()):
        raise ValueError(f"--out is {config.out}, and shards are written under their own names: name a folder")
    if config.mask and not is_remote(config.mask) and not config.mask.exists():
        raise ValueError(f"--mask is {config.mask}, and nothing is there")
    mask = config.mask and absolute(config.mask)
    return Places((Source(absolute(named.folder)),), mask, absolute(config.out))


def refuse(config: InferConfig, names: tuple[str, ...], meant_for: str) -> None:
    """ValueError if one of these options is given."""
    for name in names:
        if getattr(config, name):
            raise ValueError(f"--{name.replace('_', '-')} is for {meant_for}: leave it out")
