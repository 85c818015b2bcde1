"""Starting several processes for real: by torchrun as the README says, and by the command's own launcher."""

import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from engine.training.checkpoint import checkpoints
from engine.training.config import TrainConfig
from engine.training.distributed import World
from engine.training.launch import run
from engine.training.stopping import StopRequest, stop_signals
from engine.training.trainer import Outcome, Trainer
from tests.engine.training.tiny_runs import command, final_state, states_equal, wait_for

README = Path(__file__).parents[3] / "README.md"
PROGRAMS = Path(sys.executable).parent


def torchrun_of_the_readme() -> list[str]:
    """Its words but for one node in place of two, two processes in place of four, and this machine."""
    text = " ".join(README.read_text().split())
    (said,) = re.findall(r"`(torchrun [^`]* --no-python) engine-train [^`]*`", text)
    here = said.replace("--nnodes 2", "--nnodes 1").replace("--nproc-per-node 4", "--nproc-per-node 2")
    torchrun, *words = shlex.split(here.replace("HOST:29500", "localhost:0"))
    return [str(PROGRAMS / torchrun), *words]


def test_torchrun_starts_it_as_the_readme_says(tiny):
    words = torchrun_of_the_readme()
    assert words[1:5] == ["--nnodes", "1", "--nproc-per-node", "2"]
    config = tiny()
    *_, first = command(config)[:3]
    assert first == "engine.commands.train"
    words += [str(PROGRAMS / "engine-train"), *command(config)[3:], "--amp"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 0, ended.stderr
    assert final_state(config)["iteration"] == 12
    rows = (config.run_folder / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == 12  # of one process, not of each
    assert ended.stderr.count("photos are decoded by") == ended.stdout.count("Weights: ") == 1


def test_compiled_in_mixed_precision_on_two_processes_a_resumed_run_equals_an_undisturbed_one(tiny, tmp_path):
    lengths = {"split": None, "completion_iterations": 2, "discriminator_iterations": 1}
    options = {"processes": 2, "amp": True, "compile": True, "iterations": 6, **lengths}
    undisturbed, stopped = tiny(**options), tiny(out=tmp_path / "stopped", **options)
    assert run(undisturbed).iteration == 6
    assert run(replace(stopped, iterations=4)).iteration == 4  # the schedule's beginning is the same
    assert run(replace(stopped, resume=True)).iteration == 6
    assert states_equal(final_state(undisturbed), final_state(stopped))


def test_restarts_do_not_go_on_with_a_run_that_is_there(tiny, monkeypatch):
    """Even if the first start is lost before it comes to refuse that."""
    config = tiny(iterations=4, max_restarts=2)
    assert run(config).iteration == 4
    monkeypatch.setattr("engine.training.launch.start", lambda *_: pytest.fail("it was started"))
    with pytest.raises(ValueError, match="holds a run already"):
        run(replace(config, iterations=12))
    assert final_state(config)["iteration"] == 4


def test_what_the_next_start_would_end_in_as_well_is_not_tried_again(tiny, caplog):
    with pytest.raises(ValueError, match="--batch is 8; it must be a multiple of"):
        run(tiny(processes=2, accumulate=3, max_restarts=5))
    with pytest.raises(FloatingPointError, match="are not finite"):
        run(tiny(learning_rate=1e30, processes=2, max_restarts=5))
    assert "restart 1" not in caplog.text


@contextmanager
def two_processes(config: TrainConfig, *more: str) -> Iterator[subprocess.Popen]:
    """The command, in a process group of its own as at a terminal, from when it trains on."""
    words = command(config, "--processes", "2", *more)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, **pipes, process_group=0) as process:
        try:
            wait_for(config.run_folder / "metrics.jsonl", process)
            yield process
        finally:
            process.kill()


def children_of(process: subprocess.Popen) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False)
    return list(map(int, found.stdout.split()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_whole_group_stops_two_processes_without_killing_them(tiny, number):
    """As Ctrl-C at a terminal and a terminal that closes do; the loaders' workers are in it."""
    config = tiny(iterations=100_000, workers=1)
    with two_processes(config) as process:
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=100)
    assert "forcefully exiting" not in err, "elastic waited for 30 s, and then killed one"
    assert process.returncode == 0, err
    assert "Traceback" not in err
    reached = final_state(config)["iteration"]
    assert 0 < reached < 100_000
    assert f"Stopped after iteration {reached} of" in out


def test_a_stop_that_cannot_be_saved_is_no_success(tiny, monkeypatch):
    """Although there is an older checkpoint: what was done since is lost."""
    config = tiny(iterations=100_000)
    Trainer(tiny(iterations=4), World(torch.device("cpu"))).run(StopRequest())
    (config.run_folder / "metrics.jsonl").unlink()
    with two_processes(config, "--resume") as process:
        for pid in (process.pid, *children_of(process)):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (50_000, 50_000))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=100)
    assert process.returncode == 1, err
    assert "Stopped after" not in out
    *_, why, remedy = err.splitlines()
    assert re.match(r"engine-train: training process 0 failed as it was to stop: OSError: .*weights.safetensors", why)
    assert remedy == "iteration 4 of 100000 is saved; --resume goes on from it"


