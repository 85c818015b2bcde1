"""The RLE of Label Studio's brushes: bits, of which a head says how they are to be read."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.inference.masks.annotations.drawing import MOST_RUNS


def unpacked(rle: list[Any], length: int) -> NDArray[np.uint8]:
    """The bytes of Label Studio's RLE, which must be so many. ValueError if they are not, or it is damaged.

    After a head (32 bits: how many; 5: bits of a value; four times 4: bits of a length) come runs: a bit that tells a
    repeated value from single ones, two that choose the bits of the length, the length, the value or values.
    """
    if not all(isinstance(byte, int) and 0 <= byte < 256 for byte in rle):
        raise ValueError("a brush's RLE of it is damaged: it should be bytes from 0 to 255")
    bits = (np.unpackbits(np.array(rle, np.uint8)) + 48).tobytes().decode()
    place = 0

    def take(count: int) -> int:
        nonlocal place
        place += count
        if place > len(bits):
            raise ValueError("a brush's RLE of it is cut short")
        return int(bits[place - count : place], 2)

    if take(32) != length:
        raise ValueError(f"a brush's RLE of it is of another picture: its samples should be {length}")
    value_bits = take(5) + 1
    length_bits = [take(4) + 1 for _ in range(4)]
    out = np.zeros(length, np.uint8)
    done = steps = 0
    while done < length:
        repeated = take(1)
        count = take(length_bits[take(2)]) + 1
        end = min(done + count, length)
        if repeated:
            out[done:end] = take(value_bits) & 255
        else:
            for one in range(done, end):
                out[one] = take(value_bits) & 255
        done, steps = end, steps + 1
        if steps > MOST_RUNS:
            raise ValueError(f"a brush's RLE of it has more than {MOST_RUNS} runs")
    return out
