"""The kernels' plain versions: against arithmetic by hand, fp64 gradients, torch.compile; and bad arguments."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kernels.adadelta import Adadelta
from kernels.fill_holes import fill_holes
from kernels.masked_mse import masked_mse
from kernels.paste_crop import cut_patches, paste_crop, patch_corners
from tests.kernels.compiled_step import check_a_step_under_compile


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernels.launch._backend", "reference")
    torch.manual_seed(0)


def image(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(shape, dtype=dtype)


def test_fill_holes_by_hand() -> None:
    photo = torch.tensor([[0, 51], [102, 255]], dtype=torch.uint8).expand(1, 3, 2, 2)
    mask = torch.tensor([[[[False, True], [False, False]]]])
    holed = fill_holes(photo, mask, torch.tensor([0.25, 0.5, 0.75]))
    known = torch.tensor([[0.0, 0.2], [0.4, 1.0]])
    for channel, fill in enumerate((0.25, 0.5, 0.75)):
        wanted = known.clone()
        wanted[0, 1] = fill
        torch.testing.assert_close(holed[0, channel], wanted)
    assert holed[0, 3].tolist() == [[0, 1], [0, 0]]
    assert holed[0, :3, 1, 1].eq(1).all(), "255 is 1 exactly"
    assert holed.is_contiguous(memory_format=torch.channels_last)


def test_masked_mse_by_hand() -> None:
    target = torch.full((1, 3, 1, 2), 51, dtype=torch.uint8)  # 0.2
    completed = torch.tensor([0.7, 0.4]).expand(1, 3, 1, 2)
    mask = torch.tensor([[[[1.0, 0.0]]]])
    for divisor, wanted in ((1, 0.75), (torch.tensor(3.0), 0.25)):
        assert masked_mse(completed, target, mask, divisor).item() == pytest.approx(wanted)


def test_masked_mse_adds_in_fp32() -> None:
    completed = torch.ones(1, 3, 64, 64, dtype=torch.bfloat16)
    loss = masked_mse(completed, torch.zeros_like(completed), torch.ones(1, 1, 64, 64), 1)
    assert loss.dtype == torch.float32
    assert loss == 3 * 64 * 64  # bf16 would stop at 256


def test_paste_crop_by_hand() -> None:
    generated, known = image(1, 3, 5, 6), torch.full((1, 3, 5, 6), 255, dtype=torch.uint8)
    mask = torch.zeros(1, 1, 5, 6, dtype=torch.bool)
    mask[..., 2, 3] = True
    completed, patches = paste_crop(generated, known, mask, torch.tensor([[2, 3]]), 3)
    assert torch.equal(completed[..., 2, 3], generated[..., 2, 3])
    assert completed.ne(1).sum() == 3
    assert torch.equal(patches, completed[:, :, 1:4, 2:5])


@given(
    height=st.integers(1, 9), width=st.integers(1, 9), size=st.integers(1, 9),
    y=st.integers(-20, 20), x=st.integers(-20, 20), dtype=st.sampled_from([torch.int32, torch.int64]),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_patches_stay_inside(height: int, width: int, size: int, y: int, x: int, dtype: torch.dtype) -> None:
    size = min(size, height, width)
    centres = torch.tensor([[y, x]], dtype=dtype)
    ((top, left),) = patch_corners(centres, size, height, width).tolist()
    assert 0 <= top <= height - size
    assert 0 <= left <= width - size
    if size // 2 <= y <= height - (size + 1) // 2:
        assert top == y - size // 2
    picture = torch.arange(3 * height * width, dtype=torch.uint8).view(1, 3, height, width)
    patch = cut_patches(picture, centres, size)
    assert patch.dtype == torch.uint8
    assert torch.equal(patch, picture[:, :, top : top + size, left : left + size])


def test_gradients_in_fp64() -> None:
    generated = image(2, 3, 4, 5, dtype=torch.float64).requires_grad_()
    target, mask = image(2, 3, 4, 5, dtype=torch.float64), torch.rand(2, 1, 4, 5) < 0.5
    centres, mean_pixel = torch.tensor([[0, 4], [3, 2]]), torch.rand(3)
    assert torch.autograd.gradcheck(lambda x: masked_mse(x, target, mask, 7), generated)
    assert torch.autograd.gradcheck(lambda x: paste_crop(x, target, mask, centres, 3), generated)
    assert torch.autograd.gradcheck(lambda x: fill_holes(x, mask, mean_pixel, torch.float64), generated)


def test_under_compile() -> None:
    check_a_step_under_compile("cpu", "inductor")


def test_adadelta_is_torchs() -> None:
    params = [[torch.nn.Parameter(torch.ones(3, 2)), torch.nn.Parameter(torch.ones(4))] for _ in range(2)]
    ours, theirs = Adadelta(params[0], lr=0.5), torch.optim.Adadelta(params[1], lr=0.5)
    for _ in range(3):
        for mine, other in zip(*params, strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        assert ours.step(lambda: 7) == 7
        theirs.step()
    for mine, other in zip(*params, strict=True):
        assert torch.equal(mine, other)
    assert ours.state_dict()["param_groups"] == theirs.state_dict()["param_groups"]
    assert ours.state_dict()["state"][0].keys() == theirs.state_dict()["state"][0].keys()


GOOD: dict[str, Any] = {
    "photo": torch.zeros(2, 3, 4, 6, dtype=torch.uint8),
    "image": torch.zeros(2, 3, 4, 6),
    "mask": torch.zeros(2, 1, 4, 6),
    "mean": torch.zeros(3),
    "centres": torch.zeros(2, 2, dtype=torch.int64),
    "size": 3,
    "dtype": torch.float32,
}
CALLS = {
    "fill_holes": lambda a: fill_holes(a["photo"], a["mask"], a["mean"], a["dtype"]),
    "masked_mse": lambda a: masked_mse(a["image"], a["photo"], a["mask"], 1),
    "paste_crop": lambda a: paste_crop(a["image"], a["photo"], a["mask"], a["centres"], a["size"]),
    "cut_patches": lambda a: cut_patches(a["image"], a["centres"], a["size"]),
}


@pytest.mark.parametrize(("call", "name", "value", "message"), [
    ("fill_holes", "photo", torch.zeros(3, 4, 6), r"photo has shape \(3, 4, 6\)"),
    ("fill_holes", "photo", torch.zeros(2, 4, 4, 6), "photo has shape"),
    ("fill_holes", "photo", torch.zeros(2, 3, 4, 6).int(), "photo has dtype torch.int32"),
    ("fill_holes", "mask", torch.zeros(2, 1, 6, 4), r"mask has shape .* must be \(2, 1, 4, 6\)"),
    ("fill_holes", "mask", torch.zeros(2, 1, 4, 6).int(), "mask has dtype torch.int32"),
    ("fill_holes", "mask", torch.full((2, 1, 4, 6), 255).byte(), "mask has the value 255"),
    ("masked_mse", "mask", torch.full((2, 1, 4, 6), 0.5), "mask has the value 0.5"),
    ("paste_crop", "mask", torch.full((2, 1, 4, 6), float("nan")), "mask has the value nan"),
    ("fill_holes", "mask", torch.zeros(2, 1, 4, 6, device="meta"), "mask is on meta, photo on cpu"),
    ("fill_holes", "mean", torch.zeros(3).double(), "mean_pixel is torch.float64"),
    ("fill_holes", "dtype", torch.uint8, "dtype is torch.uint8"),
    ("masked_mse", "image", torch.zeros(2, 3, 4, 6).byte(), "completed has dtype torch.uint8"),
    ("masked_mse", "photo", torch.zeros(2, 3, 4, 5), "target has shape .* completed"),
    ("paste_crop", "image", torch.zeros(2, 3, 4, 6).byte(), "generated has dtype torch.uint8"),
    ("paste_crop", "centres", torch.zeros(3, 2).long(), "centres is torch.int64 of shape"),
    ("paste_crop", "size", 5, "patch_size is 5; for images of 4x6 it must be 1 to 4"),
    ("cut_patches", "size", 0, "patch_size is 0"),
])  # fmt: skip
def test_bad_arguments_are_named(call: str, name: str, value: Any, message: str) -> None:
    CALLS[call](GOOD)
    with pytest.raises(ValueError, match=message):
        CALLS[call](GOOD | {name: value})
