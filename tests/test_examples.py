"""Every example runs as its first line says, and the engine can be asked for its version and its environment."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import engine

ROOT = Path(__file__).parents[1]


def run(*words: object) -> str:
    """Standard output of Python with these words, in one thread."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def desk(tmp_path, photos):
    """photo.jpg with EXIF and mask.png, and folders of four photos and of their masks."""
    mask_HW = np.zeros((96, 96), np.uint8)
    mask_HW[30:50, 40:60] = 255
    for name in ("photos", "masks"):
        (tmp_path / name).mkdir()
    for path in sorted(photos.iterdir())[:4]:
        Image.open(path).save(tmp_path / "photos" / path.name)
        Image.fromarray(mask_HW).save(tmp_path / "masks" / path.name)
    exif = Image.Exif()
    exif[0x010F] = "Cam"
    Image.open(path).save(tmp_path / "photo.jpg", exif=exif)
    Image.fromarray(mask_HW).save(tmp_path / "mask.png")
    return tmp_path


def test_a_photo(desk):
    said = run(ROOT / "examples" / "complete_photo.py", desk / "photo.jpg", desk / "mask.png", desk / "done.jpg")
    assert f"{desk / 'done.jpg'}: " in said
    done = Image.open(desk / "done.jpg")
    assert (done.size, done.getexif()[0x010F]) == ((96, 96), "Cam")


def test_a_folder(desk):
    said = run(ROOT / "examples" / "complete_folder.py", desk / "photos", desk / "masks", desk / "done")
    assert said.endswith("{'completed': 4}\n")
    assert len(list((desk / "done").iterdir())) == 4


def test_a_network_of_ones_own(desk):
    said = run(ROOT / "examples" / "train_and_complete.py", desk / "photos", desk / "run")
    assert "6 iterations" in said
    assert Image.open(desk / "run" / "completed.png").size == (96, 96)


def test_there_is_a_test_for_each_example():
    assert len(list((ROOT / "examples").glob("*.py"))) == 4


@pytest.mark.parametrize("command", ["infer", "train", "serve", "data"])
def test_the_version(command):
    assert run("-m", f"engine.commands.{command}", "--version") == f"engine-{command} {engine.__version__}\n"


def test_the_environment():
    said = run("-m", "engine.environment").splitlines()
    assert said[0] == f"glcic-engine {engine.__version__}"
    assert any(line.startswith("torch 2") for line in said)
    assert "OMP_NUM_THREADS=1" in said
    assert not any("TOKEN" in line or "KEY" in line for line in said)


def test_the_package_itself_is_light():
    code = "import sys, engine; print('numpy' in sys.modules); print(engine.Completer.__name__, 'torch' in sys.modules)"
    assert run("-c", code) == "False\nCompleter False\n"
    with pytest.raises(AttributeError, match="module 'engine' has no attribute 'Complete'"):
        engine.Complete  # noqa: B018


def test_a_bucket_on_this_machine(desk):
    """It prints the command that completes what is in it, which does."""
    pytest.importorskip("obstore")
    for mask in (desk / "masks").iterdir():
        mask.rename(desk / "photos" / f"{mask.stem}.mask.png")
    words = [sys.executable, str(ROOT / "examples" / "local_bucket.py"), str(desk / "photos")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as bucket:
        try:
            said = bucket.stdout.readline().split()
        finally:
            done = subprocess.run(
                [sys.executable, "-c", "from engine.commands.start import infer; infer()", *said[4:-2], "--json"],
                env=os.environ
                | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
                | dict(w.split("=") for w in said[:3]),
                capture_output=True,
                text=True,
            )
            bucket.kill()
    assert said[3:] == ["engine-infer", "s3://bucket/photos", "--out", "s3://bucket/done", "--cluster", "local"]
    assert done.stdout.endswith('{"summary": {"completed": 4, "copied": 0, "skipped": 0, "failed": 0}}\n'), done.stderr
