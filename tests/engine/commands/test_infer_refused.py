"""engine-infer with masks that are seldom meant as they are: a brush over a copy of the photo, and inverted ones."""

import cv2
import numpy as np
import pytest
from PIL import Image

from engine.commands import infer

HEIGHT, WIDTH = 120, 160


@pytest.fixture
def run(weights, run_main, capsys, monkeypatch, tmp_path):
    """engine-infer photo.png, masks as they are, with these arguments: its exit status, and what it printed."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        with pytest.raises(SystemExit) as stopped:
            run_main(infer.main, "photo.png", *arguments, "--weights", weights, "--texture", "none", "--overwrite")
        printed = capsys.readouterr()
        message = stopped.value.code if isinstance(stopped.value.code, str) else ""
        return (1 if message else stopped.value.code), printed.out + printed.err + message

    return call


@pytest.fixture
def photo_HW3(tmp_path):
    """The pixels of photo.png: many colours, some of them reddish."""
    noise_HW3 = np.random.default_rng(0).normal(size=(HEIGHT, WIDTH, 3))
    smooth_HW3 = cv2.GaussianBlur(noise_HW3, (0, 0), 4)
    samples_HW3 = np.rint(128 + 40 * smooth_HW3 / smooth_HW3.std()).clip(0, 200).astype(np.uint8)
    Image.fromarray(samples_HW3).save(tmp_path / "photo.png")
    return samples_HW3


def stroke():
    return cv2.line(np.zeros((HEIGHT, WIDTH), np.uint8), (30, 40), (100, 80), 1, 9) > 0


def changed(photo_HW3):
    return (np.asarray(Image.open("photo.completed.png")) != photo_HW3).any(2)


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize("colour", ["FF0000", "#00ff00", "0000FF"])
def test_a_brush_over_a_copy_of_the_photo_is_refused_and_then_taken_by_its_colour(run, photo_HW3, colour, ending):
    painted_HW3 = photo_HW3.copy()
    painted_HW3[stroke()] = tuple(bytes.fromhex(colour.removeprefix("#")))
    Image.fromarray(painted_HW3).save(f"painted.{ending}", **({"quality": 95} if ending == "jpg" else {}))
    status, printed = run("--mask", f"painted.{ending}")
    assert status == 1
    assert "is it a photo?" in printed
    assert "--mask-colour FF0000" in printed
    status, printed = run("--mask", f"painted.{ending}", "--mask-colour", colour)
    assert status == 0, printed
    changed_HW = changed(photo_HW3)
    widened_HW = cv2.dilate(stroke().astype(np.uint8), np.ones((13, 13))) > 0
    assert not (changed_HW & ~widened_HW).any()
    assert changed_HW[stroke()].mean() > 0.95
    assert run("--mask", f"painted.{ending}", "--mask-colour", colour, "--mask-invert")[0] == 1, "more than half"


def test_a_colour_that_is_hidden_under_transparency_is_not_painted(run, photo_HW3):
    layer_HW4 = np.full((HEIGHT, WIDTH, 4), (255, 0, 0, 0), np.uint8)
    layer_HW4[stroke()] = (250, 10, 5, 255)
    Image.fromarray(layer_HW4).save("layer.png")
    status, printed = run("--mask", "layer.png", "--mask-colour", "FF0000", "--mask-dilate", "0")
    assert status == 0, printed
    assert not (changed(photo_HW3) & ~stroke()).any()


@pytest.mark.parametrize("scale", [0.5, 0.37, 2, 3.1])
def test_a_mask_of_another_size_is_scaled_if_asked_for(run, photo_HW3, scale):
    width, height = round(WIDTH * scale), round(HEIGHT * scale)
    mask = Image.fromarray(np.where(stroke(), 255, 0).astype(np.uint8))
    mask.resize((width, height), Image.Resampling.NEAREST).save("scaled.png")
    status, printed = run("--mask", "scaled.png")
    assert status == 1
    assert f"the mask is {width}x{height} and the photo 160x120" in printed
    assert "--mask-resize" in printed
    status, printed = run("--mask", "scaled.png", "--mask-resize", "--mask-dilate", "0")
    assert status == 0
    assert f"note: the mask was scaled from {width}x{height} to 160x120" in printed
    kernel = np.ones((9, 9))
    changed_HW = changed(photo_HW3)
    assert not (changed_HW & ~(cv2.dilate(stroke().astype(np.uint8), kernel) > 0)).any()
    assert changed_HW[cv2.erode(stroke().astype(np.uint8), np.ones((5, 5))) > 0].all()


def test_a_mask_of_another_shape_is_not_scaled(run, photo_HW3):
    Image.new("L", (120, 120), 255).save("square.png")
    status, printed = run("--mask", "square.png", "--mask-resize")
    assert status == 1
    assert "120x120 and the photo 160x120 (width x height), which is another shape" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mask-colour", "red"], "--mask-colour is 'red'; it must be RRGGBB, such as FF0000 for red"),
        (["--mask-colour", "FF00FF"], "no pixel of it has a colour within 48 levels of FF00FF (--mask-colour)"),
        (["--mask-colour", "FF0000", "--label", "1"], "--mask-colour and --label are both given"),
        (["--mask-colour", "FF0000", "--mask-threshold", "0.5"], "--mask-colour and --mask-threshold are both given"),
    ],
)
def test_a_colour_that_cannot_be_taken_is_told_in_a_line(run, photo_HW3, arguments, message):
    Image.fromarray(photo_HW3).save("painted.png")
    status, printed = run("--mask", "painted.png", *arguments)
    assert status in (1, 2)
    assert message in " ".join(printed.replace("│", " ").split())


def test_masks_of_more_than_half_of_a_photo_are_refused_and_rectangles_are_not(run, photo_HW3):
    inverted = Image.fromarray(np.where(stroke(), 0, 255).astype(np.uint8))
    inverted.save("inverted.png")
    status, printed = run("--mask", "inverted.png")
    assert status == 1
    assert "marks 95% of the photo" in printed
    assert "--mask-invert" in printed
    assert run("--mask", "inverted.png", "--mask-invert", "--mask-dilate", "0")[0] == 0
    assert np.array_equal(changed(photo_HW3) & ~stroke(), np.zeros((HEIGHT, WIDTH), bool))
    assert run("--mask", "inverted.png", "--force")[0] == 0
    assert run("--hole", "5,5,150,110")[0] == 0


def test_masks_of_photos_in_folders_may_lie_in_one_if_their_names_are_unique(run, photo_HW3, tmp_path):
    for folder in ("in/sub", "in/other", "masks"):
        (tmp_path / folder).mkdir(parents=True)
    mask = Image.fromarray(np.where(stroke(), 255, 0).astype(np.uint8))
    Image.fromarray(photo_HW3).save("in/sub/beach.png")
    mask.save("masks/beach.png")
    mask.save("photo.mask.png")  # for the photo that `run` names
    assert run("in", "--mask", "masks", "--out", "done")[0] == 1, "photo.png has none in masks/"
    assert (np.asarray(Image.open("done/sub/beach.png")) != photo_HW3).any()
    Image.fromarray(photo_HW3).save("in/other/beach.png")
    status, printed = run("in", "--mask", "masks", "--out", "again")
    assert status == 3
    assert "it needs masks/sub/beach.png: masks/beach.png could be of several photos of this name (or" in printed
    Image.fromarray(photo_HW3).save("in/sub/street.png")
    status, printed = run("in", "--mask", "masks", "--out", "again")
    assert "it needs masks/sub/street.png or masks/street.png (or" in printed


def test_a_brush_on_the_photo_itself_is_told_where_a_colour_is_given_alone(run, photo_HW3):
    Image.fromarray(photo_HW3).save("photo.png")
    status, printed = run("--mask-colour", "FF0000")
    assert status == 1
    assert "--mask-colour is of the mask; where it is painted on the photo itself, --mask photo.png" in printed
