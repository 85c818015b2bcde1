"""The inner loop of a search for similar patches: try one source patch for each target, keep the nearer one.

Patches are rows of descriptors with integer values in fp32, which adds integers without rounding up to 2**24: every
implementation, order of summation and number of threads gives the same bits.

Bytes moved per target with K numbers in a descriptor: 8 K + 32 (two rows; candidate, best and distance; the results),
or 32 where the candidate is none or already the best. The plain version writes and reads rows and differences besides,
28 K more.
"""

from kernels.arrays import Array, check_device, namespace, runs_in_triton

FARTHEST = 2.0**24
"""The distance that larger ones count as. Squares that add up to more are rounded, in each order differently, but in
every one they come to at least this."""


def nearer_patches(
    sources_MK: Array, targets_NK: Array, candidates_N: Array, best_N: Array, distance_N: Array, favour: float
) -> tuple[Array, Array]:
    """The better of `best_N` and `candidates_N` for each target, with its distance: (best_N, distance_N), new arrays.

    `sources_MK` and `targets_NK` are fp32 with integer values; candidates and best are int64 rows of the sources, a
    negative candidate is none. `distance_N` is fp32, the squared distance of the best. A candidate wins where its own
    is less than `favour` times that, rounded to fp32: more than 1 favours candidates. One that is farther than FARTHEST
    counts as that far.

    All are NumPy arrays or all tensors, else it is a TypeError; ValueError if shapes, dtypes or devices are others.
    """
    check(sources_MK, targets_NK, candidates_N, best_N, distance_N)
    if runs_in_triton("nearer_patches", sources_MK):
        from kernels.gpu.nearer_patches import launch

        return launch(sources_MK, targets_NK, candidates_N, best_N, distance_N, favour)
    return nearer_patches_reference(sources_MK, targets_NK, candidates_N, best_N, distance_N, favour)


def nearer_patches_reference(
    sources_MK: Array, targets_NK: Array, candidates_N: Array, best_N: Array, distance_N: Array, favour: float
) -> tuple[Array, Array]:
    """`nearer_patches` in plain array operations; only candidates that are another than the best are compared."""
    xp = namespace(sources_MK)
    tried_T = xp.nonzero((candidates_N >= 0) & (candidates_N != best_N))[0]
    rows_TK = xp.take(sources_MK, xp.take(candidates_N, tried_T), axis=0)
    rows_TK -= xp.take(targets_NK, tried_T, axis=0)
    found_T = squared_lengths(rows_TK)
    found_T[found_T > FARTHEST] = FARTHEST
    won_T = found_T < favour * xp.take(distance_N, tried_T)
    won_W = tried_T[won_T]
    new_best_N, new_distance_N = xp.asarray(best_N, copy=True), xp.asarray(distance_N, copy=True)
    new_best_N[won_W] = xp.take(candidates_N, won_W)
    new_distance_N[won_W] = found_T[won_T]
    return new_best_N, new_distance_N


def squared_lengths(rows_NK: Array) -> Array:
    """The sum of each row's squares, `lengths_N`; the rows are squared in place.

    As a product with ones, which takes a fifth of the time that NumPy needs to sum up so short rows.
    """
    xp = namespace(rows_NK)
    rows_NK *= rows_NK
    return rows_NK @ xp.ones(rows_NK.shape[1], dtype=rows_NK.dtype, device=rows_NK.device)


def check(sources_MK: Array, targets_NK: Array, candidates_N: Array, best_N: Array, distance_N: Array) -> None:
    """ValueError if the arguments of `nearer_patches` do not belong together."""
    xp = namespace(sources_MK, targets_NK, candidates_N, best_N, distance_N)
    for name, descriptors in (("sources", sources_MK), ("targets", targets_NK)):
        if descriptors.ndim != 2 or descriptors.shape[1] == 0 or descriptors.dtype != xp.float32:
            raise ValueError(
                f"{name} is {descriptors.dtype} of shape {tuple(descriptors.shape)}; it must be float32, "
                "one row of at least one number for each patch"
            )
    count, width = targets_NK.shape
    if sources_MK.shape[1] != width:
        raise ValueError(f"sources have descriptors of {sources_MK.shape[1]} numbers, targets of {width}")
    check_device("targets", targets_NK, "sources", sources_MK)
    for name, values, dtype in (
        ("candidates", candidates_N, "int64"),
        ("best", best_N, "int64"),
        ("distance", distance_N, "float32"),
    ):
        if values.shape != (count,) or values.dtype != getattr(xp, dtype):
            raise ValueError(
                f"{name} is {values.dtype} of shape {tuple(values.shape)}; it must be {dtype} of shape ({count},)"
            )
        check_device(name, values, "sources", sources_MK)
