"""engine-export as a user meets it, and engine-infer with what it leaves: formats, reasons, exit status."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from engine.commands.export import main
from engine.inference.calibration import FEWEST_PHOTOS
from engine.inference.graphs.engine_cache import is_cached
from engine.inference.graphs.export import onnx_key
from engine.inference.graphs.runners import open_in_onnxruntime
from engine.weights import save_weights
from tests.conftest import files_of_at_most
from tests.engine.inference.conftest import random_network

NO_GPU = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("export") / "small.safetensors"
    save_weights(path, random_network(6, "norm_act", "residual"))
    return path


def command(module: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **NO_GPU}
    arguments = [sys.executable, "-m", f"engine.commands.{module}", *map(str, words)]
    return subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=300)


@pytest.fixture
def export(run_main: Callable[..., None]) -> Callable[..., None]:
    """engine-export in this process."""
    return partial(run_main, main)


def test_openvino_then_engine_infer_uses_it(weights, shipped_photos, tmp_path):
    done = command("export", weights, "--to", "openvino")
    assert done.returncode == 0, done.stderr
    assert weights.with_suffix(".bin").stat().st_size > 1000
    import openvino

    model = openvino.Core().compile_model(weights.with_suffix(".xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    holed_N4HW = torch.rand(1, 4, 20, 48)
    generated_N3HW = torch.from_numpy(model(holed_N4HW.numpy())[0])
    torch.testing.assert_close(generated_N3HW, random_network(6, "norm_act", "residual")(holed_N4HW), rtol=0, atol=1e-5)

    photo = shipped_photos / "coffee.png"
    for photos, runtime in (((photo, shipped_photos / "chelsea.png"), "openvino"), ((photo,), "onnx")):
        words = (*photos, "--hole", "250,190,40,30", "--weights", weights, "--out", tmp_path / runtime)
        inferred = command("infer", *words)
        assert inferred.returncode == 0, inferred.stderr
        assert inferred.stdout.count(f" by {runtime}, ") == len(photos)


def test_a_full_disk_leaves_the_last_openvino_pair(weights, tmp_path, export):
    out = tmp_path / "new" / "small.xml"
    export(weights, "--to", "openvino", "--out", out)
    before = {path.name: path.read_bytes() for path in out.parent.iterdir()}
    assert before.keys() == {"small.xml", "small.bin"}
    words = ("--to", "openvino", "--graph", "interior", "--out", out)
    with files_of_at_most(50_000), pytest.raises(SystemExit, match=r"small\.xml cannot be written .* is the disk full"):
        export(weights, *words)
    assert {path.name: path.read_bytes() for path in out.parent.iterdir()} == before


def test_only_the_graphs_that_are_of_use_are_exported(weights, tmp_path, export):
    """engine-infer takes none in fp16."""
    export(weights, "--to", "openvino", "--precision", "fp16", "--out", tmp_path / "small.xml")
    network = random_network(6, "norm_act", "residual")
    assert [is_cached(onnx_key(network, "fp16", graph)) for graph in ("padded", "interior")] == [True, False]


def test_a_calibration_lies_beside_the_weights_and_goes_with_them(weights, photos, tmp_path, export, capsys):
    mine = tmp_path / "mine" / "small.safetensors"
    mine.parent.mkdir()
    shutil.copy(weights, mine)
    export(mine, "--to", "openvino", "--precision", "int8", "--photos", photos, "--photo-limit", "8")
    beside = mine.with_suffix("").with_suffix(".int8.json")
    assert f"{beside}: the calibration, which belongs to the weights: copy both" in capsys.readouterr().out
    theirs = shutil.copytree(mine.parent, tmp_path / "theirs", ignore=lambda *_: ["small.xml", "small.bin"])
    export(theirs / "small.safetensors", "--to", "openvino", "--precision", "int8")
    assert (theirs / "small.bin").read_bytes() == mine.with_suffix(".bin").read_bytes()
    with pytest.raises(SystemExit, match=r"has not been calibrated for int8 \(no .*small\.int8\.json\): engine-export"):
        export(weights, "--to", "openvino", "--precision", "int8")


def test_a_calibration_that_cannot_be_written_is_not_begun(weights, photos, tmp_path, export, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    words = ("--to", "openvino", "--precision", "int8", "--photos", photos, "--out", tmp_path / "small.xml")
    with pytest.raises(SystemExit, match=r"small\.int8\.json, which cannot be written: copy the weights"):
        export(weights, *words)
    assert list(tmp_path.iterdir()) == []


def test_onnx_and_tensorrt_rtx_are_written_and_the_cache_is_listed(weights, tmp_path, export, capsys):
    export(weights, "--out", tmp_path / "small.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "small.onnx"), full_check=True)
    capsys.readouterr()
    export("--list-cache")
    assert "'kind': 'onnx'" in capsys.readouterr().out
    pytest.importorskip("tensorrt_rtx")
    export(weights, "--to", "tensorrt-rtx", "--out", tmp_path / "small.engine")
    assert (tmp_path / "small.engine").stat().st_size > 100_000
    assert "input fp32 1 x 4 x 512 x 512, output" in capsys.readouterr().out


@pytest.mark.parametrize(("graph", "height", "generated"), [("padded", 36, 36), ("interior", 340, 36)])
def test_a_graph_of_a_fixed_size_gives_the_bits_of_the_one_of_any(
    weights, tmp_path, export, capsys, graph, height, generated
):
    anysize, fixed = tmp_path / "any.onnx", tmp_path / "fixed.onnx"
    export(weights, "--graph", graph, "--out", anysize)
    export(weights, "--graph", graph, "--size", f"{height},360", "--out", fixed)
    assert f"input fp32 1 x 4 x {height} x 360, output" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(fixed)
    assert session.get_inputs()[0].shape == [1, 4, height, 360]
    assert session.get_outputs()[0].shape[:3] == [1, 3, generated]
    holed_N4HW = np.random.default_rng(0).random((1, 4, height, 360), np.float32)
    expected_N3HW = open_in_onnxruntime(anysize.read_bytes())(holed_N4HW)
    np.testing.assert_array_equal(open_in_onnxruntime(fixed.read_bytes())(holed_N4HW), expected_N3HW)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no weights are given"),
        (("WEIGHTS", "--out", "small.pb"), "must end in .onnx"),
        (("WEIGHTS", "--to", "tensorrt-rtx", "--size", "510,512"), "takes multiples of 4 from 4 to 2147483644"),
        (("WEIGHTS", "--to", "tensorrt-rtx", "--graph", "interior", "--size", "304,512"), "multiples of 4 from 308 to"),
        (("WEIGHTS", "--to", "tensorrt-rtx", "--size", "wide"), "it must be HEIGHT,WIDTH"),
        (("WEIGHTS", "--size", "512"), "--size is '512'; it must be HEIGHT,WIDTH such as 512,512"),
        (("WEIGHTS", "--size", ""), "--size is ''; it must be HEIGHT,WIDTH"),
        (("WEIGHTS", "--size", "-4,512"), "--size is -4,512; the padded graph takes multiples of 4 from 4 to"),
        (("WEIGHTS", "--size", f"512,{2**80}"), "multiples of 4 from 4 to 2147483644"),
        (("WEIGHTS", "--to", "openvino", "--size", "512,512"), "OpenVINO's file takes any size: leave it out"),
        (("nowhere.safetensors",), "there is no weights file"),
        (("GRAPH",), "is an exported graph, for other programs: give the .safetensors that it was made from"),
        (("WEIGHTS", "--to", "openvino", "--photos", "."), "--photos are for --precision int8, and it is fp32"),
        (("WEIGHTS", "--precision", "int8", "--photos", "."), "int8 is for OpenVINO"),
    ],
)
def test_mistakes_are_named(weights, words, message, export, capsys):
    if "tensorrt-rtx" in words:
        pytest.importorskip("tensorrt_rtx")
    files = {"WEIGHTS": weights, "GRAPH": weights.with_suffix(".xml")}
    files["GRAPH"].write_text("<net/>")
    with pytest.raises(SystemExit) as stopped:
        export(*(files.get(word, word) for word in words))
    assert stopped.value.code not in (0, None)
    said = " ".join(f"{stopped.value.code} {capsys.readouterr().err}".replace("│", " ").split())
    assert message in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--trt",), "TensorRT needs an NVIDIA GPU with its driver, and the device is cpu"),
        (("--trt", "--runtime", "onnx"), "--trt and --runtime onnx are both given"),
    ],
)
def test_infer_with_trt_never_falls_back(weights, shipped_photos, tmp_path, options, message):
    out = tmp_path / "out.png"
    words = (shipped_photos / "coffee.png", "--hole", "9,9,9,9", "--weights", weights, "--out", out, *options)
    done = command("infer", *words)
    assert done.returncode != 0
    assert message in done.stderr
    assert not out.exists()


def test_a_photo_that_cannot_be_read_is_left_out_of_the_calibration(weights, tmp_path, export, caplog):
    """Named, and counted as none: the others may be too few."""
    for number in range(2 * FEWEST_PHOTOS):
        Image.effect_noise((300, 300), 50).convert("RGB").save(tmp_path / f"{number}.jpg")
    whole = (tmp_path / "3.jpg").read_bytes()
    (tmp_path / "3.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SystemExit, match="has 7 photos that can be read; int8 needs at least 8"):
        export(weights, "--to", "openvino", "--precision", "int8", "--photos", tmp_path)
    assert "3.jpg" in caplog.text
