"""The input shapes that TensorRT engines are built for, and the padding of windows to them.

An engine takes minutes to build with TensorRT (half a second with TensorRT-RTX), so that windows share a few. Where
none fits, PyTorch runs the window.
"""

from engine.inference.windows.network import Margins

STATIC_SIDES = (256, 368, 432, 560, 816, 1072, 1552)
"""Of the inputs that engines are built for. From 368 on they are a region of a multiple of REGION_STEP with a halo of
152 on both sides, as most windows are; 256 is for windows at the photo's border, and for photos of that size.

Measured on 244 photos of 256x256, 512x512, COCO's sizes and 6 to 12 megapixels with one hole of 30 to 900 px: padded
over needed pixels 1.21 in all, 1.02 to 1.25 by kind of photo and hole, 1.39 for the largest, never reduced; 54 engines.
With 384, 512, 768, 1024, 1536 it is 1.43, without 1072, 1.37, and with 688 and 944 for 816 and 1072, 1.26. PyTorch has
0 to 23 % of the pixels, and 60 % for COCO's sizes with holes of 120 to 300 px: most of their windows are as high or as
wide as the photo."""

STATIC_BATCHES = (4, 1)
"""A batch of windows is divided into these."""


def padding_to_static(size: tuple[int, int], margins: Margins, halo: int, max_pixels: int) -> Margins | None:
    """Zeros to add on each side of a window of height and width `size` for static sides; None if none are to be had.

    They are added beyond a halo, where they change nothing that is wanted. Where a window ends at the photo's border,
    the network must see the border there: one that ends at two opposite borders keeps its size, static or not. The
    padded window has at most `max_pixels`.
    """
    rows = zeros_to_add(size[0], margins.top, margins.bottom, halo)
    columns = zeros_to_add(size[1], margins.left, margins.right, halo)
    if rows is None or columns is None or (size[0] + sum(rows)) * (size[1] + sum(columns)) > max_pixels:
        return None
    return Margins(*rows, *columns)


def zeros_to_add(length: int, before: int, after: int, halo: int) -> tuple[int, int] | None:
    """Before and after, along one axis, to the least static side that holds `length`."""
    missing = next((side - length for side in STATIC_SIDES if side >= length), None)
    if missing is None:
        return None
    if missing == 0 or after >= halo:
        return 0, missing
    return (missing, 0) if before >= halo else None


def static_batches(windows: int, pixels: int, max_pixels: int) -> list[int]:
    """STATIC_BATCHES that make up so many windows of `pixels` each; those of several have at most `max_pixels`."""
    batches = []
    for batch in STATIC_BATCHES:
        if batch * pixels <= max_pixels or batch == 1:
            batches += [batch] * (windows // batch)
            windows %= batch
    return batches
