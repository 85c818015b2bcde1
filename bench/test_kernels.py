"""The Triton kernels on a CUDA device: right, close to the copy bandwidth, ahead of plain and of compiled PyTorch.

    python -m pytest -m gpu bench/test_kernels.py       # needs torch, triton and pytest, nothing else

Writes bench/records/kernels-<device>-<date>.json (folder: $BENCH_RECORDS). Every time is the GPU's alone: the calls
queue up behind a sleeping kernel, so that launching them costs nothing that is measured. Inputs and outputs together
are several times the L2 cache, and no two calls share any.
"""

import datetime
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

import kernels
from kernels.fill_holes import fill_holes_reference, mask_of_boxes
from kernels.masked_mse import masked_mse_reference
from kernels.paste_crop import paste_crop_reference

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]

ROOT = Path(__file__).parents[1]
SIDE, PATCH = 256, 128
L2_MULTIPLE = 4
SLEEP_CYCLES = 100_000_000
"""Of the kernel that holds the queue: some 50 ms, longer than launching what is measured takes."""

SHARE_OF_COPY, OVER_EAGER, OVER_COMPILE, ADADELTA_OVER_FOREACH = 0.85, 4.0, 0.97, 3.0
"""The bounds; 0.97 because "not slower" is measured with noise."""


class Inputs(NamedTuple):
    """One call's worth of a training batch."""

    photo: Tensor
    mask: Tensor
    boxes: Tensor
    centres: Tensor
    generated: Tensor
    mean_pixel: Tensor


class Work(NamedTuple):
    """The same work done by the kernel and by plain PyTorch, and the bytes per pixel that it must move."""

    fused: Callable[[Inputs], Any]
    plain: Callable[[Inputs], Any]
    bytes_per_pixel: float


def fill(inputs: Inputs) -> Tensor:
    return kernels.fill_holes(inputs.photo, inputs.mask, inputs.mean_pixel, torch.bfloat16)


def fill_plain(inputs: Inputs) -> Tensor:
    return fill_holes_reference(inputs.photo, inputs.mask, inputs.mean_pixel, torch.bfloat16)


def boxes(inputs: Inputs) -> Tensor:
    return kernels.fill_boxes(inputs.photo, inputs.boxes, inputs.mean_pixel, torch.bfloat16)


def boxes_plain(inputs: Inputs) -> Tensor:
    mask = mask_of_boxes(inputs.boxes, SIDE, SIDE)
    return fill_holes_reference(inputs.photo, mask, inputs.mean_pixel, torch.bfloat16)


def loss(inputs: Inputs) -> Tensor:
    return kernels.masked_mse(inputs.generated, inputs.photo, inputs.mask)


def loss_plain(inputs: Inputs) -> Tensor:
    return masked_mse_reference(inputs.generated, inputs.photo, inputs.mask, "hole_mean")


def paste(inputs: Inputs) -> tuple[Tensor, Tensor]:
    return kernels.paste_crop(inputs.generated, inputs.photo, inputs.mask, inputs.centres, PATCH)


def paste_plain(inputs: Inputs) -> tuple[Tensor, Tensor]:
    return paste_crop_reference(inputs.generated, inputs.photo, inputs.mask, inputs.centres, PATCH)


def without_grad(function: Callable[[Inputs], Any]) -> Callable[[Inputs], Any]:
    return torch.no_grad()(function)


def with_backward(function: Callable[[Inputs], Any]) -> Callable[[Inputs], Any]:
    """Forward and backward; the results stand in for their own gradients, so that none has to be made."""

    def both(inputs: Inputs) -> Any:
        results = function(inputs)
        results = results if isinstance(results, tuple) else (results,)
        return results, torch.autograd.grad(results, inputs.generated, [result.detach() for result in results])

    return both


WORK = {
    "fill_holes": Work(fill, fill_plain, 12),
    "fill_boxes": Work(boxes, boxes_plain, 11),
    "masked_mse": Work(without_grad(loss), without_grad(loss_plain), 10),
    "masked_mse and backward": Work(with_backward(loss), with_backward(loss_plain), 10 + 16),
    "paste_crop": Work(without_grad(paste), without_grad(paste_plain), 17.5),
    "paste_crop and backward": Work(with_backward(paste), with_backward(paste_plain), 17.5 + 14.5),
}


