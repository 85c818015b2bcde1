"""What is left when commands are stopped, killed, or have their disk, output, network or clock taken away.

Each row of the tables ends a command in one way at one moment, and then runs it again as a user would. What must be
there then is what an undisturbed run leaves, bit for bit, and nothing else: no half file, no temporary one, no process.
docs/reliability.md says the same for people.

Commands run in forked processes, which take no time to start; what ends them is put in their way there.
"""

import contextlib
import ctypes
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest
import torch
from PIL import Image

from engine.commands import data, export, infer
from engine.commands import train as train_command
from engine.training.config import TrainConfig
from engine.training.trainer import Trainer, train
from engine.weights import save_weights
from tests.engine.inference.conftest import random_network
from tests.engine.serve.conftest import mask_of, png
from tests.engine.training.conftest import TINY
from tests.engine.training.tiny_runs import command, final_state, states_equal
from tests.test_no_network import connections, traced

FORKED = multiprocessing.get_context("forkserver")
multiprocessing.set_forkserver_preload(["tests.test_kills", "torch._dynamo", "torch.utils.tensorboard"])

SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGHUP": signal.SIGHUP}
Fault = Callable[[], None]
"""Puts what ends a command in its way, in its process."""


class Killed:
    """Sends this process a signal when it comes by."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self) -> None:
        os.kill(os.getpid(), self.number)


def run_command(
    module: str, words: list[str], folder: str, cache: str, fault: Fault | None, *arguments: object
) -> None:
    """The command as a program of its own: in its own session, with its output and temporary files in `folder`."""
    os.setsid()
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["ENGINE_CACHE"] = cache
    os.environ["TMPDIR"] = tempfile.tempdir = str(Path(folder, "temporary"))
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(Path(folder, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    sys.argv = [f"engine-{module}", *words]
    fault(*arguments)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        setattr(sys, f"__{name}__", open(descriptor, "w", closefd=False))  # noqa: SIM115
        setattr(sys, name, getattr(sys, f"__{name}__"))
    {"train": train_command, "infer": infer, "export": export, "data": data}[module].main()


def nothing() -> None:
    pass


def run(module: str, words: list[object], folder: Path, fault: Fault = nothing, *arguments: object) -> int:
    """Run the command to its end, which is its exit status, or the negative of the signal that killed it."""
    (folder / "temporary").mkdir(parents=True, exist_ok=True)
    words = [*map(str, words)]
    process = FORKED.Process(
        target=run_command, args=(module, words, str(folder), os.environ["ENGINE_CACHE"], fault, *arguments)
    )
    process.start()
    process.join(100)
    assert process.exitcode is not None
    assert not left_of_session(process.pid)
    return process.exitcode


def left_of_session(session: int) -> list[str]:
    """Processes of a command that are still there some seconds after it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
                found += [stat.parent.name] if int(its_session) == session and state != "Z" else []
        if not found:
            break
        time.sleep(0.05)
    return found


def hidden(folder: Path) -> list[Path]:
    """Temporary files, and what else nobody sees."""
    return [path for path in folder.rglob(".*") if path.name != ".lock"]


# --- training


@pytest.fixture(scope="module")
def training(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., TrainConfig]:
    """A tiny run's options: 4 iterations in each phase, a checkpoint after every third."""

    def make(out: Path | None = None, **changes: object) -> TrainConfig:
        out = out or tmp_path_factory.mktemp("run") / "run"
        return TrainConfig(**(TINY | {"photos": photos, "out": out, "checkpoint_every": 3} | changes))

    return make


@pytest.fixture(scope="module")
def undisturbed(training: Callable[..., TrainConfig]) -> TrainConfig:
    torch.set_num_threads(1)
    config = training()
    train(config)
    return config


def words_of(config: TrainConfig, *more: str) -> list[str]:
    return [*command(config)[3:], *more]


def in_step(iteration: int, act: Fault) -> None:
    """While that iteration is computed."""
    step = Trainer.step

    def disturbed(trainer: Trainer, *arguments: object) -> object:
        if trainer.state.iteration == iteration:
            act()
        return step(trainer, *arguments)

    Trainer.step = disturbed


def in_checkpoint(iteration: int, act: Fault) -> None:
    """When half of that checkpoint is written."""
    write = torch.save

    def disturbed(state: dict, file: object) -> None:
        if state["iteration"] == iteration:
            file.write(b"half of it")
            file.flush()
            act()
            file.seek(0)
        write(state, file)

    torch.save = disturbed


