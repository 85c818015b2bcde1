"""The patch operations as plainly as they can be said, one number after the other, in whole numbers of any size."""

from math import isqrt

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def nearer_by_loops(
    sources_MK: Tensor, targets_NK: Tensor, candidates_N: Tensor, best_N: Tensor, distance_N: Tensor, favour: float
) -> tuple[list[int], list[float]]:
    """`nearer_patches`, of tensors on any device."""
    sources, targets = ([[int(number) for number in row] for row in rows.tolist()] for rows in (sources_MK, targets_NK))
    best, distance = best_N.tolist(), distance_N.tolist()
    for n, candidate in enumerate(candidates_N.tolist()):
        if candidate >= 0 and candidate != best[n]:
            found = sum((a - b) ** 2 for a, b in zip(sources[candidate], targets[n], strict=True))
            found = min(found, 2**24)
            if np.float32(found) < np.float32(favour) * np.float32(distance[n]):
                best[n], distance[n] = candidate, float(found)
    return best, distance


def vote_by_loops(image_PC: Tensor, stride: int, patches_HW: Tensor, weights_HW: Tensor) -> NDArray[np.floating]:
    """`vote_patches`, of tensors on any device: the sums in Python's integers, one division of floats at the end."""
    image, patches, weights = (tensor.cpu().numpy() for tensor in (image_PC, patches_HW, weights_HW))
    height, width, channels = patches.shape[0] - 6, patches.shape[1] - 6, image.shape[1]
    voted = np.empty((height, width, channels), image.dtype)
    for y, x, channel in np.ndindex(voted.shape):
        weighted = total = 0
        for down in range(-3, 4):
            for right in range(-3 + (down + 3) % 2, 4, 2):
                weight = int(weights[y + 3 + down, x + 3 + right])
                row, column = divmod(int(patches[y + 3 + down, x + 3 + right]), stride)
                weighted += weight * int(image[(row - down) * stride + column - right, channel])
                total += weight
        voted[y, x, channel] = image.dtype.type(weighted) / image.dtype.type(max(total, 1))
    return voted


def row_at(distance: int, numbers: int) -> list[float]:
    """A row of so many whole numbers, the largest first, whose squared distance from zeros is `distance`."""
    row = []
    for _ in range(numbers):
        row.append(float(isqrt(distance)))
        distance -= isqrt(distance) ** 2
    assert distance == 0, "the row is too short for this distance"
    return row
