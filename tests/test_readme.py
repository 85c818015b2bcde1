"""Every command of the README runs, on a small folder of photographs like the one that it speaks of."""

import re
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.commands import evaluate, export, infer
from engine.commands.train import parse, to_plot
from engine.training.launch import run
from engine.training.plot import plot
from engine.weights import DEFAULT_WEIGHTS
from tests.engine.training.conftest import TINY

README = Path(__file__).parents[1] / "README.md"
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README.read_text(), re.DOTALL)
    for line in block.splitlines()
]


def commands(name: str) -> list[list[str]]:
    return [shlex.split(line)[1:] for line in COMMANDS if line.startswith(f"{name} ")]


@pytest.fixture
def desk(tmp_path: Path, photos: Path, shipped_photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with photo.jpg, mask.png, people.png, photos/ and masks/ in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENGINE_CACHE", str(tmp_path / "cache"))
    photo = Image.open(shipped_photos / "astronaut.png").convert("RGB").resize((256, 256))
    mask = np.zeros((256, 256), np.uint8)
    mask[100:130, 90:140] = 255
    photo.save("photo.jpg")
    shutil.copy(DEFAULT_WEIGHTS, "weights.safetensors")
    Image.fromarray(mask).save("mask.png")
    Image.fromarray(mask[::-1]).save("people.png")
    shutil.copytree(photos, "photos")
    Path("masks").mkdir()
    for path in Path("photos").iterdir():
        Image.fromarray(mask[:96, :96] if mask[:96, :96].any() else mask[80:176, 80:176]).save(f"masks/{path.name}")
    return tmp_path


def test_all_its_commands_are_among_these():
    known = sum(len(commands(f"engine-{name}")) for name in ("infer", "train", "evaluate", "export"))
    assert known == len(COMMANDS) > 4


def status_of(main: Callable[[], None], words: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """What a command ends with: nothing or 0 if all went well."""
    monkeypatch.setattr(sys, "argv", [main.__module__, *words])
    try:
        main()
    except SystemExit as ended:
        return ended.code
    return None


def test_completing(desk, monkeypatch):
    for words in commands("engine-infer"):
        status = status_of(infer.main, words, monkeypatch)
        if "--trt" in words and not torch.cuda.is_available():
            assert "engine-infer: " in str(status)
        else:
            assert not status, words
    assert {"photo.completed.jpg", "done.jpg", "done"} <= {path.name for path in desk.iterdir()}
    assert len(list((desk / "done").iterdir())) == len(list((desk / "photos").iterdir()))


def test_completing_from_python(desk):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    photo_HW3, mask_HW = np.asarray(Image.open("photo.jpg")), np.asarray(Image.open("mask.png")) > 0
    names = {"photo_HW3": photo_HW3, "mask_HW": mask_HW}
    exec(code, names)
    assert np.array_equal(names["completed_HW3"][~mask_HW], photo_HW3[~mask_HW])


@pytest.mark.parametrize("command", [evaluate, export])
def test_judging_and_exporting(desk, monkeypatch, command):
    for words in commands(f"engine-{command.__name__.rpartition('.')[2]}"):
        status = status_of(command.main, words, monkeypatch)
        if "web" in words:  # which needs npm's package
            assert "engine-export: node_modules/onnxruntime-web is not the npm package" in str(status)
        else:
            assert not status, words
    assert command is evaluate or (Path("weights.onnx").exists() and Path("default.xml").exists())


def test_training(desk):
    """As written but for sizes, which are a tiny run's."""
    small = {name: value for name, value in TINY.items() if name not in ("workers", "device")} | {"workers": 0}
    for words in commands("engine-train"):
        if (folder := to_plot(words)) is not None:
            assert plot(folder) == folder / "metrics.png"
            continue
        config = replace(parse(words), **small)
        if (config.gpus or 0) > torch.cuda.device_count():
            with pytest.raises(ValueError, match="--gpus is 4, and torch sees"):
                run(config)
        else:
            assert run(config).iteration == config.schedule.total