def before_rename(name: str, act: Fault) -> None:
    """When that file is whole and has its name not yet."""
    replace = os.replace

    def disturbed(source: object, target: Path) -> None:
        if Path(target).name == name:
            act()
        replace(source, target)

    os.replace = disturbed


def in_metrics(iteration: int, act: Fault) -> None:
    """When half of that iteration's line is written."""
    from engine.training.monitor import Monitor

    metrics = Monitor.metrics

    def disturbed(monitor: Monitor, at: int, *arguments: object) -> None:
        if at == iteration:
            with open(monitor.metrics_file, "a") as file:
                file.write('{"iteration": ')
            act()
        metrics(monitor, at, *arguments)

    Monitor.metrics = disturbed


MOMENTS = {
    "completion phase": (in_step, 1),
    "discriminator phase": (in_step, 5),
    "joint phase": (in_step, 10),
    "half of a checkpoint": (in_checkpoint, 6),
    "checkpoint without its name": (before_rename, "00000006.pt"),
    "weights without their name": (before_rename, "weights.safetensors"),
    "half of a line of metrics": (in_metrics, 7),
}


def check_resumed(config: TrainConfig, undisturbed: TrainConfig, folder: Path) -> None:
    """Resume, and find what the undisturbed run has left, and nothing else."""
    train(replace(config, resume="auto"))
    assert states_equal(final_state(undisturbed), final_state(config))
    assert config.weights_file.read_bytes() == undisturbed.weights_file.read_bytes()
    rows = (config.run_folder / "metrics.jsonl").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == [f'{{"iteration": {number}' for number in range(1, 13)]
    assert not hidden(config.run_folder)
    assert not list((folder / "temporary").iterdir())


ENDS = [("SIGKILL", moment) for moment in MOMENTS]
ENDS += [(name, moment) for name in ("SIGTERM", "SIGHUP") for moment in ("discriminator phase", "half of a checkpoint")]


@pytest.mark.parametrize(("name", "moment"), ENDS)
def test_a_training_is_ended(training, undisturbed, tmp_path, name, moment):
    config, (fault, where) = training(tmp_path / "run"), MOMENTS[moment]
    ended = run("train", words_of(config), tmp_path, fault, where, Killed(SIGNALS[name]))
    assert ended == (-signal.SIGKILL if name == "SIGKILL" else 0)
    assert ended or "To continue" in (tmp_path / "out").read_text()
    check_resumed(config, undisturbed, tmp_path)


def without_room(iteration: int) -> None:
    """No file may grow beyond some kilobytes from that iteration on, as on a full disk."""
    in_step(iteration, partial(resource.setrlimit, resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY)))


def may_mount() -> bool:
    """Whether this process may make a folder read-only for root."""
    tried = ["unshare", "--mount", "mount", "--bind", "/tmp", "/tmp"]
    return os.getuid() == 0 and subprocess.run(tried, capture_output=True, check=False).returncode == 0


def make_read_only(folder: Path) -> None:
    """This thread can write nothing below the folder any more; for root, who may do all, it is mounted so."""
    if os.getuid():
        for path in (folder, *folder.rglob("*/")):
            path.chmod(0o555)
        return
    new_mount_namespace = 0x00020000
    assert ctypes.CDLL(None).unshare(new_mount_namespace) == 0
    for words in (["--make-rprivate", "/"], ["--bind", folder, folder], ["-o", "remount,ro,bind", folder]):
        subprocess.run(["mount", *words], check=True)


def read_only_from(iteration: int, folder: Path) -> None:
    in_step(iteration, partial(make_read_only, folder))


@pytest.mark.parametrize("what", ["full disk", "read-only disk"])
def test_a_training_loses_its_disk(training, undisturbed, tmp_path, what):
    config = training(tmp_path / "run")
    if what == "full disk":
        ended = run("train", words_of(config), tmp_path, without_room, 4)
    else:
        if os.getuid() == 0 and not may_mount():
            pytest.skip("root may write everywhere, and may not mount here")
        ended = run("train", words_of(config), tmp_path, read_only_from, 4, config.run_folder)
        for path in (config.run_folder, *config.run_folder.rglob("*/")):
            path.chmod(0o755)
    *_, why, remedy = (tmp_path / "err").read_text().splitlines()
    assert ended == 1
    assert why.startswith("engine-train: ")
    assert remedy == "iteration 3 of 12 is saved; --resume goes on from it"
    check_resumed(config, undisturbed, tmp_path)


