"""The mean colour of the training photos, with which holes are filled before the network sees them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from data.catalog import Catalog
from data.decode import check, decode
from data.randomness import key_of, permute

_REDUCED = 8  # each 8x8 block of a JPEG gives one pixel, its mean: a fraction of the time of a full decode


def mean_pixel(
    catalog: Catalog,
    *,
    sample: int | None = None,
    seed: int = 0,
    threads: int = 2,
    step: Callable[[], None] = lambda: None,
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Mean RGB in [0, 1] over the photos, each photo weighing the same, and its standard error (None: nothing was
    sampled).

    From all photos, or from `sample` of them chosen by `seed` if there are more. Photos that cannot be decoded are
    passed over; ValueError if none can. `step` is called after each photo.
    """
    count = len(catalog)
    used = count if sample is None else min(sample, count)
    chosen_N = permute(np.arange(used), count, key_of(seed)) if used < count else np.arange(count)

    def mean_of(photo: int) -> NDArray[np.float64] | None:
        try:
            data = catalog.read(photo)
            pixels_HW3 = decode(data, _REDUCED if check(data).format == "jpeg" else 1)
        except ValueError:
            return None
        finally:
            step()
        return pixels_HW3.mean(axis=(0, 1))[::-1] / 255

    with ThreadPoolExecutor(threads) as pool:
        means = [mean for mean in pool.map(mean_of, chosen_N.tolist()) if mean is not None]
    if not means:
        raise ValueError(f"none of the {used} photos in {catalog.root} can be decoded: engine-data check tells why")
    mean_N3 = np.array(means)
    error_3 = mean_N3.std(axis=0, ddof=1) / np.sqrt(len(means)) if len(means) > 1 and used < count else None
    return mean_N3.mean(axis=0), error_3
