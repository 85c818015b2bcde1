"""The Triton kernels as they are called where it matters, each with what it must move: for kernel_report.py and tests.

Tensors lie on the CPU: what is looked at is the code that a launch compiles to.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

BATCH, SIDE, PATCH = 96, 256, 128


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way of calling a kernel, and what it must move."""

    name: str
    kernel: str
    call: Callable[[], Any]
    pixels: int
    """Pixels (parameters for Adadelta, targets for nearer_patches) that a program handles."""
    loads: float
    """Bytes per pixel that come in wide loads."""
    stores: float
    """Bytes per pixel that leave in wide stores."""
    total: float
    """Bytes per pixel moved in all."""
    narrow: dict[int, str] = field(default_factory=dict)
    """Widths in bytes of the other accesses that are meant to be there, and what they are."""
    wide: int = 16
    """Bytes of a wide access: as many as the layout allows."""
    double: bool = False
    """Computed in fp64."""


def cases() -> list[Case]:
    """Every kernel on its aligned path: as training calls it, with bf16, uint8 photos, bool masks and both memory
    layouts, and as patch synthesis does."""
    planar = torch.zeros(BATCH, 3, SIDE, SIDE, dtype=torch.uint8)
    interleaved = planar.contiguous(memory_format=torch.channels_last)
    both = (("planar", planar), ("interleaved", interleaved))
    return [
        *(fill_case(layout, photo) for layout, photo in both),
        *(case for layout, photo in both for case in loss_cases(layout, photo)),
        *(case for layout, photo in both for case in paste_cases(layout, photo)),
        adadelta_case(),
        nearer_case(34, wide=8),
        nearer_case(36, wide=16),
        vote_case(torch.float32),
        vote_case(torch.float64),
    ]


def a_mask() -> Tensor:
    return torch.zeros(BATCH, 1, SIDE, SIDE, dtype=torch.bool)


def fill_case(layout: str, photo: Tensor) -> Case:
    from kernels.gpu import fill_holes

    mean = torch.zeros(3)
    holed = torch.zeros(BATCH, SIDE, SIDE, 4, dtype=torch.bfloat16).permute(0, 3, 1, 2)
    return Case(
        name=f"fill_holes, {layout}", kernel="_fill_holes_kernel", pixels=fill_holes.TILE,
        call=lambda: fill_holes.launch(photo, a_mask(), mean, holed),
        loads=4, stores=8, total=12, narrow={4: "mean pixel"},
    )  # fmt: skip


def loss_cases(layout: str, target: Tensor) -> list[Case]:
    from kernels.gpu import masked_mse

    completed, scalar = target.bfloat16(), torch.zeros(())
    planar = layout == "planar"
    same: dict[str, Any] = {"pixels": masked_mse.TILE // 3, "loads": 12 if planar else 9}
    gather = {} if planar else {1: "mask, one byte for three elements"}
    return [
        Case(
            name=f"masked_mse, {layout}", kernel="_masked_mse_forward_kernel", stores=0, total=10,
            call=lambda: masked_mse.forward(completed, target, a_mask()),
            narrow={4: "sum"} | gather, **same,
        ),
        Case(
            name=f"masked_mse backward, {layout}", kernel="_masked_mse_backward_kernel", stores=6, total=16,
            call=lambda: masked_mse.backward(scalar, completed, target, a_mask()),
            narrow={4: "the sum's gradient"} | gather, **same,
        ),
    ]  # fmt: skip


def paste_cases(layout: str, image: Tensor) -> list[Case]:
    from kernels.gpu import paste_crop

    generated, centres = image.bfloat16(), torch.zeros(BATCH, 2, dtype=torch.int64)
    patches = torch.zeros(BATCH, PATCH, PATCH, 3, dtype=torch.bfloat16).permute(0, 3, 1, 2)
    planar = layout == "planar"
    same: dict[str, Any] = {"pixels": paste_crop.TILE // 3, "stores": 6}
    narrow = {2: "patch, at any column", 8: "centres"} | ({} if planar else {1: "mask, one byte for three elements"})
    return [
        Case(
            name=f"paste_crop, {layout}", kernel="_paste_crop_forward_kernel", loads=12 if planar else 9, total=17.5,
            call=lambda: paste_crop.forward(generated, image, a_mask(), centres, PATCH), narrow=narrow, **same,
        ),
        Case(
            name=f"paste_crop backward, {layout}", kernel="_paste_crop_backward_kernel", loads=9 if planar else 6,
            call=lambda: paste_crop.backward(generated, patches, a_mask(), centres), total=14.5, narrow=narrow, **same,
        ),
    ]  # fmt: skip


def adadelta_case() -> Case:
    from kernels.gpu import adadelta

    tensors = [[torch.zeros(64, 4, 5, 5), torch.zeros(64)] for _ in range(4)]
    return Case(
        name="adadelta", kernel="_adadelta_kernel", call=lambda: adadelta.launch(*tensors, 1.0, 0.9, 1e-6, 0.0),
        pixels=adadelta.BLOCK, loads=16, stores=12, total=28,
        narrow={4: "the last block of a tensor", 8: "addresses and sizes"},
    )  # fmt: skip


def nearer_case(numbers: int, wide: int) -> Case:
    """Rows of so many fp32 numbers, whose alignment allows accesses of `wide` bytes."""
    from kernels.gpu import nearer_patches

    rows, places, distance = torch.zeros(512, numbers), torch.zeros(512, dtype=torch.int64), torch.zeros(512)
    lanes = 64  # the power of two from `numbers` on: what is beyond is masked
    return Case(
        name=f"nearer_patches, rows of {numbers}", kernel="_nearer_patches_kernel", pixels=nearer_patches.BLOCK,
        call=lambda: nearer_patches.launch(rows, rows, places, places, distance, 1.15),
        wide=wide, loads=2 * 4 * lanes + (16 if wide == 8 else 0), stores=0, total=8 * numbers + 32,
        narrow={4: "distances", 8: "candidates and best, as they are numbered"},
    )  # fmt: skip


def vote_case(dtype: torch.dtype) -> Case:
    """RGB; every value of a pixel is picked by itself."""
    from kernels.gpu import vote_patches

    image = torch.zeros(SIDE * SIDE, 3, dtype=dtype)
    patches = torch.zeros(PATCH, PATCH, dtype=torch.int64)
    weights = torch.zeros(PATCH, PATCH, dtype=dtype)
    size = dtype.itemsize
    return Case(
        name=f"vote_patches, {dtype}".replace("torch.", ""), kernel="_vote_patches_kernel",
        call=lambda: vote_patches.launch(image, SIDE, patches, weights),
        pixels=vote_patches.TILE // 3, wide=size, loads=25 * 3 * 2 * size, stores=3 * size,
        total=25 * (8 + 4 * size) + 3 * size, narrow={8: "patches"}, double=dtype == torch.float64,
    )  # fmt: skip