def lose_the_reader(iteration: int, act: Fault) -> None:
    """Who reads standard output and error goes away at that iteration, and something else happens."""
    reader, writer = os.pipe()
    for descriptor in (1, 2):
        os.dup2(writer, descriptor)
    in_step(iteration, lambda: (os.close(reader), act()))


def close_the_terminal(iteration: int) -> None:
    """The terminal on which all is shown is closed at that iteration, which sends SIGHUP."""
    terminal, its_end = os.openpty()
    for descriptor in (1, 2):
        os.dup2(its_end, descriptor)
    os.close(its_end)
    os.environ["TERM"] = "xterm"
    in_step(iteration, lambda: (os.close(terminal), os.kill(os.getpid(), signal.SIGHUP)))


OUTPUTS = {
    "| head": (12, lose_the_reader, 4, int),
    "Ctrl-C on | tee": (5, lose_the_reader, 4, Killed(signal.SIGINT)),
    "terminal closed": (5, close_the_terminal, 4),
}


@pytest.mark.parametrize("what", OUTPUTS)
def test_a_training_loses_its_output(training, undisturbed, tmp_path, what):
    reached, *fault = OUTPUTS[what]
    config = training(tmp_path / "run")
    assert run("train", words_of(config), tmp_path, *fault) == 0
    assert final_state(config)["iteration"] == reached
    check_resumed(config, undisturbed, tmp_path)


def kill_workers(iteration: int) -> None:
    in_step(iteration, lambda: [os.kill(worker.pid, signal.SIGKILL) for worker in multiprocessing.active_children()])


def test_a_training_loses_its_loader(training, undisturbed, tmp_path):
    config = training(tmp_path / "run", workers=1, loader="cpu", iterations=12)
    assert run("train", words_of(config), tmp_path, kill_workers, 4) in (0, 1)  # the rest may have been decoded already
    check_resumed(config, undisturbed, tmp_path)


def set_the_clock_back() -> None:
    now = time.time
    time.time = lambda: now() - 86_400


def test_a_training_goes_on_with_the_clock_set_back(training, undisturbed, tmp_path):
    config = training(tmp_path / "run")
    run("train", words_of(config), tmp_path, in_step, 4, Killed(signal.SIGKILL))
    assert run("train", words_of(config, "--resume"), tmp_path, set_the_clock_back) == 0
    check_resumed(config, undisturbed, tmp_path)


@pytest.mark.slow
def test_two_processes_train_on_a_machine_whose_name_leads_nowhere(training, tmp_path):
    """It took ten minutes to fail. They meet without asking a name server anything."""
    names = "import socket; socket.gethostname = socket.getfqdn = lambda *_: 'nowhere.invalid'"
    (tmp_path / "sitecustomize.py").write_text(names)
    (tmp_path / "temporary").mkdir()
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    environment = os.environ | {"PYTHONPATH": paths, "TMPDIR": str(tmp_path / "temporary"), "OMP_NUM_THREADS": "1"}
    environment["TORCHINDUCTOR_CACHE_DIR"] = str(tmp_path / "compiled")  # which torch makes for later
    config = training(tmp_path / "run")
    words = traced(command(config, "--processes", "2"), tmp_path / "trace")
    with subprocess.Popen(words, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True) as process:
        _, said = process.communicate(timeout=100)
    assert process.returncode == 0, said
    assert "nowhere" not in said
    if (tmp_path / "trace").exists():
        assert all("127.0.0.1" in call for call in connections(tmp_path / "trace") if "AF_INET" in call)
    assert final_state(config)["iteration"] == 12
    assert not left_of_session(process.pid)
    assert not list((tmp_path / "temporary").iterdir())


# --- folders, data sets and exports


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, random_network(4))
    return path


@pytest.fixture(scope="module")
def album(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("album")
    for number, path in enumerate(sorted(photos.iterdir())[:4]):
        shutil.copy(path, folder / f"{number}.png")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))


def without_output() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for descriptor in (1, 2):
        os.dup2(writer, descriptor)


FOLDER_ENDS = {
    "SIGKILL": (-signal.SIGKILL, before_rename, "2.png", Killed(signal.SIGKILL)),
    "SIGTERM": (143, before_rename, "2.png", Killed(signal.SIGTERM)),
    "SIGHUP": (129, before_rename, "2.png", Killed(signal.SIGHUP)),
    "SIGINT": (130, before_rename, "2.png", Killed(signal.SIGINT)),
    "full disk": (3, limit_files),
    "closed output": (0, without_output),
}


