"""engine-infer for photos in object stores, and for those of folders that a cluster completes."""

import json
import sys
from collections import Counter

from engine.cluster.shard_list import Shards
from engine.cluster.sources import absolute, is_file, sources_of
from engine.cluster.staging import Places, Staging
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
    for name in ("side_by_side", "save_mask", "watch"):
        if getattr(config, name):
            raise ValueError(f"--{name.replace('_', '-')} is for photos on disk, without --cluster: leave it out")
    if config.out is None:
        raise ValueError("photos of a store, or of a cluster, are not written beside themselves: name a place by --out")
    if is_file_name(config.out):
        raise ValueError(f"--out is {config.out}, the name of one file; of a store, or with --cluster, name a folder")
    if not config.photos:
        raise ValueError("no photos are named: give folders, files or globs")
    areas = (None if path is None else absolute(path) for path in (config.mask, config.sample, config.avoid))
    masks, sample, avoid = areas
    return Places(sources_of(config.photos), masks, absolute(config.out), sample, avoid)
