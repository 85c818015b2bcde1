"""Every Triton kernel equals its plain reference: on a CUDA device, or on the CPU in Triton's interpreter.

    TRITON_INTERPRET=1 ENGINE_KERNELS=triton python -m pytest tests/kernels/triton_cases.py

`test_interpreter.py` runs it so; `make gpu-cases` runs it on a GPU.
"""

import math
import os
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kernels.adadelta import Adadelta, adadelta_op
from kernels.fill_holes import fill_holes, fill_holes_op, fill_holes_reference
from kernels.masked_mse import masked_mse, masked_sum_op, masked_sum_reference
from kernels.nearer_patches import nearer_patches, nearer_patches_reference
from kernels.paste_crop import paste_crop, paste_crop_op, paste_crop_reference
from kernels.vote_patches import vote_patches, vote_patches_reference
from tests.kernels.compiled_step import check_a_step_under_compile
from tests.kernels.plain_patches import nearer_by_loops, row_at, vote_by_loops

DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"
too_large_for_the_interpreter = pytest.mark.skipif(DEVICE == "cpu", reason="too large for the interpreter: needs CUDA")

SIZES = [
    (1, 1, 1),  # one pixel
    (7, 3, 5),  # odd sides and batch
    (1, 16, 16),  # a multiple of 16 pixels: uint8 RGB read as words
    (2, 23, 67),  # several tiles, not a power of two
]
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "planar": lambda image: image.contiguous(),
    "interleaved": lambda image: image.contiguous(memory_format=torch.channels_last),
    "crop": lambda image: torch.nn.functional.pad(image, (3, 2, 1, 2)).permute(0, 2, 3, 1).contiguous()[
        :, 1:-2, 3:-2
    ].permute(0, 3, 1, 2),
    "transposed": lambda image: image.transpose(2, 3).contiguous().transpose(2, 3),
}  # fmt: skip
TOLERANCE = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-7},
    torch.float16: {"rtol": 2**-10, "atol": 2**-24},
    torch.bfloat16: {"rtol": 2**-7, "atol": 2**-24},  # the interpreter cuts where a GPU, held to equality, rounds
}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def a_photo(size: tuple[int, int, int], layout: str = "planar", dtype: torch.dtype = torch.uint8) -> Tensor:
    batch, height, width = size
    photo = torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8)
    return LAYOUTS[layout]((photo if dtype == torch.uint8 else (photo / 255).to(dtype)).to(DEVICE))


def a_mask(size: tuple[int, int, int], kind: str, dtype: torch.dtype = torch.bool) -> Tensor:
    batch, height, width = size
    mask = torch.rand(batch, 1, height, width) < {"random": 0.4, "none": -1, "all": 2}[kind]
    return mask.to(DEVICE, dtype)


