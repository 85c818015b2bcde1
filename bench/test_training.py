"""The training step: the engine against a loop as a user would write it, and what each technique adds to that loop.

    python -m bench bench/test_training.py            # CPU: batch 4
    python -m bench -m gpu bench/test_training.py     # CUDA: batch 96, bf16 against TF32

The paper's networks on 256x256 crops. The plain loop stands below: eager, NCHW, fp32 (TF32 on a GPU), one forward pass
of C shared by both of the joint step's halves, D's parameters given gradients in C's half and then ignored, which is
what public implementations do. In the waterfall the rows load photos and the plain loop beside them does not, which
favours it. The share is of the matrix product's rate in the row's precision, and counts the
arithmetic that the step needs, not what a row wastes.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from bench.counting import flops_of, peak_resident
from bench.limits import Limit, gemm
from bench.rows import ON_GPU, measure
from bench.setups import write_photos
from data.catalog import Catalog
from data.open import open_loader
from data.sampler import CropSampler
from engine.networks import CompletionNetwork
from engine.spec import CompletionSpec
from engine.training.batches import TrainingBatch, training_batches
from engine.training.config import TrainConfig
from engine.training.discriminator import ContextDiscriminator
from engine.training.distributed import World
from engine.training.learner import Learner
from engine.training.phases import Phase
from engine.training.steps import Steps

SIDE, PATCH = 256, 128
BATCH = {"cpu": 4, "cuda": 96}
ROUNDS = {"cpu": 2, "cuda": 10}
WORKERS = {"cpu": 2, "cuda": 12}
ALPHA, MEAN_PIXEL = 4e-4, (0.45, 0.43, 0.4)

OVER_PLAIN = {"cpu": 1.5, "cuda": 3.0}
CUDA_SHARE = {Phase.COMPLETION: 0.40, Phase.JOINT: 0.35}
FIRST_STEP_SECONDS = 180
"""The bounds; the last is of compiling one phase."""

PLAIN = "plain eager NCHW loop"

Step = Callable[[Phase, TrainingBatch], Tensor]
"""One iteration; returns the squared error in the hole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the waterfall: what the loop has so far."""

    name: str
    channels_last: bool = True
    amp: bool = True
    compile: bool = True
    engine: bool = True
    loader: str = "cpu"


WATERFALL = (
    Row(name="1 plain", channels_last=False, amp=False, compile=False, engine=False),
    Row(name="2 + channels-last", amp=False, compile=False, engine=False),
    Row(name="3 + bf16 by autocast", compile=False, engine=False),
    Row(name="4 + torch.compile", engine=False),
    Row(name="5 + the engine's steps, with its kernels"),
    Row(name="6 + DALI", loader="dali"),
)


class PlainLoop:
    """What a user would write, with the techniques that a framework switches on in a line each."""

    def __init__(self, device: str, row: Row) -> None:
        torch.manual_seed(0)
        self.device, self.row = device, row
        self.layout = torch.channels_last if row.channels_last else torch.contiguous_format
        completion, judge = (n.to(device, memory_format=self.layout) for n in networks())
        self.completion_optimizer = torch.optim.Adadelta(completion.parameters())
        self.judge_optimizer = torch.optim.Adadelta(judge.parameters())
        self.completion, self.judge = completion, judge
        if row.compile:
            self.completion, self.judge = torch.compile(completion), torch.compile(judge)
        self.mean = torch.tensor(MEAN_PIXEL, device=device).view(1, 3, 1, 1)

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device, torch.bfloat16, enabled=self.row.amp)

    def step(self, phase: Phase, batch: TrainingBatch) -> Tensor:
        image = (batch.image_N3SS.float() / 255).contiguous(memory_format=self.layout)
        mask = batch.mask_N1SS.float()
        holed = torch.cat((image * (1 - mask) + self.mean * mask, mask), dim=1).contiguous(memory_format=self.layout)
        with self.autocast():
            output = self.completion(holed)
        output = output.float()
        loss = mse = ((output - image) * mask).square().sum() / (3 * mask.sum())
        if phase is Phase.JOINT:
            completed = output * mask + image * (1 - mask)
            self.train_judge(image, completed.detach(), batch)
            fooled = self.logits(completed, batch.centres_N2)
            loss = mse + ALPHA * F.binary_cross_entropy_with_logits(fooled, torch.ones_like(fooled))
        self.completion_optimizer.zero_grad()
        loss.backward()
        self.completion_optimizer.step()
        return mse.detach()

    def train_judge(self, image: Tensor, completed: Tensor, batch: TrainingBatch) -> None:
        fake = self.logits(completed, batch.centres_N2)
        real = self.logits(image, batch.real_centres_N2)
        loss = F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
        loss = loss + F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
        self.judge_optimizer.zero_grad()
        loss.backward()
        self.judge_optimizer.step()

    def logits(self, image: Tensor, centres: Tensor) -> Tensor:
        corners = (centres - PATCH // 2).clamp(0, SIDE - PATCH).tolist()
        patches = [one[:, y : y + PATCH, x : x + PATCH] for one, (y, x) in zip(image, corners, strict=True)]
        with self.autocast():
            logits = self.judge(torch.stack(patches).contiguous(memory_format=self.layout), image)
        return logits.float()


def networks() -> tuple[CompletionNetwork, ContextDiscriminator]:
    return CompletionNetwork(CompletionSpec()), ContextDiscriminator(SIDE, PATCH)


def engine_step(device: str, amp: bool, compile: bool) -> Step:
    """The engine's, as `engine-train` with these options runs it."""
    torch.manual_seed(0)
    config = TrainConfig(batch=BATCH[device], amp=amp, compile=compile)
    world = World(torch.device(device))
    completion, judge = (Learner(network, None, config, world) for network in networks())
    steps = Steps(completion, judge, torch.tensor(MEAN_PIXEL, device=device), config, world)
    return lambda phase, batch: steps.run(phase, batch)["mse"]


