"""The input shapes that TensorRT engines are built for, and the padding of windows to them.

An engine takes minutes to build with TensorRT (half a second with TensorRT-RTX), so that windows share a few. Where
none fits, PyTorch runs the window.
"""

from engine.inference.windows.layer_plan import Margins

STATIC_SIDES = (256, 368, 432, 560, 816, 1072, 1552)
"""Of the inputs that engines are built for. From 368 on they are a region of a multiple of REGION_STEP with a halo of
152 on both sides, as most windows are; 256 is for windows at the photo's border, and for photos of that size.

On photos of many sizes 1.21 times the needed pixels are computed with these, and more with others that were tried:
docs/measurements.md."""

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
