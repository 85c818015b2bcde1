"""No command resolves a name, opens a connection or leaves in the home folder what is not our cache."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.training.conftest import tiny
from tests.engine.training.test_launch import PROGRAMS, torchrun_of_the_readme
from tests.engine.training.tiny_runs import command
from tests.test_readme import COMMANDS, desk

__all__ = ["desk", "tiny"]

STRACE = ["strace", "-f", "--seccomp-bpf", "-e", "trace=network", "-o"]


def traced(words: list[str], trace: Path) -> list[str]:
    """The command with its sockets noted in `trace`; as it is where there is no strace, or it may not trace."""
    tried = [*STRACE, str(trace), "true"]
    may = shutil.which("strace") and subprocess.run(tried, capture_output=True, check=False).returncode == 0
    return [*STRACE, str(trace), *words] if may else words


def connections(trace: Path) -> list[str]:
    """What a process asked of other machines, or of this one by its network."""
    if not trace.exists():
        pytest.skip("strace is not installed, or may not trace: connections are not counted")
    calls = re.findall(r"(?:connect|sendto|sendmsg|sendmmsg)\(.*", trace.read_text())
    return [call for call in calls if "AF_INET" in call or not re.search(r"AF_|msg_name=NULL", call)]


def home_of(folder: Path) -> dict[str, str]:
    """The environment of a user who has an empty home folder and decides nothing."""
    (folder / "home").mkdir()
    decided = ("ENGINE_CACHE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "ORT_DISABLE_TELEMETRY", "CI")
    return {name: value for name, value in os.environ.items() if name not in decided} | {"HOME": str(folder / "home")}


def in_home(folder: Path) -> set[str]:
    files = {path.relative_to(folder / "home") for path in (folder / "home").rglob("*") if path.is_file()}
    return {"/".join(path.parts[:2]) for path in files}


@pytest.mark.slow
def test_the_commands_of_the_readme(desk):
    words = traced([sys.executable, "-m", "tests.every_command"], desk / "trace")
    environment = home_of(desk) | {"PYTHONPATH": str(Path(__file__).parents[1]), "ENGINE_PHOTOS": "photos"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ended = re.findall(r"^ended: (.*)", done.stdout, re.MULTILINE)
    assert len(ended) == len(COMMANDS) + 2 + 4 + 1
    well = [line for line in ended if line.startswith("0 ")]
    # But for --trt without a GPU, the page without npm's package, and the import of what is ours already.
    assert len(well) >= len(ended) - 3, ended
    assert in_home(desk) == {".cache/glcic-engine"}
    assert connections(desk / "trace") == []


@pytest.mark.slow
def test_torchrun_as_the_readme_has_it(tiny, tmp_path):
    """But for one node, and two processes: they connect to this machine alone. PyTorch's store asks the name server
    what 127.0.0.1 is called, for its log."""
    words = [*torchrun_of_the_readme(), str(PROGRAMS / "engine-train"), *command(tiny())[3:], "--amp"]
    done = subprocess.run(
        traced(words, tmp_path / "trace"), env=home_of(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert in_home(tmp_path) <= {".cache/glcic-engine"}
    addressed = [call for call in connections(tmp_path / "trace") if "AF_INET" in call]
    assert addressed, "the processes connect to each other"
    assert [call for call in addressed if not re.search(r'"(::ffff:)?127\.|"::1"|htons\(53\)', call)] == []


@pytest.mark.slow
def test_make_demo(tmp_path, monkeypatch):
    """What it runs once all is installed, which pip does from where it is set up to."""
    monkeypatch.chdir(tmp_path)
    environment = home_of(tmp_path) | {"PYTHONPATH": str(Path(__file__).parents[1])}
    words = traced([sys.executable, "-m", "engine.commands.demo"], tmp_path / "trace")
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert in_home(tmp_path) <= {".cache/glcic-engine"}
    assert connections(tmp_path / "trace") == []


def test_the_server(desk):
    httpx = pytest.importorskip("httpx")
    words = [sys.executable, "-m", "engine.commands.serve", "--port", "0"]
    with subprocess.Popen(
        traced(words, desk / "trace"), env=home_of(desk), stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            address = server.stdout.readline().split()[1]
            files = {"photo": Path("photo.jpg").read_bytes(), "mask": Path("mask.png").read_bytes()}
            answer = httpx.post(f"{address}complete", files=files, timeout=60)
            children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
            os.kill(int(children[0]) if children else server.pid, signal.SIGINT)  # strace's child, if it is traced
            assert server.wait(60) == 0
        finally:
            server.kill()
    assert answer.status_code == 200
    assert in_home(desk) <= {".cache/glcic-engine"}
    sent = connections(desk / "trace")
    assert not [call for call in sent if call.startswith("connect") or "sin_port" in call], sent


def test_what_the_user_decides_of_telemetry_stays(tmp_path):
    program = "import os, sys; sys.modules['openvino_telemetry'] = os; import engine.packages; "
    program += "print(os.environ['ORT_DISABLE_TELEMETRY'], sys.modules['openvino_telemetry'] is os)"
    environment = os.environ | {"ORT_DISABLE_TELEMETRY": "0"}
    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == "0 True\n"
