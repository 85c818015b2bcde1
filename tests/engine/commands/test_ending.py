"""Ctrl-C while a command works: one line, the status that shells know, and nothing left on disk."""

import importlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest


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
def test_interrupted(command, tmp_path, monkeypatch, capsys):
    """While it reads a file: a pipe that gives nothing."""
    name, words = COMMANDS[command]
    os.mkfifo(tmp_path / name)
    monkeypatch.setenv("ENGINE_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    # engine-evaluate reads headers by pread, which fails on a pipe at once: it might end before the interrupt.
    monkeypatch.setattr(os, "pread", lambda descriptor, *_: os.read(descriptor, 1))
    monkeypatch.setattr(sys, "argv", [command, *words.split()])
    threading.Thread(target=interrupt_once_opened, args=(tmp_path / name,), daemon=True).start()
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module(f"engine.commands.{command}").main()
    assert stopped.value.code == 130
    assert capsys.readouterr().err.splitlines()[-1] == f"engine-{command.removesuffix('_weights')}: stopped"
    assert [path.name for path in tmp_path.iterdir()] == [name]
