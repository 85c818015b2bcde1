"""The engine where PyTorch is not installed: photos are completed all the same, by ONNX Runtime.

The wheel is installed without it, and tried, by `make package`.
"""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
import skimage.data

from engine.inference.completer import Completer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """All packages of this environment but PyTorch's, for a Python that is started with -S."""
    packages = tmp_path_factory.mktemp("packages")
    for path in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not path.name.startswith(("torch", "functorch", "triton")):
            (packages / path.name).symlink_to(path)

    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, packages)))}


def words(command, *arguments):
    program = f"from engine.commands import start; start.{command}()"
    return [sys.executable, "-S", "-c", program, *map(str, arguments)]


@pytest.fixture
def run(environment):
    """Runs a command of the engine there."""
    return lambda *asked: subprocess.run(words(*asked), capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def photo(tmp_path):
    """A photo with a large hole, a scratch, and a hole at its border, and their mask."""
    photo_HW3, mask_HW = skimage.data.astronaut()[:300, :400], np.zeros((300, 400), np.uint8)
    mask_HW[90:170, 120:210] = mask_HW[:30, 330:370] = 255
    cv2.line(mask_HW, (20, 200), (300, 280), 255, 2)
    path = tmp_path / "photo.png"
    for file, pixels in ((path, photo_HW3[..., ::-1]), (tmp_path / "photo.mask.png", mask_HW)):
        assert cv2.imwrite(str(file), pixels)
    return path


def test_a_photo(run, photo):
    done = run("infer", photo, "--json", "--mask-dilate", "0")
    assert done.returncode == 0, done.stderr
    completed, _ = (json.loads(line) for line in done.stdout.splitlines())
    assert completed["runtime"] == "onnx, fp32"
    assert completed["texture"] == {"photo": 2, "network": 0, "smooth": 1}
    expected = Completer.load(runtime="onnx").complete(
        cv2.imread(str(photo))[..., ::-1], cv2.imread(str(photo.with_suffix(".mask.png")), 0), dilate=0
    )
    assert np.array_equal(cv2.imread(completed["out"])[..., ::-1], expected)


def test_a_folder_and_every_option_of_completing(run, photo, tmp_path):
    out = tmp_path / "done"
    done = run("infer", tmp_path, "--out", out, "--variants", "2", "--blend", "feather", "--texture", "photo")
    assert done.returncode == 0, done.stderr
    assert len(list(out.iterdir())) == 2
    for options in (("--scale", "native"), ("--scale", "2"), ("--seed", "3", "--precision", "fp32")):
        done = run("infer", photo, "--out", tmp_path / "other.png", "--overwrite", *options)
        assert done.returncode == 0, done.stderr


def test_the_report_on_the_environment(environment):
    words = [sys.executable, "-S", "-m", "engine.environment"]
    told = subprocess.run(words, capture_output=True, text=True, check=True, env=environment).stdout
    assert "torch is not installed" in told
    assert "onnxruntime 1." in told


def test_a_cluster(run, photo, tmp_path):
    pytest.importorskip("ray")
    done = run("infer", tmp_path, "--out", tmp_path / "done", "--cluster", "local", "--actors", "1")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "done").glob("*.png"))) == 1


def test_the_server(environment, photo):
    with subprocess.Popen(words("serve", "--port", "0"), env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = server.stdout.readline().split()[1].rstrip("/")
            files = {"photo": photo.read_bytes(), "mask": photo.with_suffix(".mask.png").read_bytes()}
            answer = httpx.post(f"{address}/complete", files=files, timeout=60)
        finally:
            server.terminate()
    assert answer.status_code == 200, answer.text
    completed_HW3 = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert (completed_HW3 != cv2.imread(str(photo))).any()


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("train", ()),
        ("export", ("default",)),
        ("evaluate", ("photos",)),
        ("infer", ("photo.png", "--hole", "1,1,9,9", "--runtime", "torch")),
        ("infer", ("photo.png", "--hole", "1,1,9,9", "--runtime", "openvino")),
        ("infer", ("photo.png", "--hole", "1,1,9,9", "--trt")),
        ("infer", ("photo.png", "--hole", "1,1,9,9", "--device", "cuda")),
    ],
)
def test_what_needs_pytorch_says_how_to_install_it(run, photo, command, arguments):
    done = run(command, *(photo if word == "photo.png" else word for word in arguments))
    assert done.returncode == 1
    assert done.stderr.startswith(f"engine-{command}: torch is needed")
    assert done.stderr.endswith("pip install 'glcic-engine[torch]'\n")
    assert done.stderr.count("\n") == 1
