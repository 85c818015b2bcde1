"""Several processes on gloo train as one process with the same global batch does."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from PIL import Image

from bench.counting import Moved
from data.mean_pixel import mean_pixel
from engine.networks import CompletionNetwork
from engine.spec import CompletionSpec
from engine.training.batch_norm import synchronise_batch_norm
from engine.training.checkpoint import load_newest
from engine.training.config import TrainConfig
from engine.training.distributed import OWN_LAUNCHER, World, join_world
from engine.training.launch import run
from engine.training.learner import Learner
from engine.training.meter import Meter
from engine.training.stopping import StopRequest
from engine.training.trainer import Trainer
from tests.engine.training.tiny_runs import command, final_state, states_equal, wait_for


def in_processes(ranks: int, function, *arguments, starts: int = 1) -> None:
    """Run `function(world, *arguments)` in `ranks` processes that know each other; again as after torchrun's restart.

    They meet, as under torchrun, in a store that outlives them.
    """
    store = torch.distributed.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    for start in range(starts):
        environment = {"MASTER_PORT": str(store.port), "TORCHELASTIC_RESTART_COUNT": str(start)}
        mp.start_processes(_join, (environment, ranks, function, arguments), nprocs=ranks, start_method="forkserver")


def _join(rank: int, environment: dict[str, str], ranks: int, function, arguments) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(ranks), "LOCAL_RANK": str(rank), "MASTER_ADDR": "localhost"}
    os.environ |= {"LOCAL_WORLD_SIZE": str(ranks), "TORCHELASTIC_USE_AGENT_STORE": "True", **environment}
    with join_world("cpu") as world:
        torch.set_num_threads(1)
        function(world, *arguments)


def train_rank(world: World, config: TrainConfig) -> None:
    Trainer(config, world).run(StopRequest())


def rows(config: TrainConfig) -> list[dict]:
    return [json.loads(line) for line in (config.run_folder / "metrics.jsonl").read_text().splitlines()]


def distance(a: dict, b: dict) -> float:
    """Norm of the difference over all weights."""
    return sum((a[name] - b[name]).float().square().sum() for name in a if name.endswith("weight")) ** 0.5


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("reduction", ["hole_mean", "sum"])
def test_processes_with_synced_norms_equal_one_process(tiny, tmp_path, ranks, reduction):
    """In every phase; rectangles of different areas, so that the mean over holes is not the mean of the processes'."""
    options = {"learning_rate": 1e-4, "iterations": 6, "reduction": reduction, "seed": 3}
    start, alone = tiny(out=tmp_path / "start", **options), tiny(**options)
    together = tiny(out=tmp_path / "together", sync_batch_norm=True, **options)
    world = World(torch.device("cpu"))
    Trainer(start, world).save(Meter(8))
    train_rank(world, alone)
    in_processes(ranks, train_rank, together)
    one, many = rows(alone), rows(together)
    assert len(one) == len(many) == 6
    for a, b in zip(one, many, strict=True):
        for name in ("mse", "adversarial", "discriminator"):
            assert a.get(name, 0) == pytest.approx(b.get(name, 0), rel=1e-3)
    begun, one, many = (final_state(config) for config in (start, alone, together))
    for learner in ("completion", "discriminator"):
        before, a, b = (state[learner]["network"] for state in (begun, one, many))
        # Adam takes a step of full length for a gradient that is mere rounding.
        assert distance(a, b) < 0.2 * distance(before, a)


