"""engine-infer in several processes: what one would give, and none left behind however it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.commands import infer_processes
from engine.commands.infer_config import InferConfig
from engine.commands.infer_processes import MEMORY, PHOTOS, processes_for

ENGINE_INFER = (sys.executable, "-c", "from engine.commands.start import infer; infer()")


@pytest.fixture
def photos(tmp_path) -> Path:
    """Photos with masks; one of them is none, and one has nothing in its mask."""
    folder, generator = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    for number in range(6):
        photo_HW3 = cv2.GaussianBlur(generator.integers(0, 256, (90, 100, 3), np.uint8), (0, 0), 1)
        mask_HW = np.zeros((90, 100), np.uint8)
        mask_HW[30:60, 30 : 60 if number != 4 else 30] = 255
        cv2.imwrite(str(folder / f"{number}.png"), photo_HW3)
        cv2.imwrite(str(folder / f"{number}.mask.png"), mask_HW)
    (folder / "2.png").write_bytes(b"no photo")
    return folder


def start(*words: object, **options: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*ENGINE_INFER, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def begun(photos: Path, weights: Path, out: Path) -> "tuple[subprocess.Popen[str], list[int]]":
    """A command with two processes on many photos, one of which is completed, and these processes."""
    for number in range(10, 400):
        for name in ("{}.png", "{}.mask.png"):
            os.link(photos / name.format(0), photos / name.format(number))
    command = start(photos, "--out", out, "--weights", weights, "--runtime", "onnx", "--processes", 2)
    assert command.stdout is not None
    assert "completed" in command.stdout.readline()
    children = Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text().split()
    return command, [int(child) for child in children]


def running(processes: list[int]) -> list[int]:
    """Those that run after as many as 20 seconds."""
    for _ in range(200):
        left = [one for one in processes if Path(f"/proc/{one}/stat").exists() and state_of(one) not in "ZX"]
        if not left:
            return []
        time.sleep(0.1)
    return left


def state_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def check_whole(out: Path) -> None:
    """Fails if a file there is none that can be read, or is not one of the results."""
    found = list(out.iterdir())
    assert 0 < len(found) < 390
    for path in found:
        assert path.suffix == ".png"
        assert cv2.imread(str(path)) is not None


def test_several_processes_give_what_one_does_in_the_same_order(photos, weights, tmp_path):
    told, results = [], []
    for count in (1, 3):
        out = tmp_path / f"by-{count}"
        words = (photos, "--out", out, "--weights", weights, "--runtime", "onnx", "--json", "--processes", count)
        said, errors = (command := start(*words)).communicate(timeout=120)
        assert command.returncode == 1, errors
        lines = [json.loads(line) for line in said.splitlines()]
        told.append([(line["photo"], line["status"]) for line in lines[:-1]] + [lines[-1]])
        results.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert told[0] == told[1]
    assert results[0] == results[1]
    assert told[0][-1] == {"summary": {"completed": 4, "copied": 1, "skipped": 0, "failed": 1}}


def test_weights_that_cannot_be_read_end_it_in_a_line(photos, tmp_path):
    said, errors = (command := start(photos, "--weights", "none.safetensors", "--processes", 2)).communicate(
        timeout=120
    )
    assert (command.returncode, said) == (1, "")
    assert errors == "engine-infer: there is no weights file at none.safetensors\n"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc names the processes")
def test_a_process_that_is_killed_ends_the_command_in_a_line(photos, weights, tmp_path):
    command, processes = begun(photos, weights, tmp_path / "done")
    os.kill(processes[-1], signal.SIGKILL)
    _, errors = command.communicate(timeout=60)
    assert command.returncode == 1
    assert errors.splitlines()[-1].startswith("engine-infer: one of 2 processes was ended from outside")
    assert "Traceback" not in errors
    assert not running(processes)
    check_whole(tmp_path / "done")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc names the processes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_when_the_command_ends(photos, weights, tmp_path, number):
    command, processes = begun(photos, weights, tmp_path / "done")
    os.kill(command.pid, number)
    _, errors = command.communicate(timeout=60)
    assert command.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    assert not running(processes)
    if number != signal.SIGKILL:  # of which multiprocessing tells, and which may leave a file that is not yet whole
        assert errors == ("engine-infer: stopped\n" if number == signal.SIGINT else "")
        check_whole(tmp_path / "done")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("--processes", 0), 2, "--processes is 0; it must be at least 1"),
        (("--processes", 2, "--watch"), 2, "--processes and --watch are both given"),
        (("--processes", 2, "--cluster", "local"), 1, "--processes is 2, and it is for photos on disk"),
    ],
)
def test_what_does_not_go_with_several_processes_is_refused(photos, words, status, message):
    _, errors = (command := start(photos, *words)).communicate(timeout=60)
    assert command.returncode == status
    assert message in errors


def test_there_are_as_many_processes_as_pay(monkeypatch):
    monkeypatch.setattr(infer_processes, "cpu_threads", lambda: 8)
    monkeypatch.setattr(infer_processes, "free_memory", lambda device: 5 * MEMORY)
    monkeypatch.setattr(infer_processes, "has_nvidia_gpu", lambda: False)
    auto = InferConfig(photos=(Path("photos"),))
    assert [processes_for(auto, photos) for photos in (2, 2 * PHOTOS - 1, 2 * PHOTOS, 9 * PHOTOS)] == [1, 1, 2, 5]
    assert processes_for(InferConfig(photos=(Path("photos"),), device="cuda"), 1000) == 1
    asked = InferConfig(photos=(Path("photos"),), processes=3)
    assert [processes_for(asked, photos) for photos in (2, 1000)] == [2, 3]
    monkeypatch.setattr(infer_processes, "has_nvidia_gpu", lambda: True)
    assert processes_for(auto, 1000) == 1
