"""Detail: how much goes on within a patch, and how much should in the hole.

A network that was trained by squared errors draws things where they are, without their texture. The photo says how much
texture belongs there: as much as near patches of the same colour have.
"""

from collections.abc import Iterator

from engine.inference.texture.patches import PATCH, filters
from kernels.arrays import Array, namespace

COLOUR, NEAR = 12.0, 0.15
"""Standard deviations of the weights by which patches are alike: in grey levels, and in the hole's own size."""

SAMPLES = 300
"""Sources that are asked, about."""


def detail_of(coefficients_PK: Array) -> Array:
    """The standard deviation, in grey levels, of each patch's brightness about its plane; `detail_P`, fp32.

    In fp64, which holds the sums of such squares exactly.
    """
    xp = namespace(coefficients_PK)
    kept = [k for k, one in enumerate(filters()[1]) if one.channel == 0 and one.order > 1]
    kept_PK = xp.astype(coefficients_PK[:, kept[0] : kept[-1] + 1], xp.float64)
    return xp.astype(xp.sqrt(xp.vecdot(kept_PK, kept_PK) / PATCH**2), xp.float32)


def expected_detail(
    coefficients_PK: Array, detail_P: Array, source_P: Array, place_N: Array, size: float, width: int
) -> Array:
    """The mean detail of sources, those of a place's colour that are near it above all; `detail_N`, fp32.

    `size` is the hole's in pixels, `width` the image's. In fp64, so that the order in which it is summed cannot show in
    what is made of it.
    """
    xp = namespace(coefficients_PK)
    source_M = xp.nonzero(source_P)[0]
    source_M = source_M[:: max(1, source_M.shape[0] // SAMPLES)]
    means = [k for k, one in enumerate(filters()[1]) if one.order == 0]

    def features(place_N: Array) -> Iterator[Array]:
        for k in means:
            yield xp.astype(coefficients_PK[place_N, k], xp.float64) / (7 * COLOUR)
        for where_N in (place_N // width, place_N % width):
            yield xp.astype(where_N, xp.float64) / (NEAR * size)

    squared_NM = sum(
        (one_N[:, None] - one_M) ** 2 for one_N, one_M in zip(features(place_N), features(source_M), strict=True)
    )
    weight_NM = xp.exp((squared_NM - xp.min(squared_NM, axis=1, keepdims=True)) / -2)
    detail_N = weight_NM @ xp.astype(detail_P[source_M], xp.float64) / xp.sum(weight_NM, axis=1)
    return xp.astype(detail_N, xp.float32)