def check_norm(world: World, x: torch.Tensor) -> None:
    torch.manual_seed(0)
    synced = CompletionNetwork(CompletionSpec(base_width=4))
    plain = CompletionNetwork(CompletionSpec(base_width=4))
    plain.load_state_dict(synced.state_dict())
    synchronise_batch_norm(synced, world)
    part = x.chunk(world.ranks)[world.rank]
    expected, output = plain(x), synced(part)
    torch.testing.assert_close(output, expected.chunk(world.ranks)[world.rank], rtol=1e-4, atol=1e-5)
    expected.square().mean().backward()
    output.square().mean().backward()
    world.average_gradients(synced.parameters())
    for p, q in zip(plain.parameters(), synced.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-2, atol=1e-5)
    for (name, p), q in zip(plain.named_buffers(), synced.buffers(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5, msg=name)
    frozen = Learner(synced, None, TrainConfig(device="cpu"), world)
    before = [buffer.clone() for buffer in synced.buffers()]
    expected = plain(x).chunk(world.ranks)[world.rank]
    torch.testing.assert_close(frozen.forward_frozen(part), expected, rtol=1e-4, atol=1e-5)
    assert all(map(torch.equal, before, synced.buffers()))


def gradients_of(rank: int) -> CompletionNetwork:
    network = CompletionNetwork(CompletionSpec(base_width=4)).to(memory_format=torch.channels_last)
    random = torch.Generator().manual_seed(rank)
    for parameter in network.parameters():
        parameter.grad = torch.empty_like(parameter).copy_(torch.randn(parameter.shape, generator=random))
    return network


def check_average(world: World) -> None:
    network, everyone = gradients_of(world.rank), [gradients_of(rank).parameters() for rank in range(world.ranks)]
    with Moved() as moved:
        world.average_gradients(network.parameters())
    for mean, *all_ranks in zip(network.parameters(), *everyone, strict=True):
        torch.testing.assert_close(mean.grad, torch.stack([parameter.grad for parameter in all_ranks]).mean(0))
        assert mean.grad.stride() == mean.stride()
    assert moved.operators == 4  # into the message, the sum, the division, and back
    assert moved.bytes <= 8.1 * sum(parameter.nbytes for parameter in network.parameters())


def test_gradients_are_averaged_as_they_lie_in_memory():
    in_processes(2, check_average)


def test_synced_batch_norm_is_that_of_the_global_batch():
    in_processes(2, check_norm, torch.rand(8, 4, 16, 16, generator=torch.Generator().manual_seed(0)))


def test_the_launcher_trains_and_resumes_exactly_on_two_processes(tiny, tmp_path):
    """With mixed precision, through the command's own launcher."""
    options = {"processes": 2, "amp": True, "ema": 0.9}
    undisturbed, stopped = tiny(**options), tiny(out=tmp_path / "stopped", **options)
    assert run(undisturbed).iteration == 12
    in_processes(2, stop_at_five, stopped)
    assert load_newest(stopped.checkpoint_folder)[1]["iteration"] == 5
    assert run(replace(stopped, resume=True)).iteration == 12
    assert states_equal(final_state(undisturbed), final_state(stopped))


def hear_of_each_other(world: World) -> None:
    assert world.any(world.rank == 1)
    assert not world.any(False)
    os._exit(0)  # as a lost process does, without taking its leave


def test_processes_that_torchrun_started_again_find_each_other():
    in_processes(2, hear_of_each_other, starts=2)


def stop_at_five(world: World, config: TrainConfig) -> None:
    trainer = Trainer(config, world)
    step, stop = trainer.step, StopRequest()

    def counted(phase, batch):
        stop.requested = trainer.state.iteration == 4 and world.rank == 1  # only one process is told to stop
        return step(phase, batch)

    trainer.step = counted
    trainer.run(stop)


def test_a_lost_process_is_started_again_and_sigterm_reaches_all(tiny):
    config = tiny(iterations=100_000, checkpoint_every=2)
    words = command(config, "--processes", "2", "--max-restarts", "1")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            lose_a_process_and_stop(process, config)
        finally:
            process.kill()


def lose_a_process_and_stop(process: subprocess.Popen, config: TrainConfig) -> None:
    wait_for(config.checkpoint_folder / "00000002.pt", process)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)
    reached = load_newest(config.checkpoint_folder)[1]["iteration"]
    deadline = time.monotonic() + 100
    while load_newest(config.checkpoint_folder)[1]["iteration"] < reached + 3:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    assert "--resume" in out
    assert "resuming from" in err


def refuse(world: World, configs: list[TrainConfig], difference: str) -> None:
    with pytest.raises(ValueError, match=f"differ in {difference}.*--out and --photos must be on a disk that all"):
        Trainer(configs[world.rank], world)


