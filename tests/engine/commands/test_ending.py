"""How commands end: in a line, with the status that shells know, and with nothing left on disk."""

import importlib
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from engine.commands import demo


def interrupt_once_opened(pipe: Path) -> None:
    """SIGINT for this process when something reads `pipe`, which ends a little later."""
    with open(pipe, "wb"):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)


COMMANDS = {  # with the name of the pipe
    "data": ("list.txt", "index . --list list.txt"),
    "evaluate": ("pipe.png", "."),
    "export": ("pipe.entry", "--list-cache"),
    "import_weights": ("config.json", "model_cn --config config.json --out new.safetensors"),
    "infer": ("pipe.png", "pipe.png --hole 5,5,9,9 --out out.png"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_interrupted(command, run_main, tmp_path, monkeypatch, capsys):
    """While it reads a file: a pipe that gives nothing."""
    name, words = COMMANDS[command]
    os.mkfifo(tmp_path / name)
    monkeypatch.setenv("ENGINE_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    # engine-evaluate would leave the pipe out; and it reads headers by pread, which fails on a pipe at once.
    monkeypatch.setattr("data.scan.stat.S_ISFIFO", lambda mode: False)
    monkeypatch.setattr(os, "pread", lambda descriptor, *_: os.read(descriptor, 1))
    threading.Thread(target=interrupt_once_opened, args=(tmp_path / name,), daemon=True).start()
    with pytest.raises(SystemExit) as stopped:
        run_main(importlib.import_module(f"engine.commands.{command}").main, *words.split())
    assert stopped.value.code == 130
    assert capsys.readouterr().err.splitlines()[-1] == f"engine-{command.removesuffix('_weights')}: stopped"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_demo_ends_in_a_line_too(tmp_path, monkeypatch):
    (tmp_path / "runs").write_bytes(b"")  # where its folder would be
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"^make demo: .*runs/make-demo"):
        demo.main()


def in_a_process(body: str, **kwargs) -> subprocess.CompletedProcess:
    """`body` as a command's main, with the encoding that most people's terminals have."""
    program = f"from engine.commands.ending import ends_in_a_line\n@ends_in_a_line('it')\ndef main(): {body}\nmain()"
    environment = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    return subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, env=environment, **kwargs)


def test_a_name_that_is_no_text_is_printed():
    done = in_a_process("print('caf\\udce9.png'); raise ValueError('caf\\udce9.png')", stdout=subprocess.PIPE)
    assert (done.stdout, done.stderr) == (b"caf\\udce9.png\n", b"it: caf\\udce9.png\n")


@pytest.mark.parametrize(
    ("body", "said"),
    {
        "little": ("print('a')", b""),
        "much": ("print('a' * 1_000_000)", b""),
        "exit": ("print('a'); raise SystemExit(0)", b""),
        "error": ("print('a', flush=True); raise ValueError('wrong')", b""),
    }.values(),
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_nothing_is_said_to_who_stops_reading(body, said, unbuffered, monkeypatch):
    """As `engine-train --help | head -3` does."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    reader, writer = os.pipe()
    os.close(reader)
    done = in_a_process(body, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, said)


def test_the_broken_pipe_of_a_worker_is_told():
    done = in_a_process("raise BrokenPipeError(32, 'Broken pipe')", stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, b"it: [Errno 32] Broken pipe\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_command_runs_where_who_starts_it_has_its_output_closed(closed, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "photos" / "a.png")
    program = "from engine.commands.start import data; data()"
    words = shlex.join([sys.executable, "-c", program, "index", str(tmp_path / "photos")])
    assert subprocess.run(f"{words} {closed}", shell=True, check=False).returncode == 0
    assert (tmp_path / "photos" / "photos.index").exists()