def assert_close(got: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(got, wanted, **TOLERANCE[wanted.dtype])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", SIZES)
def test_fill_holes(size: tuple[int, int, int], layout: str) -> None:
    mean_pixel = torch.rand(3, device=DEVICE)
    for kind, mask_dtype, photo_dtype, dtype in [
        ("random", torch.bool, torch.uint8, torch.float32),
        ("random", torch.uint8, torch.uint8, torch.bfloat16),
        ("none", torch.float32, torch.bfloat16, torch.float16),
        ("all", torch.bool, torch.float32, torch.float32),
    ]:
        photo, mask = a_photo(size, layout, photo_dtype), a_mask(size, kind, mask_dtype)
        holed = fill_holes(photo, mask, mean_pixel, dtype)
        wanted = fill_holes_reference(photo, mask, mean_pixel, dtype)
        assert holed.dtype == dtype
        assert holed.is_contiguous(memory_format=torch.channels_last)
        assert_close(holed, wanted)
        if dtype != torch.bfloat16 or DEVICE == "cuda":
            assert torch.equal(holed, wanted)


def test_fill_holes_gradient() -> None:
    photo = a_photo((2, 5, 7), dtype=torch.float32).requires_grad_()
    mask, mean_pixel = a_mask((2, 5, 7), "random"), torch.rand(3, device=DEVICE)
    weight = torch.rand(2, 4, 5, 7, device=DEVICE)
    (got,) = torch.autograd.grad((fill_holes(photo, mask, mean_pixel) * weight).sum(), photo)
    wanted_of = fill_holes_reference(photo, mask, mean_pixel, torch.float32)
    assert torch.equal(got, torch.autograd.grad((wanted_of * weight).sum(), photo)[0])


@pytest.mark.parametrize(("completed_layout", "target_layout"), [
    ("planar", "planar"), ("interleaved", "interleaved"), ("interleaved", "planar"),
    ("crop", "transposed"),
])  # fmt: skip
@pytest.mark.parametrize("size", SIZES)
def test_masked_mse(size: tuple[int, int, int], completed_layout: str, target_layout: str) -> None:
    for divisor, dtype, target_dtype, kind in [
        (torch.tensor(40.0, device=DEVICE), torch.float32, torch.uint8, "random"),
        (3 * math.prod(size), torch.bfloat16, torch.uint8, "all"),
        (1, torch.float16, torch.float32, "random"),
        (1, torch.float32, torch.bfloat16, "none"),
    ]:
        completed = a_photo(size, completed_layout, dtype).requires_grad_()
        target, mask = a_photo(size, target_layout, target_dtype), a_mask(size, kind)
        loss = masked_mse(completed, target, mask, divisor)
        wanted = masked_sum_reference(completed, target, mask) / divisor
        assert loss.dtype == torch.float32
        assert_close(loss, wanted)
        (grad,) = torch.autograd.grad(3 * loss, completed)
        assert grad.dtype == dtype
        assert_close(grad, torch.autograd.grad(3 * wanted, completed)[0])
        if kind == "none":
            assert loss == 0
            assert not grad.any()


def test_masked_mse_ignores_what_lies_outside_the_mask() -> None:
    completed, mask = a_photo((2, 6, 9), dtype=torch.float32), a_mask((2, 6, 9), "random")
    target = a_photo((2, 6, 9), dtype=torch.float32)
    wanted = masked_mse(completed, target, mask, 9)
    spoilt = completed.masked_fill(~mask, float("nan")).requires_grad_()
    loss = masked_mse(spoilt, target, mask, 9)
    assert torch.equal(loss, wanted)
    assert torch.autograd.grad(loss, spoilt)[0].isfinite().all()


def test_masked_mse_adds_up_many_tiles() -> None:
    from kernels.gpu.masked_mse import _masked_mse_reduce_kernel

    sums, total = torch.rand(50, device=DEVICE), torch.empty((), device=DEVICE)
    _masked_mse_reduce_kernel[(1,)](sums, total, 50, BLOCK=16)
    torch.testing.assert_close(total, sums.sum())


@too_large_for_the_interpreter
def test_masked_mse_gives_the_same_bits_every_run() -> None:
    size = (96, 256, 256)
    completed = a_photo(size, "interleaved", torch.bfloat16).requires_grad_()
    target, mask = a_photo(size, "interleaved"), a_mask(size, "random")
    losses = [masked_mse(completed, target, mask, mask.sum()) for _ in range(5)]
    grads = [torch.autograd.grad(loss, completed)[0] for loss in losses]
    for loss, grad in zip(losses[1:], grads[1:], strict=True):
        assert torch.equal(loss, losses[0])
        assert torch.equal(grad, grads[0])


@pytest.mark.parametrize(("generated_layout", "image_layout"), [
    ("planar", "planar"), ("interleaved", "interleaved"), ("interleaved", "planar"), ("crop", "transposed"),
])  # fmt: skip
@pytest.mark.parametrize("size", SIZES)
def test_paste_crop(size: tuple[int, int, int], generated_layout: str, image_layout: str) -> None:
    batch, height, width = size
    for dtype, image_dtype, kind in [
        (torch.float32, torch.uint8, "random"),
        (torch.bfloat16, torch.float32, "all"),
        (torch.float16, torch.uint8, "none"),
    ]:
        generated = a_photo(size, generated_layout, dtype).requires_grad_()
        image, mask = a_photo(size, image_layout, image_dtype), a_mask(size, kind)
        centres = torch.randint(-2, height + width, (batch, 2), device=DEVICE)
        patch_size = (min(height, width) + 1) // 2
        got = paste_crop(generated, image, mask, centres, patch_size)
        wanted = paste_crop_reference(generated, image, mask, centres, patch_size)
        weights = [torch.rand_like(result) for result in wanted]
        for result, expected in zip(got, wanted, strict=True):
            assert_close(result, expected)
        (grad,) = torch.autograd.grad(got, generated, weights)
        assert_close(grad, torch.autograd.grad(wanted, generated, weights)[0])


def test_paste_crop_gradient_of_one_result_alone() -> None:
    generated = a_photo((2, 9, 12), "interleaved", torch.float32).requires_grad_()
    arguments = (a_photo((2, 9, 12)), a_mask((2, 9, 12), "random"), torch.tensor([[0, 3], [8, 11]], device=DEVICE), 4)
    for chosen in (0, 1):
        got, wanted = (f(generated, *arguments)[chosen].sum() for f in (paste_crop, paste_crop_reference))
        assert torch.equal(torch.autograd.grad(got, generated)[0], torch.autograd.grad(wanted, generated)[0])


def parameters() -> list[torch.nn.Parameter]:
    torch.manual_seed(1)
    tensors = [torch.randn(shape) for shape in [(3,), (5, 3, 3, 3), (1,), (40, 60)]]
    tensors[1] = tensors[1].contiguous(memory_format=torch.channels_last)
    return [torch.nn.Parameter(tensor.to(DEVICE)) for tensor in tensors]


def steps(optimiser: torch.optim.Optimizer, params: list[torch.nn.Parameter], seeds: range) -> None:
    for seed in seeds:
        torch.manual_seed(seed)
        for param in params:  # contiguous gradients for channels-last parameters, and unaligned ones
            param.grad = torch.randn(param.numel() + 1).to(DEVICE)[1:].view(param.shape)
        optimiser.step()


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_adadelta_continues_torch_and_is_continued_by_it(weight_decay: float) -> None:
    wanted_params, first, second = parameters(), parameters(), parameters()
    wanted = torch.optim.Adadelta(wanted_params, weight_decay=weight_decay, foreach=True)
    steps(wanted, wanted_params, range(6))
    for make, other in [(Adadelta, torch.optim.Adadelta), (torch.optim.Adadelta, Adadelta)]:
        optimiser = make(first, weight_decay=weight_decay)
        steps(optimiser, first, range(3))
        for param, source in zip(second, first, strict=True):
            param.data.copy_(source.data)
        continued = other(second)
        continued.load_state_dict(optimiser.state_dict())
        steps(continued, second, range(3, 6))
        for got, expected in zip(second, wanted_params, strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
            assert continued.state[got]["step"] == 6
            for name in ("square_avg", "acc_delta"):
                state = continued.state[got][name]
                torch.testing.assert_close(state, wanted.state[expected][name], rtol=1e-5, atol=1e-9)
        first, second = parameters(), parameters()


def test_adadelta_lays_out_a_state_from_elsewhere() -> None:
    param = torch.nn.Parameter(torch.randn(4, 3, 3, 3, device=DEVICE))
    optimiser = Adadelta([param])
    steps(optimiser, [param], range(1))
    before = optimiser.state[param]["square_avg"].clone()
    param.data = param.data.contiguous(memory_format=torch.channels_last)
    param.grad = torch.zeros_like(param)
    optimiser.step()
    torch.testing.assert_close(optimiser.state[param]["square_avg"], 0.9 * before)


def test_adadelta_keeps_to_its_parameter() -> None:
    memory = torch.ones(3 * 8, device=DEVICE)
    param = torch.nn.Parameter(memory[8:13])
    param.grad = torch.ones_like(memory)[8:13]
    Adadelta([param]).step()
    assert memory.ne(1).nonzero().flatten().tolist() == [8, 9, 10, 11, 12]


@too_large_for_the_interpreter
@pytest.mark.parametrize("layout", ["planar", "interleaved"])
def test_beyond_2_to_31_elements(layout: str) -> None:
    side = 27_000
    if torch.cuda.mem_get_info()[0] < 24 * 2**30:
        pytest.skip("needs 24 GiB of free GPU memory")
    photo = LAYOUTS[layout](torch.zeros(1, 3, side, side, dtype=torch.uint8, device=DEVICE))
    mask = torch.zeros(1, 1, side, side, dtype=torch.bool, device=DEVICE)
    photo[..., -3:, -5:], mask[..., -2:, -4:] = 255, True
    mean_pixel = torch.full((3,), 0.5, device=DEVICE)
    holed = fill_holes(photo, mask, mean_pixel, torch.float16)
    tail = fill_holes_reference(photo[..., -9:, -9:], mask[..., -9:, -9:], mean_pixel, torch.float16)
    assert torch.equal(holed[..., -9:, -9:], tail)
    assert holed[:, 3].sum(dtype=torch.int64) == 8
    del holed
    completed = torch.zeros_like(photo, dtype=torch.bfloat16).requires_grad_()
    loss = masked_mse(completed, photo, mask, 1)
    assert loss == 3 * 8
    (grad,) = torch.autograd.grad(loss, completed)
    assert grad[..., -2:, -4:].eq(-2).all()
    assert grad.count_nonzero() == 3 * 8


def a_search(targets: int, numbers: int, sources: int = 9) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Arguments of `nearer_patches` before `favour`: few sources, so that many candidates are the best already."""
    sources_MK, targets_NK = (
        torch.randint(-200, 201, (count, numbers)).to(DEVICE, torch.float32) for count in (sources, targets)
    )
    candidates_N, best_N = (torch.randint(lowest, sources, (targets,)).to(DEVICE) for lowest in (-3, 0))
    return sources_MK, targets_NK, candidates_N, best_N, (sources_MK[best_N] - targets_NK).square().sum(1)


def assert_nearer(search: tuple[Tensor, Tensor, Tensor, Tensor, Tensor], favour: float) -> None:
    got, wanted = nearer_patches(*search, favour), nearer_patches_reference(*search, favour)
    for result, expected in zip(got, wanted, strict=True):
        assert torch.equal(result, expected)
    assert (got[0].tolist(), got[1].tolist()) == nearer_by_loops(*search, favour)


@pytest.mark.parametrize("favour", [0.5, 1.0, 1.15])
@pytest.mark.parametrize(("targets", "numbers"), [
    (1, 1),
    (33, 3),  # one more than a block
    (70, 34),  # 8 bytes at a time
    (64, 36),  # 16 bytes at a time
    (31, 33),
    (32, 64),
])  # fmt: skip
def test_nearer_patches(targets: int, numbers: int, favour: float) -> None:
    assert_nearer(a_search(targets, numbers), favour)


def test_nearer_patches_of_no_targets() -> None:
    best, distance = nearer_patches(*a_search(0, 34), 1.0)
    assert (best.shape, best.dtype) == ((0,), torch.int64)
    assert (distance.shape, distance.dtype) == ((0,), torch.float32)


def test_nearer_patches_of_any_strides() -> None:
    sources_MK, targets_NK, *places = a_search(40, 40)
    every_second = [torch.stack((each, each), 1)[:, 0] for each in places]
    for rows in (slice(0, 34), slice(1, 35), slice(0, 40, 2)):
        search = (sources_MK[:, rows], targets_NK[:, rows], *every_second)
        assert_nearer(search, 1.0)  # type: ignore[arg-type]
    search = (sources_MK.T.contiguous().T, targets_NK[:1].expand(40, 40), *every_second)
    assert_nearer(search, 1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("numbers", [8, 34, 64])
def test_nearer_patches_just_below_2_to_24(numbers: int) -> None:
    """Exact sums, and `favour` times the distance rounded to fp32: what is exactly as far as that does not win."""
    distances = [*range(7_300_000, 7_300_015), *range(14_588_780, 14_588_796)]
    distance_N = torch.tensor(distances, dtype=torch.float32, device=DEVICE).repeat_interleave(3)
    limits = [int(far) for far in (torch.tensor(1.15) * distance_N.cpu()).tolist()]
    rows = [row_at(far + away, numbers) for far, away in zip(limits, [-1, 0, 1] * len(distances), strict=True)]
    assert 2**24 - 200 < max(limits) < 2**24 - 1
    order = torch.randperm(numbers)
    rows_N = torch.arange(len(rows), device=DEVICE)
    search = (torch.tensor(rows)[:, order].to(DEVICE), torch.zeros(len(rows), numbers, device=DEVICE), rows_N)
    assert_nearer((*search, torch.full_like(rows_N, 999), distance_N), 1.15)


@pytest.mark.parametrize("largest", [1000, 100_000])
def test_nearer_patches_beyond_2_to_24(largest: int) -> None:
    sources_MK = torch.randint(-largest, largest + 1, (70, 34)).to(DEVICE, torch.float32)
    rows_N = torch.arange(70, device=DEVICE)
    for distance in (2.0**23, 2.0**24, 2.0**25):
        distance_N = torch.full((70,), distance, device=DEVICE)
        assert_nearer((sources_MK, torch.zeros_like(sources_MK), rows_N, torch.full_like(rows_N, 99), distance_N), 1.0)


def a_vote(
    size: tuple[int, int], channels: int, dtype: torch.dtype, largest: int
) -> tuple[Tensor, int, Tensor, Tensor]:
    """Arguments of `vote_patches`: an image of 12x15, half of the weights 0."""
    image = torch.randint(0, largest + 1, (12 * 15, channels)).to(DEVICE, dtype)
    patches = (torch.randint(3, 9, size) * 15 + torch.randint(3, 12, size)).to(DEVICE)
    weights = (torch.randint(0, 1024, size) * torch.randint(0, 2, size)).to(DEVICE, dtype)
    return image, 15, patches, weights


def assert_votes(vote: tuple[Tensor, int, Tensor, Tensor]) -> None:
    voted = vote_patches(*vote)
    assert torch.equal(voted, vote_patches_reference(*vote))
    assert torch.equal(voted.cpu(), torch.from_numpy(vote_by_loops(*vote)))


@pytest.mark.parametrize(("dtype", "largest"), [(torch.float32, 255), (torch.float64, 65535)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(7, 7), (9, 16), (17, 23)])
def test_vote_patches(size: tuple[int, int], channels: int, dtype: torch.dtype, largest: int) -> None:
    assert_votes(a_vote(size, channels, dtype, largest))


@pytest.mark.parametrize(("dtype", "largest"), [(torch.float32, 255), (torch.float64, 65535)])
def test_vote_patches_of_the_largest_weights_and_colours(dtype: torch.dtype, largest: int) -> None:
    image, stride, patches, weights = a_vote((10, 11), 3, dtype, largest)
    image.clamp_(min=largest - 1)
    weights.clamp_(min=1022)
    assert_votes((image, stride, patches, weights))
    assert vote_patches(image.fill_(largest), stride, patches, weights.fill_(1023)).eq(largest).all()


def test_vote_patches_of_any_strides() -> None:
    image, stride, patches, weights = a_vote((20, 22), 3, torch.float32, 255)
    assert_votes((image, stride, patches[3:15, 5:19], weights[:12, 2:16]))
    assert_votes((image.T.contiguous().T, stride, patches.T, weights.T))
    assert_votes((image[:, :1], stride, patches[:, ::2], weights[:, ::2]))


def test_no_votes_are_black() -> None:
    image, stride, patches, weights = a_vote((9, 9), 3, torch.float32, 255)
    assert not vote_patches(image, stride, patches, weights.zero_()).any()


@too_large_for_the_interpreter
def test_patches_beyond_2_to_31_elements() -> None:
    if torch.cuda.mem_get_info()[0] < 24 * 2**30:
        pytest.skip("needs 24 GiB of free GPU memory")
    rows = 2**31 // 34 + 5
    sources_MK, targets_NK = torch.zeros(rows, 34, device=DEVICE), torch.ones(1, 34, device=DEVICE)
    sources_MK[-1] = 2
    last, first = torch.tensor([rows - 1], device=DEVICE), torch.tensor([0], device=DEVICE)
    best, distance = nearer_patches(sources_MK, targets_NK, last, first, last.float(), 1.0)
    assert (best.item(), distance.item()) == (rows - 1, 34)
    image = sources_MK.flatten()[: 100 * (2**31 // 100 + 1)].view(-1, 1)
    image[-700:] = torch.arange(700, device=DEVICE, dtype=torch.float32)[:, None] % 256
    patches = torch.full((7, 7), len(image) - 4 * 100 + 50, device=DEVICE)
    vote = (image[-700:], 100, patches - (len(image) - 700), torch.ones(7, 7, device=DEVICE))
    assert torch.equal(vote_patches(image, 100, patches, vote[3]), vote_patches_reference(*vote))


def test_under_compile() -> None:
    check_a_step_under_compile(DEVICE, "aot_eager")


def test_adadelta_under_compile() -> None:
    compiled_params, params = parameters(), parameters()
    for step_params, compiled in ((compiled_params, True), (params, False)):
        optimiser = Adadelta(step_params)
        steps(optimiser, step_params, range(1))
        step = torch.compile(optimiser.step, fullgraph=True, backend="aot_eager") if compiled else optimiser.step
        step()
    for got, wanted in zip(compiled_params, params, strict=True):
        assert torch.equal(got, wanted)


def test_opcheck() -> None:
    photo, mask, mean_pixel = a_photo((2, 4, 6)), a_mask((2, 4, 6), "random"), torch.rand(3, device=DEVICE)
    generated = a_photo((2, 4, 6), "interleaved", torch.float32).requires_grad_()
    centres = torch.tensor([[0, 3], [3, 5]], device=DEVICE)
    torch.library.opcheck(fill_holes_op, (generated, mask, mean_pixel, torch.bfloat16))
    torch.library.opcheck(masked_sum_op, (generated, photo, mask))
    torch.library.opcheck(paste_crop_op, (generated, photo, mask, centres, 2))
    tensors = [[torch.rand(5, device=DEVICE), torch.rand(3, 2, device=DEVICE)] for _ in range(4)]
    torch.library.opcheck(adadelta_op, (*tensors, 1.0, 0.9, 1e-6, 0.0))


def test_what_the_kernels_cannot_do_is_refused() -> None:
    generated, mask = a_photo((1, 2, 2), dtype=torch.float64), a_mask((1, 2, 2), "all")
    with pytest.raises(ValueError, match=r"masked_mse: .*'triton'.*float64"):
        masked_mse(generated, generated, mask, 1)
    param = torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16, device=DEVICE))
    param.grad = torch.ones_like(param)
    with pytest.raises(ValueError, match=r"Adadelta: .*bfloat16"):
        Adadelta([param]).step()