def test_processes_that_would_go_on_with_different_states_are_refused(tiny, tmp_path):
    configs = [tiny(resume="auto", out=tmp_path / name) for name in ("first", "second")]
    Trainer(configs[1], World(torch.device("cpu"))).save(Meter(8))  # at iteration 0
    saved = configs[1].checkpoint_folder / "00000000.pt"
    saved.rename(saved.with_name("00000003.pt"))
    torch.save(torch.load(saved.with_name("00000003.pt")) | {"iteration": 3}, saved.with_name("00000003.pt"))
    in_processes(2, refuse, configs, "the iteration they begin at")


def test_processes_that_see_different_photos_are_refused(tiny, photos, tmp_path):
    shutil.copytree(photos, tmp_path / "others")
    configs = [tiny(), tiny(photos=tmp_path / "others")]
    photo = min(path for path in (tmp_path / "others").rglob("*") if path.is_file())
    content = photo.read_bytes()
    Image.new("RGB", (96, 96)).save(photo)
    in_processes(2, refuse, configs, "the photos' sizes in bytes")
    photo.write_bytes(content)
    photo.rename(photo.with_stem("renamed"))
    in_processes(2, refuse, configs, "the photos' names")
    photo.with_stem("renamed").unlink()
    in_processes(2, refuse, configs, "the number of photos")


def measure_once(world: World, config: TrainConfig) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if not world.is_first:
            patch.setattr("engine.training.trainer.mean_pixel", lambda *_, **__: pytest.fail("measured again"))
        trainer = Trainer(config, world)
    exact, _ = mean_pixel(trainer.catalog)
    assert trainer.state.spec.mean_pixel == tuple(exact.tolist())


def test_the_first_process_alone_measures_the_mean_pixel(tiny):
    in_processes(2, measure_once, tiny())


def test_a_process_alone_reads_no_names_for_a_comparison_with_others(tiny, monkeypatch):
    monkeypatch.setattr("engine.training.trainer.sha256", lambda *_: pytest.fail("they were read"))
    Trainer(tiny(), World(torch.device("cpu")))


def test_the_mean_pixel_is_measured_by_as_many_threads_as_there_are_workers(tiny, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "engine.training.trainer.mean_pixel", lambda *_, threads, **__: asked.append(threads) or (np.full(3, 0.5), None)
    )
    for number, workers in enumerate((0, 3)):
        Trainer(tiny(out=tiny().run_folder / str(number), workers=workers), World(torch.device("cpu")))
    assert asked == [1, 3]


@pytest.mark.parametrize(
    ("given", "launched", "threads"),
    [(None, False, 3), (None, True, 3), ("1", False, 3), ("1", True, None), ("2", False, None)],
)
def test_threads_are_this_process_share_of_the_cores_it_may_use_unless_given(monkeypatch, given, launched, threads):
    """torchrun's own OMP_NUM_THREADS=1 is not given; this engine's launcher sets none."""
    set_to = []
    for name, value in (("OMP_NUM_THREADS", given), (OWN_LAUNCHER, "1" if launched else None)):
        monkeypatch.delenv(name, raising=False)
        if value:
            monkeypatch.setenv(name, value)
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    one = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}
    for name, value in {**one, "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)))
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    with join_world("cpu"):
        assert set_to == ([threads] if threads else [])


@pytest.mark.parametrize("local_rank", [0, 1])
def test_more_processes_than_gpus_are_refused_by_all_of_them(monkeypatch, local_rank):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    world = {"RANK": local_rank, "WORLD_SIZE": 2, "LOCAL_RANK": local_rank, "LOCAL_WORLD_SIZE": 2}
    for name, value in world.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(ValueError, match=r"2 processes are started here, and torch sees 1 GPUs.*--device cpu"):
        join_world("auto").__enter__()


def test_a_stray_world_size_starts_no_world(monkeypatch):
    """Batch systems leave such a variable behind, without what torchrun sets beside it."""
    for name in ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "1")
    with join_world("cpu") as world:
        assert world.ranks == 1