def step_of(device: str, row: Row) -> Step:
    torch._dynamo.reset()
    torch.set_float32_matmul_precision("high")  # TF32 also where PyTorch's default is fp32
    torch.backends.cudnn.benchmark = True
    return engine_step(device, row.amp, row.compile) if row.engine else PlainLoop(device, row).step


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder, 2 * BATCH["cuda"])
    return Catalog.open(folder)


@contextmanager
def open_batches(catalog: Catalog, device: str, loader: str) -> Iterator[Iterator[TrainingBatch]]:
    """The same photos, crops and holes from every loader."""
    config = TrainConfig()
    sampler = CropSampler(catalog, 0, SIDE, config.shorter_edge, config.flip)
    world = World(torch.device(device))
    with (
        open_loader(loader, catalog, sampler, BATCH[device], device=world.device, workers=WORKERS[device]) as opened,
        training_batches(opened, config.holes, 0, world) as batches,
    ):
        yield batches


def needed_flops(phase: Phase, batch: int) -> float:
    """What a step's convolutions and matrix products need, forward and backward, counted on tensors without values."""
    completion, judge = (network.to("meta") for network in networks())
    holed, image, patch = (torch.empty(2, channels, side, side, device="meta")
                           for channels, side in ((4, SIDE), (3, SIDE), (3, PATCH)))  # fmt: skip

    def step() -> None:
        completion(holed).sum().backward()
        if phase is Phase.JOINT:
            for _ in ("photos", "completions"):
                judge(patch, image).sum().backward()
            judge.requires_grad_(False)
            judge(patch.requires_grad_(), image.requires_grad_()).sum().backward()

    return flops_of(step) * batch / 2


def limit_for(device: str, amp: bool) -> Limit:
    return gemm(torch.bfloat16, device) if amp else gemm(torch.float32, device, tf32=device == "cuda")


@pytest.mark.parametrize(
    ("device", "phase"),
    [
        ("cpu", Phase.JOINT),
        *(pytest.param("cuda", phase, marks=ON_GPU) for phase in (Phase.COMPLETION, Phase.JOINT)),
    ],
)
def test_the_engine_against_a_plain_loop(
    benchmark: BenchmarkFixture, catalog: Catalog, device: str, phase: Phase
) -> None:
    """Without loading: `engine-train --amp` on a CPU that computes in bf16, `engine-train --amp --compile` on a GPU."""
    on_gpu = device == "cuda"
    amp = on_gpu or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    plain = step_of(device, WATERFALL[0])
    engine = engine_step(device, amp=amp, compile=on_gpu)
    with open_batches(catalog, device, "cpu") as batches:
        batch = next(batches)
    timings = measure(
        benchmark,
        "Training step",
        f"{phase} phase, batch {BATCH[device]}, {'bf16' if amp else 'fp32'}{', compiled' if on_gpu else ''}",
        lambda: engine(phase, batch),
        {PLAIN: lambda: plain(phase, batch)},
        limit=limit_for(device, amp),
        device=device,
        rounds=ROUNDS[device] + 1,
        images=BATCH[device],
        flops=needed_flops(phase, BATCH[device]),
    )
    # The fastest turns, which what else the machine does has touched least.
    assert timings[PLAIN].best / timings["ours"].best >= OVER_PLAIN[device]
    if on_gpu:
        assert benchmark.extra_info["share_of_limit"] >= CUDA_SHARE[phase]
        assert timings["ours"].warm_up < FIRST_STEP_SECONDS


@pytest.mark.parametrize("row", WATERFALL, ids=lambda row: row.name)
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=ON_GPU)])
def test_what_each_technique_adds(benchmark: BenchmarkFixture, catalog: Catalog, device: str, row: Row) -> None:
    """The joint phase with loading, the plain loop in turns with each row; every row sees the same photos and holes."""
    if row.loader == "dali":
        pytest.importorskip("nvidia.dali", reason="DALI is not installed: pip install 'glcic-engine[dali]'")
    plain, ours = step_of(device, WATERFALL[0]), step_of(device, row)
    losses: list[Tensor] = []
    with open_batches(catalog, device, "cpu") as batches:
        prepared = itertools.cycle([next(batches)])
    with open_batches(catalog, device, row.loader) as batches:

        def step() -> None:
            losses.append(ours(Phase.JOINT, next(batches)))

        measure(
            benchmark,
            "Training waterfall, joint phase",
            row.name,
            step,
            {PLAIN: lambda: plain(Phase.JOINT, next(prepared))},
            limit=limit_for(device, row.amp),
            device=device,
            rounds=ROUNDS[device],
            images=BATCH[device],
            flops=needed_flops(Phase.JOINT, BATCH[device]),
        )
        benchmark.extra_info["memory_bytes"] = peak_resident(step, device)
    benchmark.extra_info["quality"] = {f"squared error in step {len(losses)}": losses[-1].item()}
