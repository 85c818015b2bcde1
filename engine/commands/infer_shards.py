"""engine-infer for photos in shards, on disk or in object stores."""

import sys
from collections import Counter

from data.scan import is_shard
from engine.cluster.shard_list import Named, Shards
from engine.cluster.sources import Source, absolute
from engine.cluster.staging import Places, Staging
from engine.cluster.stores import is_remote
from engine.commands.infer_config import InferConfig, options_of
from engine.commands.infer_stores import on_cluster
from engine.commands.outcomes import print_outcome, print_summary
from engine.commands.progress import progress
from engine.inference.folders.jobs import is_file_name


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


def places_of_shards(config: InferConfig, named: Named) -> Places:
    """Where shards, masks and results are. ValueError if an option does not go with shards."""
    for name in ("side_by_side", "save_mask", "watch", "sample", "avoid"):
        if getattr(config, name):
            raise ValueError(f"--{name.replace('_', '-')} is for photos that are files, not for shards: leave it out")
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
