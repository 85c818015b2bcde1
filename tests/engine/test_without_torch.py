"""The engine where PyTorch is not installed: photos are completed all the same, by ONNX Runtime.

The package is installed without it, and tried, by `make package`; here it is hidden from a new process.
"""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import skimage.data

from engine.inference.completer import Completer

HIDDEN = "import sys; sys.modules['torch'] = None; from engine.commands import start; start.{command}()"


def run(command, *arguments):
    words = [sys.executable, "-c", HIDDEN.format(command=command), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


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


def test_a_photo(photo):
    done = run("infer", photo, "--json")
    assert done.returncode == 0, done.stderr
    completed, _ = (json.loads(line) for line in done.stdout.splitlines())
    assert completed["runtime"] == "onnx, fp32"
    assert completed["texture"] == {"photo": 2, "network": 0, "smooth": 1}
    expected = Completer.load(runtime="onnx").complete(
        cv2.imread(str(photo))[..., ::-1], cv2.imread(str(photo.with_suffix(".mask.png")), 0), dilate=None
    )
    assert np.array_equal(cv2.imread(completed["out"])[..., ::-1], expected)


def test_a_folder_and_every_option_of_completing(photo, tmp_path):
    out = tmp_path / "done"
    done = run("infer", tmp_path, "--out", out, "--variants", "2", "--blend", "feather", "--texture", "photo")
    assert done.returncode == 0, done.stderr
    assert len(list(out.iterdir())) == 2
    for options in (("--scale", "native"), ("--scale", "2"), ("--shadow", "--select", "10,10,60,60")):
        done = run("infer", photo, "--out", tmp_path / "other.png", "--overwrite", *options)
        assert done.returncode == 0, done.stderr


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
def test_what_needs_pytorch_says_how_to_install_it(photo, command, arguments):
    done = run(command, *(photo if word == "photo.png" else word for word in arguments))
    assert done.returncode == 1
    assert done.stderr.startswith(f"engine-{command}: torch is needed")
    assert done.stderr.endswith("pip install 'glcic-engine[torch]'\n")
    assert done.stderr.count("\n") == 1
