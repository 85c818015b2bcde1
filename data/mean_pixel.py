"""The mean colour of the training photos, with which holes are filled before the network sees them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from data.catalog import Catalog
from data.decode import check, decode
from data.headers import Unusable
from data.in_order import in_order
from data.randomness import key_of, permute

_REDUCED = 8  # each 8x8 block of a JPEG gives one pixel, its mean: a fraction of the time of a full decode


def mean_pixel(
    catalog: Catalog,
    *,
    sample: int | None = None,
    seed: int = 0,
    threads: int = 2,
    progress: Callable[[int], None] = lambda count: None,
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Mean RGB in [0, 1] over the photos, each photo weighing the same, and its standard error (None: nothing was
    sampled).

    From all photos, or from `sample` of them chosen by `seed` if there are more. Photos that cannot be decoded are
    passed over; ValueError if none can. `progress` is told how many photos are done.
    """
    if sample is not None and sample < 1:
        raise ValueError(f"sample {sample}: measure at least 1 photo, or all by giving none")
    count = len(catalog)
    used = count if sample is None else min(sample, count)
    chosen_N = permute(np.arange(used), count, key_of(seed)) if used < count else np.arange(count)

    def mean_of(photo: int) -> NDArray[np.float64] | None:
        try:
            data = catalog.read(photo)
            pixels_HW3 = decode(data, _REDUCED if check(data).format == "jpeg" else 1)
        except Unusable:
            return None
        return pixels_HW3.mean(axis=(0, 1))[::-1] / 255

    means = []
    with ThreadPoolExecutor(threads) as pool:
        for mean in in_order(pool, (partial(mean_of, photo) for photo in chosen_N.tolist()), ahead=4 * threads):
            if mean is not None:
                means.append(mean)
            progress(1)
    if not means:
        raise ValueError(f"none of the {used} photos in {catalog.root} can be decoded: engine-data check tells why")
    mean_N3 = np.array(means)
    error_3 = mean_N3.std(axis=0, ddof=1) / np.sqrt(len(means)) if len(means) > 1 and used < count else None
    return mean_N3.mean(axis=0), error_3
