"""The inner loop of patch synthesis: each pixel is the weighted mean of what the patches that cover it have there.

Every second one is asked, as the black squares of a chessboard: all of them draw no better (docs/measurements.md).

Weights are integers up to WEIGHT and colours integers up to 255 in fp32, so that their sums stay below 2**24 and are
exact (16-bit colours are summed in fp64), and the division is IEEE's: the same bits from every implementation and any
number of threads.

Bytes moved per pixel of C channels in fp32: 25 patches with 8 of index, 4 of weight and 4 C of colour, mostly from a
cache, and 4 C written: 612 for RGB. The plain version: 25 times 136, for 8 of index and the reads and writes of
picking colours (32), weighing them (48) and adding them up (48).
"""

from kernels.arrays import Array, check_device, check_same, namespace, runs_in_triton

REACH = 3
"""Pixels from a patch's middle to its border: patches of 7x7."""

STEP = 2
"""Of the patches that cover a pixel, numbered row by row, those that are asked are so many apart."""

WEIGHT = 1023.0
"""The largest weight: 25 patches of it with colours of 255 sum to 6.5 million."""

PLACES = 6000
"""Places that the plain version sums up at once, so that they stay in a core's cache."""


def vote_patches(image_PC: Array, stride: int, patches_HW: Array, weights_HW: Array) -> Array:
    """`voted_hwC`, fp32 or fp64, of H - 6 rows and W - 6 columns: for each pixel the weighted mean over every
    second one of 7x7 patches.

    `image_PC` has the colours of an image of `stride` columns, pixel after pixel, integers in fp32 or fp64.
    `patches_HW`, int64, says for the patch in the middle of each place which pixel of the image its own middle is;
    `weights_HW`, in the image's dtype, is an integer of 0 (no patch; the pixel it names must still have 3 around it) to
    WEIGHT. A pixel without a patch is 0.

    All are NumPy arrays or all tensors, else it is a TypeError; ValueError if shapes, dtypes or devices are others.
    """
    check(image_PC, stride, patches_HW, weights_HW)
    if runs_in_triton("vote_patches", image_PC):
        from kernels.gpu.vote_patches import launch

        return launch(image_PC, stride, patches_HW, weights_HW)
    return vote_patches_reference(image_PC, stride, patches_HW, weights_HW)


def vote_patches_reference(image_PC: Array, stride: int, patches_HW: Array, weights_HW: Array) -> Array:
    """`vote_patches` in plain array operations: for a run of places, one pixel of their patches after the other.

    Places are numbered row by row. The patch whose middle is `down` rows below and `right` columns after a pixel's is
    then always the same number of places ahead; the last 6 places of a row have no such patches, and are left out.
    """
    xp = namespace(image_PC)
    (height, width), side = patches_HW.shape, 2 * REACH + 1
    # One more channel of ones, whose weighted sum is that of the weights.
    depth = image_PC.shape[1] + 1
    image_PD = xp.ones((image_PC.shape[0], depth), dtype=image_PC.dtype, device=image_PC.device)
    image_PD[:, :-1] = image_PC
    pixels_P = as_numbers(image_PD)
    weights_ND = xp.repeat(xp.reshape(weights_HW, (-1,)), depth)
    # From a patch's first pixel on, all others lie ahead.
    corners_N = xp.reshape(patches_HW, (-1,)) - REACH * (stride + 1)
    rows = height - side + 1
    sum_ND = xp.zeros(rows * width * depth, dtype=image_PC.dtype, device=image_PC.device)
    last = rows * width - side + 1
    for first in range(0, last, PLACES):
        count = min(PLACES, last - first)
        run_ND = sum_ND[first * depth : (first + count) * depth]
        for down, right in (divmod(place, side) for place in range(0, side * side, STEP)):
            # The patch that lies `down` and `right` ahead has this pixel as far from its own last one.
            pixel = (side - 1 - down) * stride + side - 1 - right
            patch = first + down * width + right
            colours_N = xp.take(pixels_P[pixel:], corners_N[patch : patch + count], axis=0)
            colours_ND = xp.reshape(colours_N.view(image_PC.dtype), (-1,))
            colours_ND *= weights_ND[patch * depth : (patch + count) * depth]
            run_ND += colours_ND
    sum_hwD = xp.reshape(sum_ND, (rows, width, depth))[:, : width - side + 1]
    total_hw1 = sum_hwD[..., -1:]
    return sum_hwD[..., :-1] / xp.where(total_hw1 > 0, total_hw1, xp.ones_like(total_hw1))


def as_numbers(image_PD: Array) -> Array:
    """The same memory, each pixel of 16 bytes as one complex number: picking those is three times as fast as rows."""
    xp = namespace(image_PD)
    if image_PD.shape[1] * image_PD.itemsize == 16:
        return image_PD.view(xp.complex128)[:, 0]
    return image_PD


def check(image_PC: Array, stride: int, patches_HW: Array, weights_HW: Array) -> None:
    """ValueError if the arguments of `vote_patches` do not belong together."""
    xp, side = namespace(image_PC, patches_HW, weights_HW), 2 * REACH + 1
    if image_PC.ndim != 2 or image_PC.shape[1] == 0 or image_PC.dtype not in (xp.float32, xp.float64):
        raise ValueError(
            f"image is {image_PC.dtype} of shape {tuple(image_PC.shape)}; it must be float32 or float64, "
            "one row of at least one channel for each pixel"
        )
    if stride < side or image_PC.shape[0] % stride or image_PC.shape[0] < side * stride:
        raise ValueError(
            f"stride is {stride} for an image of {image_PC.shape[0]} pixels; it must be the columns of an image of at "
            f"least {side}x{side}"
        )
    if patches_HW.ndim != 2 or min(patches_HW.shape) < side or patches_HW.dtype != xp.int64:
        raise ValueError(
            f"patches is {patches_HW.dtype} of shape {tuple(patches_HW.shape)}; it must be int64, at least "
            f"{side} a side"
        )
    if weights_HW.dtype != image_PC.dtype:
        raise ValueError(f"weights is {weights_HW.dtype}; it must be {image_PC.dtype}, as the image")
    check_same("weights", weights_HW, "patches", patches_HW)
    check_device("patches", patches_HW, "image", image_PC)
