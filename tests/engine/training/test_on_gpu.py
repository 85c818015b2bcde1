"""Training on a GPU: all phases, the same bits after a resume, both kinds of kernels, float16, two GPUs.

make gpu-steps
"""

import math
from collections.abc import Iterator

import pytest
import torch

from engine.training.distributed import World
from engine.training.launch import run
from engine.training.meter import Meter
from engine.training.trainer import Trainer, train
from kernels.launch import set_backend
from tests.engine.training.test_distributed import distance, rows
from tests.engine.training.tiny_runs import StopAt, final_state, states_equal

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]

ON_GPU = {"device": "cuda", "loader": "cpu"}  # DALI's crops are compared in tests/data/test_loaders.py
GPU = World(torch.device("cuda", 0))


@pytest.fixture(autouse=True)
def _torch_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a run sets of torch and of the kernels as a whole is not for the tests after it."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it is first used
    precision = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(precision)
    torch.use_deterministic_algorithms(False)
    set_backend("auto")


def losses_of(config) -> list[dict[str, float]]:
    """Of each iteration that was reported."""
    names = ("mse", "adversarial", "discriminator")
    return [{name: row[name] for name in names if name in row} for row in rows(config)]


@pytest.mark.parametrize("amp", [False, True])
def test_all_phases_run_and_their_losses_are_finite(tiny, amp):
    config = tiny(amp=amp, ema=0.9, **ON_GPU)
    assert train(config).iteration == 12
    reported = losses_of(config)
    assert [len(losses) for losses in reported] == [1] * 4 + [1] * 3 + [3] * 5
    assert all(math.isfinite(loss) for losses in reported for loss in losses.values())


@pytest.mark.parametrize(
    "options", [{}, {"amp": True, "ema": 0.9, "optimizer": "adadelta", "learning_rate": None, "accumulate": 2}]
)
def test_a_stopped_and_resumed_run_equals_an_undisturbed_one_bit_for_bit(tiny, tmp_path, options):
    options = {"deterministic": True, **ON_GPU, **options}
    undisturbed = tiny(**options)
    train(undisturbed)
    for stops, resume in ((3, False), (3, True), (100, True)):  # in phase 1, in phase 2, to the end
        stopped = tiny(out=tmp_path / "stopped", resume=resume, **options)
        Trainer(stopped, GPU).run(StopAt(stops))
    assert states_equal(final_state(undisturbed), final_state(stopped))


@pytest.mark.parametrize("split", [(100, 0, 0), (0, 100, 0), (0, 0, 100)])
def test_triton_and_plain_kernels_give_the_same_losses(tiny, tmp_path, monkeypatch, split):
    """In fp32. Adadelta, since Adam takes a step of full length for a gradient that is mere rounding."""
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda precision: None)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    options = {"optimizer": "adadelta", "learning_rate": None, "iterations": 3, "deterministic": True, **ON_GPU}
    configs = [tiny(out=tmp_path / kind, kernels=kind, split=split, **options) for kind in ("triton", "reference")]
    for config in configs:
        train(config)
    fused, plain = map(losses_of, configs)
    assert len(fused) == len(plain) == 3
    for ours, theirs in zip(fused, plain, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)


def test_float16_is_trained_with_scaled_losses_where_there_is_no_bfloat16(tiny, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    config = tiny(amp=True, **ON_GPU)
    trainer = Trainer(config, GPU)
    scaler = trainer.state.completion.scaler
    assert trainer.state.completion.dtype is torch.float16
    assert scaler.is_enabled()
    before = [parameter.detach().clone() for parameter in trainer.state.completion.network.parameters()]
    trainer.run(StopAt(100))
    assert all(math.isfinite(loss) for losses in losses_of(config) for loss in losses.values())
    assert scaler.state_dict()["_growth_tracker"] > 0  # steps that were taken since the last overflow
    moved = zip(before, trainer.state.completion.network.parameters(), strict=True)
    assert not all(torch.equal(was, now) for was, now in moved)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_end_like_one_with_twice_the_batch_each(tiny, tmp_path):
    """Through the launcher, on NCCL; within what the order of sums and TF32 make of it."""
    options = {"learning_rate": 1e-4, "iterations": 6, **ON_GPU}
    start, alone = tiny(out=tmp_path / "start", **options), tiny(**options)
    together = tiny(out=tmp_path / "together", gpus=2, sync_batch_norm=True, **options)
    Trainer(start, GPU).save(Meter(8))
    assert run(alone).iteration == run(together).iteration == 6
    for ours, theirs in zip(losses_of(alone), losses_of(together), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-2)
    begun, one, many = (final_state(config) for config in (start, alone, together))
    for learner in ("completion", "discriminator"):
        before, a, b = (state[learner]["network"] for state in (begun, one, many))
        assert distance(a, b) < 0.3 * distance(before, a)