def test_processes_leave_nothing_outside_the_run_folder(tiny, tmp_path, monkeypatch):
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))  # which torch makes for later
    assert run(tiny(processes=2, iterations=2, workers=1)).iteration == 2
    assert not list(temporary.iterdir())


def test_without_their_launcher_two_processes_save_and_end(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # a killed launcher leaves a folder there
    config = tiny(iterations=100_000)
    with two_processes(config) as process:
        children = children_of(process)
        assert len(children) == 2
        process.kill()
        deadline = time.monotonic() + 60
        while any(Path(f"/proc/{child}/exe").exists() for child in children):  # a zombie has none
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert final_state(config)["iteration"] > 0


def test_a_stop_before_anything_is_saved_is_no_success(tiny):
    config = tiny()
    words = command(config, "--processes", "2")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 100
        while not children_of(process):
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)  # its processes still import torch
        out, err = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "Stopped after" not in out
    assert err.splitlines()[-1] == "engine-train: stopped before it could save; nothing is saved yet"
    assert not checkpoints(config.checkpoint_folder)


def test_the_time_limit_counts_what_setting_up_takes(tiny, monkeypatch):
    def slow(trainer: Trainer) -> tuple[float, float, float]:
        time.sleep(0.6)
        return 0.4, 0.5, 0.6

    monkeypatch.setattr(Trainer, "measure_mean_pixel", slow)
    assert run(tiny(iterations=1000, time_limit=0.5 / 60)).iteration == 0


def test_a_restart_resumes_and_keeps_the_time_that_the_limit_counts_from(tiny, monkeypatch):
    starts = []

    def lost_at_first(config: TrainConfig, processes: int, started: float) -> Outcome:
        starts.append((config.resume, started))
        if len(starts) == 1:
            raise ChildFailedError("", {0: ProcessFailure(local_rank=0, pid=1, exitcode=-9, error_file="")})
        return Outcome(1, 1, config.weights_file)

    monkeypatch.setattr("engine.training.launch.start", lost_at_first)
    run(tiny(max_restarts=1, time_limit=1.0))
    assert starts == [(False, starts[0][1]), ("auto", starts[0][1])]


@pytest.fixture
def under_torchrun(monkeypatch) -> torch.distributed.Store:
    """torchrun's store, as if it had started this process."""
    store = torch.distributed.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    one = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "OMP_NUM_THREADS": "2"}
    there = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    for name, value in {**one, **there}.items():
        monkeypatch.setenv(name, value)
    return store


def test_under_torchrun_the_time_limit_counts_from_the_first_start(tiny, monkeypatch, under_torchrun):
    """Which the second one learns from torchrun's store."""
    clock = time.time
    for start, (minutes, iterations, reached) in enumerate([(0, 2, 2), (50, 4, 4), (61, 6, 4)]):
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", str(start))
        monkeypatch.setattr("time.time", lambda minutes=minutes: clock() + 60 * minutes)
        config = tiny(iterations=iterations, split=(100, 0, 0), resume="auto", time_limit=60.0)
        assert run(config).iteration == reached


def test_one_of_several_processes_is_not_interrupted_by_a_second_signal():
    """It is the same Ctrl-C, once from the terminal and once from the launcher."""
    with stop_signals(one_of_several=True) as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert stop.requested
    with stop_signals():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_hang_up_that_is_ignored_stays_so():
    """As `nohup` has it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.requested
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with stop_signals() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert stop.requested
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_process_of_a_launcher_is_one_of_several(tiny, monkeypatch, under_torchrun):
    def interrupted_twice(trainer: Trainer, stop: StopRequest) -> Outcome:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return Outcome(int(stop.requested), 2, trainer.config.weights_file)

    monkeypatch.setattr(Trainer, "run", interrupted_twice)
    assert run(tiny()).iteration == 1