@pytest.mark.parametrize("what", FOLDER_ENDS)
def test_a_folder_is_half_done(album, weights, tmp_path, what):
    words = [album, "--hole", "20,20,30,30", "--weights", weights, "--runtime", "torch", "--out"]
    if not (whole := weights.parent / "whole").exists():
        assert run("infer", [*words, whole], tmp_path) == 0
    status, *fault = FOLDER_ENDS[what]
    assert run("infer", [*words, tmp_path / "done"], tmp_path, *fault) == status
    if status > 0:
        assert not hidden(tmp_path / "done")
    half = contents(tmp_path / "done")
    for name, content in half.items():
        assert name.startswith(".") or content == contents(whole)[name]
    assert run("infer", [*words, tmp_path / "done"], tmp_path) == 0
    assert contents(tmp_path / "done") == contents(whole)
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize("what", ["shard", "index"])
def test_a_data_set_is_half_written(album, tmp_path, what):
    photos = shutil.copytree(album, tmp_path / "photos")
    words, made = {
        "shard": (["pack", photos, tmp_path / "shards"], tmp_path / "shards" / "photos-000000.tar"),
        "index": (["index", photos, "--out", photos / "photos.index"], photos / "photos.index"),
    }[what]
    kill = Killed(signal.SIGKILL)
    assert run("data", words, tmp_path, before_rename, made.name, kill) == -signal.SIGKILL
    assert not made.exists()
    assert run("data", words, tmp_path) == 0
    assert made.exists()
    assert not hidden(tmp_path)


def in_openvino(act: Fault) -> None:
    import openvino

    def disturbed(model: object, path: str, **options: object) -> None:
        Path(path).write_bytes(b"half of it")
        act()

    openvino.save_model = disturbed


EXPORT_ENDS = {
    "onnx, SIGKILL": (-signal.SIGKILL, before_rename, "tiny.onnx", Killed(signal.SIGKILL)),
    "openvino, SIGKILL": (-signal.SIGKILL, in_openvino, Killed(signal.SIGKILL)),
    "openvino, SIGTERM": (143, in_openvino, Killed(signal.SIGTERM)),
    "openvino, SIGHUP": (129, in_openvino, Killed(signal.SIGHUP)),
    "openvino, full disk": (1, limit_files),
}


@pytest.mark.parametrize("what", EXPORT_ENDS)
def test_an_export_is_half_written(weights, tmp_path, what):
    shutil.copy(weights, tmp_path / "tiny.safetensors")
    words = [tmp_path / "tiny.safetensors", "--to", what.partition(",")[0], "--out"]
    out = tmp_path / "out-folder" / ("tiny.onnx" if "onnx" in what else "tiny.xml")
    status, *fault = EXPORT_ENDS[what]
    assert run("export", [*words, out], tmp_path, *fault) == status
    assert not out.exists()
    if status > 0:
        assert not hidden(tmp_path)
    assert run("export", [*words, out], tmp_path) == 0
    assert out.exists()
    assert not hidden(tmp_path)
    assert not list((tmp_path / "temporary").iterdir())


# --- the server


@pytest.mark.slow
@pytest.mark.parametrize(("name", "status"), [("SIGKILL", -9), ("SIGTERM", 0), ("SIGHUP", 0)])
def test_the_server_is_ended_under_load(weights, tmp_path, name, status):
    words = [sys.executable, "-m", "engine.commands.serve", "--port", "0", "--runtime", "torch", "--weights", weights]
    environment = os.environ | {"TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    photo, mask = png(Image.new("RGB", (900, 900), "red")), png(mask_of((900, 900), (50, 50, 850, 850)))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, env=environment, start_new_session=True, **pipes) as server:
        try:
            address = server.stdout.readline().split()[1]

            def ask() -> bool:
                with contextlib.suppress(httpx.HTTPError):
                    files = {"photo": photo, "mask": mask}
                    return httpx.post(f"{address}complete", files=files, timeout=60).status_code == 200
                return False

            with ThreadPoolExecutor(4) as pool:
                asked = [pool.submit(ask) for _ in range(12)]
                while not any(one.done() for one in asked):
                    time.sleep(0.01)
                server.send_signal(SIGNALS[name])
                assert server.wait(60) == status
            assert "Traceback" not in server.stderr.read()
        finally:
            server.kill()
    assert not left_of_session(server.pid)
    assert not list(tmp_path.iterdir())
