"""Decoding every photograph once, to know before training which cannot be used."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from data.catalog import Catalog
from data.decode import check, decode
from data.headers import Unusable
from data.in_order import in_order

_CHUNK = 100
_REDUCED = 8  # a JPEG is decompressed whole at any size: what is spared is the transform to pixels


def undecodable(
    catalog: Catalog, *, threads: int = 2, progress: Callable[[int], None] = lambda count: None
) -> dict[int, Unusable]:
    """The photos that cannot be decoded, each with its reason. `progress` is told how many photos are done."""

    def examine(photos: range) -> tuple[int, dict[int, Unusable]]:
        bad: dict[int, Unusable] = {}
        for i in photos:
            try:
                data, entry_size = catalog.read(i), catalog.stored_size(i)
                decode(data, _REDUCED if check(data, entry_size).format == "jpeg" else 1)
            except Unusable as reason:
                bad[i] = type(reason)(str(reason))  # anew: what was raised holds on to the photo's bytes
        return len(photos), bad

    starts = range(0, len(catalog), _CHUNK)
    found: dict[int, Unusable] = {}
    with ThreadPoolExecutor(threads) as pool:
        jobs = (partial(examine, range(start, min(start + _CHUNK, len(catalog)))) for start in starts)
        for done, bad in in_order(pool, jobs, ahead=4 * threads):
            found |= bad
            progress(done)
    return found
