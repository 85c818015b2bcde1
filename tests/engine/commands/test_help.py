"""--help of every command, and what each says that cannot even be loaded."""

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from functools import partial
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.commands import start, train
from engine.training.config import TrainConfig

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
COMMANDS: dict[str, str] = PROJECT["scripts"]


def loaded_by(command: str) -> partial[None]:
    """The function of the installed command."""
    module, _, name = COMMANDS[command].partition(":")
    assert module == start.__name__
    function: partial[None] = getattr(start, name)
    return function


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_have_a_line_each(command, run_main, monkeypatch, capsys):
    """tyro joins lines that begin with a letter; usage shows the command and not a path."""
    module = import_module(f"engine.commands.{loaded_by(command).args[1]}")
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        run_main(module.main, "--help")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"usage: {command} ")
    examples = [line for line in module.__doc__.splitlines() if line.strip().startswith(f"{command} ")]
    assert examples or command == "engine-data"
    assert set(examples) <= set(lines)
    assert all(len(line) <= 80 for line in examples)


def test_options_of_training_that_are_seldom_needed_are_told_by_help_all(run_main, capsys):
    def options(word):
        with pytest.raises(SystemExit, match="0"):
            run_main(train.main, "--preset", "lite", word)
        text = capsys.readouterr().out
        assert "(default: 40000)" in text  # the preset's
        return set(re.findall(r"^\W*--([a-z][a-z-]*)", text, re.M))

    every = {field.name.replace("_", "-") for field in fields(TrainConfig)}
    assert options("--help-all") == every
    assert {"photos", "batch", "learning-rate"} < options("--help") < every - {"discriminator-leak", "keep"}


@pytest.mark.parametrize("command", ["engine-infer", "engine-train"])
def test_what_cannot_be_loaded_is_told_in_a_line(command, photos, tmp_path):
    program = f"from engine.commands.start import {COMMANDS[command].partition(':')[2]} as run; run()"
    environment = os.environ | {"ENGINE_KERNELS": "cuda"}
    words = [sys.executable, "-c", program]
    # engine-train needs the kernels for its help already.
    words += [photos, "--out", tmp_path, "--runtime", "torch"] if command == "engine-infer" else ["--help"]
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"{command}: ENGINE_KERNELS is 'cuda'; it must be one of auto, triton, reference\n"


def test_what_completes_no_photo_does_without_torch():
    program = "import sys, engine.commands.infer, engine.cluster.driver; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


def test_a_photo_is_completed_without_loading_what_it_does_not_need(tmp_path):
    photo_HW3 = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "photo.png"), cv2.GaussianBlur(photo_HW3, (0, 0), 1))
    program = (
        "import sys; from engine.commands.start import infer\n"
        "try: infer()\nexcept SystemExit as ended: print(ended.code, 'onnxruntime' in sys.modules, *sorted(\n"
        "{'torch', 'typeguard', 'unittest', 'asyncio', 'sqlite3', 'ssl'} & set(sys.modules)))"
    )
    words = [sys.executable, "-c", program, "photo.png", "--hole", "60,60,90,90", "--runtime", "onnx"]
    said = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "texture of 1 hole(s) from the photo" in said
    assert said.endswith("\n0 True\n")


def test_typeguard_is_as_it_was_afterwards(monkeypatch):
    monkeypatch.delitem(sys.modules, "typeguard", raising=False)
    with start.without_typeguard():
        assert sys.modules["typeguard"].check_type("2", int) == "2"
    assert "typeguard" not in sys.modules
    loaded = import_module("typeguard")
    with start.without_typeguard():
        assert sys.modules["typeguard"] is loaded
    assert sys.modules["typeguard"] is loaded


def test_the_garbage_collector_looks_at_what_comes_after_the_modules_alone():
    program = (
        "import gc; from engine.commands.start import data\n"
        "try: data()\nexcept SystemExit: print(gc.isenabled(), gc.get_freeze_count() > 1000)"
    )
    words = [sys.executable, "-c", program, "--help"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.endswith("True True\n")


def test_another_projects_package_of_the_same_name_ends_a_command_in_a_line(tmp_path):
    for name in ("data", "kernels"):
        other = tmp_path / name / name
        other.mkdir(parents=True)
        (other / "__init__.py").touch()
        started = subprocess.run(
            [sys.executable, "-c", "from engine.commands.start import infer; infer()", "photo.jpg"],
            env=os.environ | {"PYTHONPATH": f"{tmp_path / name}{os.pathsep}{Path(__file__).parents[3]}"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert started.returncode == 1
        assert f"engine-infer: the package {name!r} is another project's: {other / '__init__.py'}" in started.stderr
        assert "Traceback" not in started.stderr
