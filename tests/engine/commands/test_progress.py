"""The bar of each command: on a terminal, and nowhere in the way of results."""

import importlib
import sys
from io import StringIO

import pytest
from PIL import Image

from engine.commands.progress import progress
from engine.weights import save_weights
from tests.engine.inference.conftest import random_network


class Terminal(StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal_for(monkeypatch):
    """Makes these streams of sys one terminal, which is returned; in the test, as pytest puts its own back before."""

    def call(*names):
        terminal = Terminal()
        monkeypatch.setenv("TERM", "xterm")
        for name in names:
            monkeypatch.setattr(sys, name, terminal)
        return terminal

    return call


@pytest.fixture
def folder(tmp_path, shipped_photos, monkeypatch):
    """The current folder, with two photos in in/ and weights."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for number in range(2):
        Image.open(shipped_photos / "astronaut.png").crop((0, 0, 90, 80 + number)).save(f"in/{number}.png")
    save_weights(tmp_path / "tiny.safetensors", random_network(2))
    return tmp_path


@pytest.mark.parametrize("total", [3, None])
def test_a_bar_tells_what_and_how_much(terminal_for, total):
    terminal = terminal_for("stderr")
    with progress("counting sheep", total) as advance:
        advance(1)
        advance(2)
    assert "counting sheep" in terminal.getvalue()
    assert f"3/{total or '?'}" in terminal.getvalue()


def test_no_bar_where_none_is_wanted(terminal_for):
    terminal = terminal_for("stderr")
    with progress("counting sheep", 3, shown=False) as advance:
        advance(3)
    assert terminal.getvalue() == ""


def test_no_bar_in_a_file(capsys):
    with progress("counting sheep", 3) as advance:
        advance(3)
    assert capsys.readouterr().err == ""


@pytest.fixture
def status_of(run_main):
    """The exit status of a command that is called with these words."""

    def call(command, words):
        try:
            run_main(importlib.import_module(f"engine.commands.{command}").main, *words.split())
        except SystemExit as end:
            return end.code or 0
        return 0

    return call


INFER = "in --hole 20,20,20,20 --out out --weights tiny.safetensors --runtime torch"


@pytest.mark.parametrize(
    ("command", "words", "what"),
    [
        ("data", "index in", "reading headers"),
        ("data", "mean in", "measuring"),
        ("evaluate", "in --weights tiny.safetensors --runtime torch", "evaluating"),
        ("infer", INFER, "completing"),
    ],
)
def test_each_command_shows_it(command, words, what, folder, terminal_for, status_of):
    terminal = terminal_for("stdout", "stderr")
    assert status_of(command, words) == 0
    assert what in terminal.getvalue()
    assert "2/2" in terminal.getvalue()


def test_outcomes_go_where_standard_output_goes(folder, terminal_for, status_of, capsys):
    terminal = terminal_for("stderr")
    assert status_of("infer", INFER) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["out/0.png", "out/1.png", "2 completed"]
    assert terminal.getvalue() == ""