def make_inputs(batch: int, memory_format: torch.memory_format) -> Inputs:
    device = "cuda"
    photo = torch.randint(0, 256, (batch, 3, SIDE, SIDE), dtype=torch.uint8, device=device)
    photo = photo.contiguous(memory_format=memory_format)
    corners, sides = torch.randint(0, 128, (batch, 1, 2)), torch.randint(96, 129, (batch, 1, 2))
    boxes_NK4 = torch.cat((corners, corners + sides), 2).to(device)
    return Inputs(
        photo=photo,
        mask=mask_of_boxes(boxes_NK4, SIDE, SIDE),
        boxes=boxes_NK4,
        centres=(corners + sides // 2)[:, 0].to(device),
        generated=torch.rand_like(photo, dtype=torch.bfloat16).requires_grad_(),
        mean_pixel=torch.rand(3, device=device),
    )


def gpu_seconds(function: Callable[[Any], Any], arguments: list[Any]) -> float:
    """Median seconds per call on the GPU, the calls queued back to back, each with arguments and results of its own."""
    for argument in arguments[:2]:
        function(argument)
    seconds = []
    for _ in range(7):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        torch.cuda._sleep(SLEEP_CYCLES)
        start.record()
        results = [function(argument) for argument in arguments]
        assert not start.query(), "launching took longer than the sleep: raise SLEEP_CYCLES"
        end.record()
        torch.cuda.synchronize()
        seconds.append(start.elapsed_time(end) / 1000 / len(arguments))
        del results
    return statistics.median(seconds)


def calls_beyond_l2(bytes_per_call: float) -> int:
    l2 = torch.cuda.get_device_properties(0).L2_cache_size
    return max(3, int(L2_MULTIPLE * l2 / bytes_per_call) + 1)


@pytest.fixture(scope="module")
def copy_bandwidth() -> float:
    """Bytes per second, read and written, of the best plain copy on this machine, measured now."""
    source = torch.empty(2**30, dtype=torch.uint8, device="cuda")
    return 2 * source.numel() / gpu_seconds(torch.clone, [source] * 4)


@pytest.fixture(scope="module")
def record() -> Iterator[dict[str, Any]]:
    """What was measured; written when the module is done, whether or not its bounds were met."""
    device = torch.cuda.get_device_name()
    today = datetime.date.today().isoformat()
    measured: dict[str, Any] = {"device": device, "date": today, "torch": torch.__version__, "rows": []}
    yield measured
    folder = Path(os.environ.get("BENCH_RECORDS", ROOT / "bench" / "records"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"kernels-{device.replace(' ', '-')}-{today}.json"
    path.write_text(json.dumps(measured, indent=1) + "\n")


@pytest.fixture(autouse=True)
def _fused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernels.launch._backend", "triton")
    torch.manual_seed(0)
    torch._dynamo.reset()


def test_every_kernel_equals_its_reference() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--noconftest", "tests/kernels/triton_cases.py"],
        cwd=ROOT, env=os.environ | {"ENGINE_KERNELS": "triton"}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("batch", [96, 384])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["planar", "interleaved"])
@pytest.mark.parametrize("name", WORK)
def test_speed(
    name: str, memory_format: torch.memory_format, batch: int, copy_bandwidth: float, record: dict[str, Any]
) -> None:
    work = WORK[name]
    bytes_per_call = work.bytes_per_pixel * batch * SIDE * SIDE
    inputs = [make_inputs(batch, memory_format) for _ in range(calls_beyond_l2(bytes_per_call))]
    compiled = torch.compile(work.plain, fullgraph="backward" not in name)
    seconds = {
        "fused": gpu_seconds(work.fused, inputs),
        "eager": gpu_seconds(work.plain, inputs),
        "compiled": gpu_seconds(compiled, inputs),
    }
    row = {
        "name": name,
        "layout": "interleaved" if memory_format == torch.channels_last else "planar",
        "batch": batch,
        "bytes": bytes_per_call,
        "microseconds": {who: round(1e6 * time, 2) for who, time in seconds.items()},
        "copy_bandwidth_GBps": round(copy_bandwidth / 1e9),
        "share_of_copy_bandwidth": round(bytes_per_call / seconds["fused"] / copy_bandwidth, 3),
        "over_eager": round(seconds["eager"] / seconds["fused"], 2),
        "over_compile": round(seconds["compiled"] / seconds["fused"], 2),
    }
    record["rows"].append(row)
    assert row["share_of_copy_bandwidth"] >= SHARE_OF_COPY, row
    assert row["over_eager"] >= OVER_EAGER, row
    assert row["over_compile"] >= OVER_COMPILE, row


@pytest.mark.parametrize("network", ["CompletionNetwork", "ContextDiscriminator"])
def test_adadelta_speed(network: str, copy_bandwidth: float, record: dict[str, Any]) -> None:
    from engine.networks import CompletionNetwork, CompletionSpec, ContextDiscriminator

    model = CompletionNetwork(CompletionSpec()) if network == "CompletionNetwork" else ContextDiscriminator()
    model = model.to("cuda", memory_format=torch.channels_last)
    params = list(model.parameters())
    for param in params:
        param.grad = torch.randn_like(param)
    optimisers = {
        "fused": kernels.Adadelta(params),
        "foreach": torch.optim.Adadelta(params, foreach=True),
    }
    seconds = {
        who: gpu_seconds(lambda _, step=optimiser.step: step(), [None] * 5) for who, optimiser in optimisers.items()
    }
    bytes_per_call = 28 * sum(param.numel() for param in params)
    row = {
        "name": "Adadelta",
        "network": network,
        "bytes": bytes_per_call,
        "microseconds": {who: round(1e6 * time, 2) for who, time in seconds.items()},
        "share_of_copy_bandwidth": round(bytes_per_call / seconds["fused"] / copy_bandwidth, 3),
        "over_foreach": round(seconds["foreach"] / seconds["fused"], 2),
    }
    record["rows"].append(row)
    assert row["over_foreach"] >= ADADELTA_OVER_FOREACH, row


def test_masked_mse_gives_the_same_bits_every_run() -> None:
    inputs = make_inputs(96, torch.channels_last)
    results = [with_backward(loss)(inputs) for _ in range(5)]
    for (value,), (grad,) in results[1:]:
        assert torch.equal(value, results[0][0][0])
        assert torch.equal(grad, results[0][1][0])


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=["planar", "interleaved"])
def test_beyond_2_to_31_elements(memory_format: torch.memory_format) -> None:
    side = 27_000
    if torch.cuda.mem_get_info()[0] < 24 * 2**30:
        pytest.skip("needs 24 GiB of free GPU memory")
    photo = torch.zeros(1, 3, side, side, dtype=torch.uint8, device="cuda").contiguous(memory_format=memory_format)
    mask = torch.zeros(1, 1, side, side, dtype=torch.bool, device="cuda")
    photo[..., -3:, -5:], mask[..., -2:, -4:] = 255, True
    holed = kernels.fill_holes(photo, mask, torch.full((3,), 0.5, device="cuda"), torch.float16)
    tail = (photo[..., -9:, -9:], mask[..., -9:, -9:], torch.full((3,), 0.5, device="cuda"), torch.float16)
    assert torch.equal(holed[..., -9:, -9:], fill_holes_reference(*tail))
    assert holed[:, 3].sum(dtype=torch.int64) == 8
    del holed
    completed = torch.zeros_like(photo, dtype=torch.bfloat16).requires_grad_()
    value = kernels.masked_mse(completed, photo, mask, "sum")
    assert value == 3 * 8
    (grad,) = torch.autograd.grad(value, completed)
    assert grad[..., -2:, -4:].eq(-2).all()
    assert grad.count_nonzero() == 3 * 8
