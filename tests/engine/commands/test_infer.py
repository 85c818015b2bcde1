"""engine-infer from the command line, on files."""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from engine.commands import infer
from engine.inference.completer import Completer, CompletionOptions
from engine.inference.folders import complete as batch
from engine.inference.folders.complete import Options, complete_files
from engine.inference.folders.jobs import Job, find_jobs
from engine.inference.folders.mask_sources import MaskSource
from engine.inference.photos.formats import png
from engine.inference.photos.reading import read_photo
from engine.inference.report import Report
from tests.engine.inference.conftest import random_network
from tests.engine.inference.photos.made_files import mangle

HOLE = "20,30,24,16"  # x, y, width, height


@pytest.fixture
def photo(tmp_path, shipped_photos):
    path = tmp_path / "photo.png"
    Image.open(shipped_photos / "astronaut.png").crop((0, 0, 150, 130)).save(path)
    return path


@pytest.fixture
def run(weights, run_main, capsys):
    """engine-infer with these arguments: its exit status, and what it printed."""

    def call(*arguments, weights=weights):
        with pytest.raises(SystemExit) as stopped:
            run_main(infer.main, *arguments, *(["--weights", weights] if weights else []))
        printed = capsys.readouterr()
        message = stopped.value.code if isinstance(stopped.value.code, str) else ""
        return (1 if message else stopped.value.code), printed.out + printed.err + message

    return call


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def check_only_the_hole_changed(before, after, margin=4):
    before_HW3, after_HW3 = pixels(before), pixels(after)
    outside_HW = np.ones(before_HW3.shape[:2], bool)
    outside_HW[30 - margin : 46 + margin, 20 - margin : 44 + margin] = False
    np.testing.assert_array_equal(before_HW3[outside_HW], after_HW3[outside_HW])
    assert (before_HW3 != after_HW3).any()


def test_a_hole_given_as_a_rectangle(run, photo, tmp_path):
    before = photo.read_bytes()
    status, printed = run(photo, "--hole", HOLE, "--side-by-side", tmp_path / "pictures" / "three.png")
    assert status == 0, printed
    assert f"{tmp_path / 'photo.completed.png'}: 3.30% of 150x130 completed (widened by 3 pixels)" in printed
    check_only_the_hole_changed(photo, tmp_path / "photo.completed.png")
    assert photo.read_bytes() == before
    assert Image.open(tmp_path / "pictures" / "three.png").size == (450, 130)


def test_holes_are_widened_as_their_thickness_asks_for(run, photo, tmp_path):
    """A scratch and a thing in one mask, told in the line and in JSON; Python completes them to the same bits."""
    mask_HW = np.zeros((130, 150), bool)
    mask_HW[10:13, 10:140] = mask_HW[50:90, 60:100] = True
    Image.fromarray(mask_HW).save(tmp_path / "mask.png")
    arguments = (photo, "--mask", tmp_path / "mask.png", "--overwrite", "--runtime", "torch")
    status, printed = run(*arguments, weights=None)
    assert status == 0, printed
    assert "of 150x130 completed (widened by 2 to 4 pixels)" in printed
    assert json.loads(run(*arguments, "--json", weights=None)[1].splitlines()[0])["widened"] == [2, 4]
    completed_HW3 = pixels(tmp_path / "photo.completed.png")
    changed_HW = (completed_HW3 != pixels(photo)).any(2)
    assert not changed_HW[[7, 15]].any()
    assert changed_HW[[8, 14]].any(1).all()
    assert not changed_HW[[45, 94]].any()
    assert changed_HW[[46, 93]].any(1).all()
    report = Report()
    same_HW3 = Completer.load(runtime="torch").complete(pixels(photo), mask_HW, dilate=None, report=report)
    np.testing.assert_array_equal(same_HW3, completed_HW3)
    assert report.widened == {2, 4}
    status, printed = run(*arguments, "--mask-dilate", 0, weights=None)
    assert "of 150x130 completed, 1 thin hole(s) filled smoothly" in printed


def test_a_rim_left_outside_of_the_mask_is_told(run, photo, tmp_path):
    """In the output, in JSON, of a folder and in Python; and it is gone with what the note suggests."""
    (tmp_path / "in").mkdir()
    (tmp_path / "masks").mkdir()
    shown_HW3, mask_HW = pixels(photo).copy(), np.zeros((130, 150), np.uint8)
    cv2.circle(shown_HW3, (75, 65), 30, (30, 200, 60), -1)
    cv2.circle(mask_HW, (75, 65), 23, 255, -1)
    Image.fromarray(shown_HW3).save(tmp_path / "in" / "thing.png")
    Image.fromarray(mask_HW).save(tmp_path / "masks" / "thing.png")
    note = "what is just outside the mask looks unlike what is further away: widen by 8? (--mask-dilate 12)"
    one = (tmp_path / "in" / "thing.png", "--mask", tmp_path / "masks" / "thing.png", "--overwrite")
    assert f"\n  note: {note}\n" in run(*one)[1]
    assert note not in run(*one, "--mask-dilate", 12)[1]
    assert "(--mask-dilate 10)" in run(*one, "--mask-dilate", 2)[1]
    folder = (tmp_path / "in", "--mask", tmp_path / "masks", "--out", tmp_path / "done", "--json")
    assert json.loads(run(*folder)[1].splitlines()[0])["warnings"] == [note]
    report = Report()
    Completer.of(random_network(4), "torch").complete(shown_HW3, mask_HW, dilate=None, report=report)
    assert report.warnings == [note]


@pytest.mark.parametrize("shade", ["flat", "slope", "curved"])
@pytest.mark.parametrize(("away", "side"), [(3, 160), (6, 160), (12, 480), (24, 480)])
def test_a_line_near_a_large_hole_does_not_flood_it(shade, away, side, run, tmp_path):
    """A page with a thin black frame around the hole, completed as without the frame."""
    first, stop = 200, 200 + side
    y_HW, x_HW = np.mgrid[: side + 400, : side + 400]
    paper_HW = {
        "flat": 255 + 0 * x_HW,
        "slope": 90 + 0.2 * x_HW,
        "curved": 250 - 7e-4 * (x_HW - 300) ** 2 - 0.05 * y_HW,
    }
    page_HW = np.rint(paper_HW[shade]).astype(np.uint8)
    outer, inner = first - away - 4, first - away
    framed_HW = page_HW.copy()
    framed_HW[outer : stop + away + 4, outer : stop + away + 4] = 0
    framed_HW[inner : stop + away, inner : stop + away] = page_HW[inner : stop + away, inner : stop + away]
    framed_HW[first:stop, first:stop] = 7
    Image.fromarray(framed_HW).save(tmp_path / "page.png")
    hole = ("--hole", f"{first},{first},{side},{side}", "--mask-dilate", 0)
    assert run(tmp_path / "page.png", *hole, weights=None)[0] == 0
    completed_HW = np.asarray(Image.open(tmp_path / "page.completed.png")).astype(int)
    assert np.abs(completed_HW - page_HW)[first:stop, first:stop].max() <= (0 if shade == "flat" else 1)


def test_a_star_is_removed_from_a_sky_that_uses_little_of_16_bits(run, tmp_path):
    """As public astronomy pictures are: 300 to 420 of 65535, where errors of a few levels of 255 are all there is."""
    sky_HW = 300 + 120 * np.linspace(0, 1, 256) + np.random.default_rng(0).normal(0, 3, (256, 256))
    y_HW, x_HW = np.mgrid[:256, :256]
    sky_HW += 40000 * np.exp(-((y_HW - 128) ** 2 + (x_HW - 128) ** 2) / 60)
    cv2.imwrite(str(tmp_path / "sky.tif"), sky_HW.clip(0, 65535).astype(np.uint16))
    for texture, most in (("none", 12), ("auto", 12 + 4 * 3)):  # auto has the sky's own noise
        arguments = ("--hole", "100,100,56,56", "--texture", texture, "--overwrite")
        assert run(tmp_path / "sky.tif", *arguments, weights=None)[0] == 0
        completed_HW = cv2.imread(str(tmp_path / "sky.completed.tif"), cv2.IMREAD_UNCHANGED)
        error_HW = abs(completed_HW - (300 + 120 * np.linspace(0, 1, 256)))[100:156, 100:156]
        assert error_HW.mean() < 4
        assert error_HW.max() < most


def test_the_picture_beside_it_replaces_nothing_unasked(run, photo, tmp_path):
    before, completed, other = photo.read_bytes(), tmp_path / "photo.completed.png", tmp_path / "three.png"
    other.write_bytes(b"mine")
    for path, message in (
        (other, "exists; give another --side-by-side, or --overwrite"),
        (photo, "the photo or its result"),
        (completed, "the photo or its result"),
        (tmp_path / "three.txt", "its name must end in one of"),
    ):
        overwrite = ["--overwrite"] if path != other else []
        status, printed = run(photo, "--hole", HOLE, "--side-by-side", path, *overwrite)
        assert status == 1
        assert message in printed
        assert not completed.exists(), "refused before anything was done"
    assert photo.read_bytes() == before
    assert other.read_bytes() == b"mine"
    assert run(photo, "--hole", HOLE, "--side-by-side", other, "--overwrite")[0] == 0
    assert Image.open(other).size == (450, 130)


def test_the_photo_is_written_even_where_the_picture_beside_it_cannot_be(run, photo, tmp_path):
    (tmp_path / "file").touch()
    status, printed = run(photo, "--hole", HOLE, "--side-by-side", tmp_path / "file" / "three.png")
    assert status == 1
    assert str(tmp_path / "file") in printed
    check_only_the_hole_changed(photo, tmp_path / "photo.completed.png")


def test_a_picture_beside_it_that_is_too_wide_for_its_format_is_refused_before_anything_is_done(run, tmp_path):
    Image.new("RGB", (5_462, 20)).save(tmp_path / "photo.png")
    options = ("--hole", "20,5,4,4", "--side-by-side", tmp_path / "three.webp")
    status, printed = run(tmp_path / "photo.png", *options)
    assert status == 1
    assert "--side-by-side has 16386x20 pixels and a side of a WEBP has at most 16383; write a .png or .tif" in printed
    assert {path.name for path in tmp_path.iterdir()} == {"photo.png"}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_picture_beside_it_in_8_bits(run, tmp_path, dtype):
    grey_HW = np.arange(40 * 60, dtype=np.uint16).reshape(40, 60) * 27
    cv2.imwrite(str(tmp_path / "photo.png"), grey_HW if dtype == np.uint16 else (grey_HW // 257).astype(np.uint8))
    options = ("--hole", "20,10,16,16", "--mask-dilate", 0, "--side-by-side", tmp_path / "three.png")
    assert run(tmp_path / "photo.png", *options)[0] == 0
    before_HW3, holed_HW3, after_HW3 = np.split(pixels(tmp_path / "three.png"), 3, axis=1)
    levels_HW = grey_HW / 257 if dtype == np.uint16 else grey_HW // 257
    np.testing.assert_array_equal(before_HW3, np.rint(levels_HW).astype(np.uint8)[..., None].repeat(3, axis=2))
    hole_HW = np.zeros((40, 60), bool)
    hole_HW[10:26, 20:36] = True
    assert (holed_HW3[hole_HW] == np.rint(np.array([0.4, 0.5, 0.6]) * 255)).all(), "the mean pixel"
    for other_HW3 in (holed_HW3, after_HW3):
        np.testing.assert_array_equal(other_HW3[~hole_HW], before_HW3[~hole_HW])


OWN_ERRORS = [TypeError("?"), AttributeError("?"), KeyError("?"), RuntimeError("shapes do not match"), AssertionError()]


def fail_on_the_first(monkeypatch, owner, name, error):
    """Make `owner.name`, which is given a photo or its path, raise `error` for the one that is or has 50 rows."""
    works = getattr(owner, name)

    def fails(*arguments, **options):
        if "a.png" in map(os.path.basename, map(str, arguments)) or any(
            np.shape(one)[:1] == (50,) for one in arguments
        ):
            raise error
        return works(*arguments, **options)

    monkeypatch.setattr(owner, name, fails)


@pytest.mark.parametrize("step", [(batch, "read_photo"), (Completer, "complete"), (batch, "write_photo")])
@pytest.mark.parametrize("error", OWN_ERRORS, ids=repr)
def test_an_error_of_the_engines_own_fails_its_photo_alone_and_is_logged_with_its_traceback(
    run, tmp_path, monkeypatch, caplog, step, error
):
    for name, side in (("a", 50), ("b", 60)):
        Image.new("RGB", (side, side)).save(tmp_path / f"{name}.png")
    fail_on_the_first(monkeypatch, *step, error)
    status, printed = run(tmp_path, "--hole", HOLE)
    assert status == 1
    assert f"{tmp_path / 'a.png'}: {type(error).__name__}: {error} (an error of the engine's own" in printed
    (record,) = [record for record in caplog.records if record.exc_info]
    assert str(tmp_path / "a.png") in record.message
    assert record.exc_info[1] is error
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png", "b.completed.png"}


@pytest.mark.parametrize("error", [RuntimeError("[enforce fail] can't allocate memory"), MemoryError()])
def test_a_photo_without_memory_does_not_stop_the_others(run, tmp_path, monkeypatch, error):
    for name, side in (("a", 50), ("b", 60)):
        Image.new("RGB", (side, side)).save(tmp_path / f"{name}.png")
    fail_on_the_first(monkeypatch, Completer, "complete", error)
    status, printed = run(tmp_path, "--hole", HOLE)
    assert status == 1
    assert f"{tmp_path / 'a.png'}: {error or type(error).__name__}" in printed
    assert (tmp_path / "b.completed.png").exists()
    assert not (tmp_path / "a.completed.png").exists()


def test_what_is_done_is_skipped_in_a_folder_of_one_photo_too(run, photo, tmp_path):
    arguments = [tmp_path, "--hole", HOLE, "--json"]
    assert run(*arguments)[0] == 0
    status, printed = run(*arguments)
    assert status == 0
    lines = [json.loads(line) for line in printed.splitlines()]
    assert lines[0]["status"] == "skipped"
    assert lines[1] == {"summary": {"completed": 0, "copied": 0, "skipped": 1, "failed": 0}}


def mask_image(size=(150, 130)):
    mask = np.zeros(size[::-1], np.uint8)
    mask[30:46, 20:44] = 255
    return Image.fromarray(mask)


@pytest.mark.parametrize("kind", ["file", "sidecar", "folder", "alpha", "inverted"])
def test_every_way_to_give_a_mask(kind, run, photo, tmp_path):
    more = []
    if kind == "file":
        mask_image().save(tmp_path / "m.png")
        more = ["--mask", tmp_path / "m.png"]
    elif kind == "inverted":
        mask_image().point(lambda value: 255 - value).save(tmp_path / "m.png")
        more = ["--mask", tmp_path / "m.png", "--mask-invert"]
    elif kind == "sidecar":
        mask_image().save(tmp_path / "photo.mask.png")
    elif kind == "folder":
        (tmp_path / "masks").mkdir()
        mask_image().save(tmp_path / "masks" / "photo.png")
        more = ["--mask", tmp_path / "masks"]
    else:
        transparent = Image.open(photo).convert("RGB")
        transparent.putalpha(mask_image().point(lambda value: 255 - value))
        transparent.save(photo)
    status, printed = run(photo, *more, "--out", tmp_path / "out.png")
    assert status == 0, printed
    check_only_the_hole_changed(photo, tmp_path / "out.png")
    if kind == "alpha":
        completed = Image.open(tmp_path / "out.png")
        assert completed.mode == "RGBA"
        assert completed.getextrema()[3] == (255, 255), "what was completed is to be seen"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_ring_that_a_soft_eraser_leaves_is_completed_and_opaque(dtype, run, photo, tmp_path):
    largest = np.iinfo(dtype).max
    alpha_HW = np.full((130, 150), largest, dtype)
    cv2.circle(alpha_HW, (40, 50), 20, largest // 2, -1)
    cv2.circle(alpha_HW, (40, 50), 10, 0, -1)
    cv2.circle(alpha_HW, (110, 80), 15, largest // 2, -1)  # a glass: seen through, and not erased
    erased_HW, glass_HW = np.zeros((2, 130, 150), np.uint8)
    cv2.circle(erased_HW, (40, 50), 20, 1, -1)
    cv2.circle(glass_HW, (110, 80), 15, 1, -1)
    before = np.dstack((np.asarray(Image.open(photo).convert("RGB")).astype(dtype) * (largest // 255), alpha_HW))
    cv2.imwrite(str(photo), before)
    status, printed = run(photo, "--mask-dilate", 0)
    assert status == 0, printed
    after = cv2.imread(str(tmp_path / "photo.completed.png"), cv2.IMREAD_UNCHANGED)
    assert (after[erased_HW > 0][:, 3] == largest).all()
    assert (after[erased_HW > 0] != before[erased_HW > 0])[:, :3].any(1).mean() > 0.9
    np.testing.assert_array_equal(after[erased_HW == 0], before[erased_HW == 0])
    assert (after[glass_HW > 0][:, 3] == largest // 2).all()


def test_what_is_taken_of_a_mask_is_told(run, photo, tmp_path):
    """An object that is cut out, a map of three labels, a mask out of video; in --json, too, and as --label says."""
    boxes = ((20, 30, 24, 16), (70, 20, 20, 30), (100, 90, 30, 20))
    cut_HW4, labels_HW, video_HW = (
        np.zeros((130, 150, 4), np.uint8),
        np.zeros((130, 150), np.uint8),
        np.full((130, 150), 16, np.uint8),
    )
    for number, (x, y, width, height) in enumerate(boxes, 1):
        box = slice(y, y + height), slice(x, x + width)
        labels_HW[box], video_HW[box] = number, 235
        cut_HW4[box] = (20 * number, 30, 10, 255)
    for name, samples, note in (
        ("cut.png", cut_HW4, "what is opaque in it was taken"),
        ("labels.png", labels_HW, "3 object(s) of 3 label(s) are taken, 1, 2, 3 (--label chooses"),
        ("video.png", video_HW, "16 to 235 of 255"),
    ):
        Image.fromarray(samples).save(tmp_path / name)
        out = tmp_path / f"done-{name}"
        status, printed = run(photo, "--mask", tmp_path / name, "--out", out, "--mask-dilate", 0, "--json")
        assert status == 0, printed
        outcome = json.loads(printed.splitlines()[0])
        assert outcome["hole_pixels"] == np.count_nonzero(labels_HW), printed
        assert note in " ".join(outcome["warnings"])
    mask = ("--mask", tmp_path / "labels.png", "--mask-dilate", 0, "--overwrite", "--json")
    for more, chosen in ((["--label", "1,3"], (1, 3)), (["--label", "2", "--label", "3"], (2, 3))):
        status, printed = run(photo, *mask, *more)
        assert json.loads(printed.splitlines()[0])["hole_pixels"] == np.isin(labels_HW, chosen).sum(), printed
    status, printed = run(photo, *mask, "--label", "9")
    assert status == 1
    assert "it has no label 9; its labels are 0, 1, 2, 3 (--label)" in printed
    for more, message in (
        (["--label", "1", "--hole", HOLE], "--hole and --label are both given"),
        (["--label", "1", "--mask-threshold", "0.5", "--mask", tmp_path / "labels.png"], "labels have no brightness"),
    ):
        assert message in run(photo, *more)[1]


def test_alpha_is_kept_where_it_was_not_the_mask(run, photo, tmp_path):
    transparent = Image.open(photo).convert("RGB")
    transparent.putalpha(mask_image().point(lambda value: 255 - value // 2))
    transparent.save(photo)
    assert run(photo, "--hole", "10,20,30,20")[0] == 0
    after = np.asarray(Image.open(tmp_path / "photo.completed.png"))
    outside_HW = np.ones((130, 150), bool)
    outside_HW[16:44, 6:44] = False
    np.testing.assert_array_equal(after[outside_HW][:, 3], np.asarray(transparent)[outside_HW][:, 3])


@pytest.mark.parametrize(("name", "dtype"), [
    ("sprite.png", np.uint8), ("sprite.png", np.uint16), ("sprite.tif", np.uint8), ("sprite.tif", np.uint16),
    ("sprite.webp", np.uint8),
])  # fmt: skip
def test_alpha_is_completed_where_it_varies(name, dtype, run, tmp_path):
    """Of a caption, half on a button and half over nothing, neither the colour nor the silhouette is left."""
    largest = np.iinfo(dtype).max
    truth_HW4 = np.zeros((200, 300, 4), dtype)
    truth_HW4[..., :3] = (largest, 0, largest)  # under what is transparent
    truth_HW4[60:, 40:260] = np.rint(np.array([60, 120, 200, 255]) * (largest / 255))
    sprite_HW4, mask_HW = truth_HW4.copy(), np.zeros((200, 300), np.uint8)
    cv2.putText(mask_HW, "START", (50, 90), cv2.FONT_HERSHEY_SIMPLEX, 2, 255, 8)
    sprite_HW4[mask_HW > 0] = (largest, largest, 0, largest // 2)
    Image.fromarray(mask_HW).save(tmp_path / "sprite.mask.png")
    if dtype == np.uint16:
        cv2.imwrite(str(tmp_path / "sprite.png"), sprite_HW4[..., [2, 1, 0, 3]])
    else:
        Image.fromarray(sprite_HW4).save(tmp_path / "sprite.png", lossless=True)
    (tmp_path / "sprite.png").rename(tmp_path / "from.png")
    assert (
        run(tmp_path / "from.png", "--mask", tmp_path / "sprite.mask.png", "--out", tmp_path / name, weights=None)[0]
        == 0
    )
    after = read_photo(tmp_path / name)
    error_HW = abs(after.alpha_HW.astype(float) - truth_HW4[..., 3]) / largest * 255
    assert error_HW[mask_HW > 0].mean() < 12
    assert not error_HW[cv2.dilate(mask_HW, np.ones((13, 13))) == 0].any()
    seen_HW = (mask_HW > 0) & (truth_HW4[..., 3] > 0)
    assert abs(after.pixels_HW3.astype(float) - truth_HW4[..., :3])[seen_HW].mean() < 0.02 * largest


@pytest.mark.parametrize(("around", "inside"), [(255, 128), (90, 255), (0, 255), (255, 0)])
def test_a_hole_is_as_opaque_as_what_is_around_it(around, inside, run, photo, tmp_path):
    image = Image.open(photo).convert("RGB")
    alpha_HW = np.full((130, 150), around, np.uint8)
    alpha_HW[:, 120:] = 200
    cv2.circle(alpha_HW, (40, 50), 12, inside, -1)
    image.putalpha(Image.fromarray(alpha_HW))
    image.save(photo)
    assert run(photo, "--hole", "25,35,31,31", weights=None)[0] == 0
    after_HW = np.asarray(Image.open(tmp_path / "photo.completed.png"))[..., 3]
    assert (after_HW[:, :100] == around).all()
    assert (after_HW[:, 120:] == 200).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_under_transparency_beside_the_hole_are_not_seen(dtype, run, photo, tmp_path):
    largest = np.iinfo(dtype).max
    alpha_HW = np.full((130, 150), largest, dtype)
    alpha_HW[20:60, 48:90] = 0  # to the right of HOLE
    results = []
    for hidden in (0, largest):
        colours_HW3 = np.asarray(Image.open(photo).convert("RGB")).astype(dtype) * (largest // 255)
        colours_HW3[alpha_HW == 0] = hidden
        path = tmp_path / f"{hidden}.png"
        cv2.imwrite(str(path), np.dstack((colours_HW3[..., ::-1], alpha_HW)))
        status, printed = run(path, "--hole", HOLE)
        assert status == 0, printed
        results.append(cv2.imread(str(tmp_path / f"{hidden}.completed.png"), cv2.IMREAD_UNCHANGED))
        assert (results[-1][alpha_HW == 0] == (hidden, hidden, hidden, 0)).all()
    np.testing.assert_array_equal(results[0][alpha_HW > 0], results[1][alpha_HW > 0])


def test_photos_with_nothing_to_remove_are_copied(run, photo, tmp_path):
    """A folder of frames comes out whole: those with an empty mask as they are, those without one if that is said."""
    frames, masks, done = (tmp_path / name for name in ("frames", "masks", "done"))
    for number in range(5):
        name = f"shot/{number}.jpg"
        (frames / name).parent.mkdir(parents=True, exist_ok=True)
        (masks / name).parent.mkdir(parents=True, exist_ok=True)
        Image.open(photo).convert("RGB").rotate(number).save(frames / name, quality=70)
        empty_HW = np.full((130, 150), 16 if number == 3 else 0, np.uint8)  # 16: black, out of video
        if number < 2:
            mask_image().save((masks / name).with_suffix(".png"))
        elif number < 4:
            Image.fromarray(empty_HW).save((masks / name).with_suffix(".png"))
    status, printed = run(frames, "--mask", masks, "--out", done)
    assert status == 1
    assert "2 completed, 2 copied, 1 failed" in printed
    assert re.search(r"no mask for .*4\.jpg: it needs .*4\.png \(or --missing-mask copy", printed)
    for number in (2, 3):
        assert (done / f"shot/{number}.jpg").read_bytes() == (frames / f"shot/{number}.jpg").read_bytes()
    changed_HW3 = pixels(done / "shot/0.jpg") != pixels(frames / "shot/0.jpg")
    assert changed_HW3[30:46, 20:44].any()
    assert not (done / "shot/4.jpg").exists()
    status, printed = run(frames, "--mask", masks, "--out", done, "--missing-mask", "copy", "--json")
    assert status == 0
    assert json.loads(printed.splitlines()[-1]) == {"summary": {"completed": 0, "copied": 1, "skipped": 4, "failed": 0}}
    assert (done / "shot/4.jpg").read_bytes() == (frames / "shot/4.jpg").read_bytes()


def test_an_empty_mask_of_the_one_photo_is_an_error(run, photo, tmp_path):
    Image.new("L", (150, 130)).save(tmp_path / "photo.mask.png")
    status, printed = run(photo)
    assert status == 1
    assert "the mask is empty: no pixel is marked to be completed (is it inverted?)" in printed
    status, printed = run(tmp_path)  # a folder of one
    assert status == 0
    assert "photo.completed.png: nothing to complete, copied as it is" in printed
    assert (tmp_path / "photo.completed.png").read_bytes() == photo.read_bytes()


def page_of_a_fax():
    y_HW, x_HW = np.mgrid[:130, :150]
    return Image.fromarray((x_HW // 9 + y_HW // 13) % 3 > 0)


@pytest.mark.parametrize("compression", ["group4", "group3", "packbits", "tiff_lzw", "tiff_adobe_deflate", None])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_one_bit_stays_one_bit_in_its_own_compression(compression, white_is_zero, run, tmp_path):
    tags = {262: 0 if white_is_zero else 1, 270: "page 7"}
    page_of_a_fax().save(tmp_path / "fax.tif", compression=compression, tiffinfo=tags, dpi=(204, 196))
    status, printed = run(tmp_path / "fax.tif", "--hole", HOLE)
    assert status == 0, printed
    assert "note" not in printed
    after = Image.open(tmp_path / "fax.completed.tif")
    assert after.mode == "1"
    assert after.info["compression"] == (compression or "tiff_adobe_deflate")
    assert after.tag_v2[262] == tags[262]
    assert after.tag_v2[270] == "page 7"
    assert after.info["dpi"] == (204, 196)
    check_only_the_hole_changed(tmp_path / "fax.tif", tmp_path / "fax.completed.tif")


@pytest.mark.parametrize(
    ("name", "transparency"), [("a.png", None), ("a.png", 3), ("a.png", b"\xff\x80\0"), ("a.tif", None)]
)
@pytest.mark.parametrize("colours", [16, 200])
def test_a_palette_stays_a_palette_with_its_own_colours(name, transparency, colours, run, photo, tmp_path):
    indexed = Image.open(photo).convert("RGB").quantize(colours)
    options = {} if transparency is None else {"transparency": transparency}
    indexed.save(tmp_path / name, **options)
    status, printed = run(tmp_path / name, "--hole", HOLE, "--out", tmp_path / f"done-{name}")
    assert status == 0, printed
    assert "note" not in printed
    before, after = Image.open(tmp_path / name), Image.open(tmp_path / f"done-{name}")
    assert after.mode == "P"
    assert after.getpalette() == before.getpalette()
    seen = [np.asarray(image.convert("RGBA"))[:26] for image in (before, after)]
    np.testing.assert_array_equal(*seen)
    if name == "a.png":
        assert (tmp_path / name).read_bytes()[24] == (tmp_path / f"done-{name}").read_bytes()[24]
    changed_HW = np.asarray(before) != np.asarray(after)
    assert changed_HW.any()
    changed_HW[26:50, 16:48] = False
    assert not changed_HW.any()
    status, printed = run(tmp_path / name, "--hole", HOLE, "--out", tmp_path / "done.webp")
    assert "note: the photo is stored with a palette, and the WEBP has 8 bits per sample" in printed


def test_what_has_fewer_bits_than_are_written_is_told(run, tmp_path):
    levels_HW = (np.mgrid[:130, :150][1] // 10).astype(np.uint8)
    header = png.chunk(b"IHDR", struct.pack(">IIBBBBB", 150, 130, 4, 0, 0, 0, 0))
    rows = b"".join(b"\0" + (row[::2] << 4 | row[1::2]).tobytes() for row in levels_HW)
    parts = header, png.chunk(b"IDAT", zlib.compress(rows)), png.chunk(b"IEND", b"")
    (tmp_path / "grey.png").write_bytes(png.SIGNATURE + b"".join(parts))
    status, printed = run(tmp_path / "grey.png", "--hole", HOLE)
    assert status == 0
    assert "note: the file has 4 bit(s) per sample, and the result has 8" in printed
    check_only_the_hole_changed(tmp_path / "grey.png", tmp_path / "grey.completed.png")
    page_of_a_fax().save(tmp_path / "fax.png")
    assert run(tmp_path / "fax.png", "--hole", HOLE)[0] == 0
    assert Image.open(tmp_path / "fax.completed.png").mode == "1"
    status, printed = run(tmp_path / "fax.png", "--hole", HOLE, "--out", tmp_path / "fax.jpg")
    assert "note: the photo is stored with one bit per pixel, and the JPEG has 8 bits per sample" in printed


@pytest.mark.parametrize("name", ["called.jpg", "photo.png"])
def test_a_photo_that_loses_by_being_encoded_is_told(name, run, tmp_path):
    """Be it that its name is another format's, or that one was asked for."""
    Image.fromarray(np.full((130, 150, 3), 90, np.uint8)).save(tmp_path / name, "PNG")
    status, printed = run(tmp_path / name, "--hole", HOLE, "--out", tmp_path / "done.jpg")
    assert status == 0
    assert "note: the photo's file is a PNG, and the JPEG is lossy: every pixel changes a little" in printed
    assert "lossy" not in run(tmp_path / name, "--hole", HOLE, "--out", tmp_path / "done.png")[1]


@pytest.mark.parametrize("empty", [False, True])
def test_a_result_that_cannot_be_written_is_told_by_its_name(empty, run, photo, tmp_path):
    """Also one of a folder that would only be copied, since its mask is empty."""
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "in").mkdir()
    shutil.copy(photo, tmp_path / "in" / "a.png")
    mask = Image.new("L", Image.open(photo).size, 0)
    mask.paste(0 if empty else 255, (20, 20, 40, 40))
    mask.save(tmp_path / "in" / "a.mask.png")
    status, printed = run(tmp_path / "in", "--out", tmp_path / "file" / "done")
    out = tmp_path / "file" / "done" / "a.png"
    assert status == 1
    assert f"cannot write {out}: " in printed
    assert "give another --out" in printed
    assert (tmp_path / "file").read_bytes() == b"mine"


GAMMA = struct.pack(">I", 100_000)


@pytest.mark.parametrize(("chunk", "to", "told"), [
    ((b"cICP", bytes((9, 16, 0, 1))), "jpg", "cICP"),
    ((b"cICP", bytes((12, 13, 0, 1))), "tif", "cICP"),
    ((b"gAMA", GAMMA), "webp", "gAMA"),
    ((b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)), "jpg", "cHRM"),
    ((b"cICP", bytes((9, 16, 0, 1))), "png", None),
    ((b"cICP", bytes((1, 13, 0, 1))), "jpg", None),
    ((b"gAMA", struct.pack(">I", 45455)), "jpg", None),
    ((b"sRGB", b"\0"), "jpg", None),
])  # fmt: skip
def test_colours_that_the_result_does_not_tell_are_noted(chunk, to, told, run, photo, tmp_path):
    Image.open(photo).convert("RGB").save(photo)
    photo.write_bytes(png.with_metadata(photo.read_bytes(), [chunk]))
    status, printed = run(photo, "--hole", HOLE, "--out", tmp_path / f"out.{to}")
    assert status == 0
    assert ("chunk says which colours its values mean" in printed) == (told is not None)
    if told:
        assert f"the photo's {told} chunk" in printed
    if to == "png":
        assert chunk in png.chunks((tmp_path / "out.png").read_bytes())


@pytest.mark.parametrize(("payload", "note"), [
    (b"http://ns.adobe.com/xap/1.0/\0<x xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/'/>", True),
    (b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0", True),
    (b"http://ns.adobe.com/xap/1.0/\0<x dc:title='none'/>", False),
])  # fmt: skip
def test_a_gain_map_is_not_left_out_without_a_word(payload, note, run, photo, tmp_path):
    Image.open(photo).convert("RGB").save(tmp_path / "hdr.jpg")
    content = (tmp_path / "hdr.jpg").read_bytes()
    marker = b"\xff\xe1" if payload.startswith(b"http") else b"\xff\xe2"
    (tmp_path / "hdr.jpg").write_bytes(
        content[:2] + marker + struct.pack(">H", len(payload) + 2) + payload + content[2:]
    )
    status, printed = run(tmp_path / "hdr.jpg", "--hole", HOLE)
    assert status == 0
    assert ("gain map in the photo's file, which makes it HDR, shows the hole and is left out" in printed) == note


def test_colours_multiplied_by_alpha_stay_so(run, tmp_path):
    """Bit for bit outside the hole, though they are divided to be completed."""
    random = np.random.default_rng(0)
    alpha = random.integers(0, 256, (130, 150, 1))
    samples = np.concatenate((random.integers(0, alpha + 1, (130, 150, 3)), alpha), 2).astype(np.uint8)
    tifffile.imwrite(tmp_path / "photo.tif", samples, photometric="rgb", extrasamples=["assocalpha"])
    status, printed = run(tmp_path / "photo.tif", "--hole", HOLE)
    assert status == 0, printed
    with tifffile.TiffFile(tmp_path / "photo.completed.tif") as file:
        after = file.asarray()
        assert file.pages[0].tags["ExtraSamples"].value == (tifffile.EXTRASAMPLE.ASSOCALPHA,)
    outside_HW = np.ones((130, 150), bool)
    outside_HW[26:50, 16:48] = False
    np.testing.assert_array_equal(after[outside_HW], samples[outside_HW])
    assert (after[..., :3] <= after[..., 3:]).all()
    status, printed = run(tmp_path / "photo.tif", "--hole", HOLE, "--out", tmp_path / "straight.png")
    assert status == 0, printed
    straight = np.asarray(Image.open(tmp_path / "straight.png")).astype(int)
    shown = straight[..., :3] * straight[..., 3:] / 255
    assert np.abs(shown - samples[..., :3])[outside_HW].max() <= 1


def write_pages(path, scene_HW3, kinds, bigtiff=False):
    """A TIFF of the scene and pages of these kinds after it: reduced copies, a mask of transparency, another photo."""
    tiled = {"tile": (32, 32), "compression": "adobe_deflate", "predictor": True}
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as tif:
        tif.write(scene_HW3, photometric="rgb", **tiled)
        for number, kind in enumerate(kinds, 1):
            if kind == "reduced":
                tif.write(scene_HW3[:: 2**number, :: 2**number], photometric="rgb", subfiletype=1, **tiled)
            elif kind == "mask":
                seen_HW = np.ones(scene_HW3.shape[:2], bool)
                seen_HW[:, :12] = False
                tif.write(seen_HW, photometric="mask", subfiletype=4)
            elif kind == "reduced mask":
                tif.write(np.ones((40, 40), bool), photometric="mask", subfiletype=5)
            else:
                tif.write(scene_HW3, photometric="rgb")


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("kinds", "notes"), [
    (["reduced"], ["1 reduced copies of the photo in its file"]),
    (["reduced", "reduced"], ["2 reduced copies"]),
    (["mask"], ["the mask of transparency in the photo's file becomes an alpha channel"]),
    (["mask", "reduced", "reduced mask"], ["2 reduced copies", "becomes an alpha channel"]),
])  # fmt: skip
def test_pages_that_belong_to_the_photo(kinds, notes, dtype, bigtiff, run, photo, tmp_path):
    """As cloud-optimised GeoTIFFs have them."""
    scene_HW3 = np.asarray(Image.open(photo).convert("RGB")).astype(dtype) * dtype(np.iinfo(dtype).max // 255)
    write_pages(tmp_path / "map.tif", scene_HW3, kinds, bigtiff)
    status, printed = run(tmp_path / "map.tif", "--hole", HOLE)
    assert status == 0, printed
    for note in notes:
        assert note in printed
    after = tifffile.imread(tmp_path / "map.completed.tif")
    assert after.dtype == dtype
    assert after.shape[2] == (4 if "mask" in kinds else 3)
    np.testing.assert_array_equal(after[60:, :, :3], scene_HW3[60:])
    if "mask" in kinds:
        assert not after[:, :12, 3].any()
        assert (after[:, 12:, 3] == np.iinfo(dtype).max).all()


def test_another_photo_in_the_file_is_refused(run, photo, tmp_path):
    write_pages(tmp_path / "two.tif", np.asarray(Image.open(photo).convert("RGB")), ["reduced", "photo"])
    status, printed = run(tmp_path / "two.tif", "--hole", HOLE)
    assert status == 1
    assert "it holds 2 pictures; a photo is one" in printed


@pytest.mark.parametrize(("declared", "option"), [("0", ()), (None, ("--nodata", "0")), ("-9999", ("--nodata", "0"))])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_collar_of_a_map_does_not_run_into_the_hole(declared, option, dtype, run, tmp_path):
    """Pixels that are declared as no data, as those around a turned satellite picture, are hidden and stay."""
    y_HW, x_HW = np.mgrid[:200, :200]
    scene_HW3 = (np.dstack([90 + y_HW // 3, 60 + x_HW // 3, 200 - y_HW // 3]) * (np.iinfo(dtype).max // 255)).astype(
        dtype
    )
    collar_HW = x_HW + y_HW < 130
    tags = [(42113, 2, len(declared) + 1, declared, True)] if declared else []
    tifffile.imwrite(
        tmp_path / "map.tif", np.where(collar_HW[..., None], dtype(0), scene_HW3), photometric="rgb", extratags=tags
    )
    hole = ("--hole", "60,50,70,60", "--mask-dilate", 0)
    status, printed = run(tmp_path / "map.tif", *hole, *option, weights=None)
    assert status == 0
    assert "pixels of the value 0, which stands for no data, are not looked at" in printed
    after_HW3 = tifffile.imread(tmp_path / "map.completed.tif")
    np.testing.assert_array_equal(after_HW3[:50][collar_HW[:50]], 0)
    error_HW3 = abs(after_HW3.astype(float) - scene_HW3)[50:110, 60:130] / np.iinfo(dtype).max
    assert error_HW3.max() < 0.1
    if declared == "0":
        status, printed = run(tmp_path / "map.tif", *hole, "--nodata", "7", "--overwrite", weights=None)
        assert "no data" not in printed, "a given value overrules the file's"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["PHOTO"], "no mask for .*--mask FILE.*--hole X,Y,WIDTH,HEIGHT.*photo.mask.png beside the photo.*transparent"),
        (["PHOTO", "--hole", "1,2,3"], "it must be X,Y,WIDTH,HEIGHT"),
        (["PHOTO", "--hole", "140,0,20,20"], "leaves the photo, which is 150x130"),
        (["PHOTO", "--hole", "0,0,150,130"], "covers the whole photo"),
        (["PHOTO", "--mask", "none.png"], "there is no mask at none.png"),
        (["PHOTO", "--hole", HOLE, "--mask", "m.png"], "--hole and --mask are both given"),
        (["PHOTO", "--hole", HOLE, "--mask-invert"], "--hole and --mask-invert are both given"),
        (["PHOTO", "--hole", HOLE, "--out", "PHOTO"], "exists; give another --out, or --overwrite"),
        (["PHOTO", "--hole", HOLE, "--out", "result.gif"], "name must end in one of"),
        (["PHOTO", "--hole", HOLE, "--scale", "3"], "it must be auto, native, or one of"),
        (["PHOTO", "--hole", HOLE, "--runtime", "abacus"], "invalid choice 'abacus'"),
        (["PHOTO", "--hole", HOLE, "--memory", "0.00001"], r"raise the limit \(--memory\)"),
        (["PHOTO", "--hole", HOLE, "--mask-dilate", "-1"], "0 to 1000 pixels"),
        (["PHOTO", "--hole", HOLE, "--max-pixels", "1000"], "150x130 pixels and the limit is 1000"),
        (["missing.jpg", "--hole", HOLE], "there is no photo or folder at missing.jpg"),
        (["EMPTY", "--hole", HOLE], "there are no photos in"),
        ([], "there are no photos in what was given"),
    ],
)
def test_errors_name_the_value_and_the_remedy(arguments, message, run, photo, tmp_path):
    (tmp_path / "empty").mkdir()
    names = {"PHOTO": photo, "EMPTY": tmp_path / "empty"}
    before = photo.read_bytes()
    status, printed = run(*(names.get(argument, argument) for argument in arguments))
    assert status != 0
    assert re.search(message, " ".join(printed.replace("│", " ").split())), printed
    assert "Traceback" not in printed
    assert photo.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "photo.png"]


def test_wrong_masks_are_refused(run, photo, tmp_path):
    mask_image((130, 150)).save(tmp_path / "turned.png")
    Image.new("L", (150, 130)).save(tmp_path / "empty.png")
    assert "the mask is 130x150 and the photo 150x130" in run(photo, "--mask", tmp_path / "turned.png")[1]
    assert "the mask is empty" in run(photo, "--mask", tmp_path / "empty.png")[1]


def test_the_engines_own_weights_named_or_not(run, photo, tmp_path):
    for weights, name in ((None, "unnamed.png"), ("default", "named.png")):
        status, printed = run(photo, "--hole", HOLE, "--out", tmp_path / name, weights=weights)
        assert status == 0, printed
    np.testing.assert_array_equal(pixels(tmp_path / "named.png"), pixels(tmp_path / "unnamed.png"))


def test_missing_weights(run, photo, tmp_path):
    status, printed = run(photo, "--hole", HOLE, weights=tmp_path / "none.safetensors")
    assert status == 1
    assert "there is no weights file at" in printed


def test_a_jpeg_changed_in_the_holes_blocks_alone(run, photo, tmp_path):
    jpeg = tmp_path / "photo.jpg"
    Image.open(photo).convert("RGB").save(jpeg, quality=80)
    for options, same in ((["--lossless-outside"], True), (["--overwrite"], False)):
        status, printed = run(jpeg, "--hole", HOLE, *options)
        assert status == 0, printed
        # The hole with its margin, in blocks of 16, and what decoders interpolate of chroma beside them.
        check = (pixels(jpeg) == pixels(tmp_path / "photo.completed.jpg")).all(2)
        check[16 - 2 : 64 + 2, 16 - 2 : 48 + 2] = True
        assert check.all() == same
    status, printed = run(photo, "--hole", HOLE, "--lossless-outside", "--out", tmp_path / "other.jpg")
    assert status == 1
    assert "a JPEG of a PNG, which changes every pixel" in printed


def test_overwriting_the_photo_when_told(run, photo, tmp_path):
    before = photo.with_name("before.png")
    before.write_bytes(photo.read_bytes())
    assert run(photo, "--hole", HOLE, "--out", photo, "--overwrite")[0] == 0
    check_only_the_hole_changed(before, photo)


def make_folder(folder, count=5):
    random = np.random.default_rng(0)
    (folder / "sub").mkdir(parents=True)
    for number in range(count):
        samples = random.integers(0, 256, (60 + number, 80, 3), np.uint8)
        Image.fromarray(samples).save(folder / ("sub" if number % 2 else ".") / f"{number}.png")


def test_a_folder_with_broken_photos(run, tmp_path):
    make_folder(tmp_path / "in")
    (tmp_path / "in" / "broken.jpg").write_bytes(b"nothing")
    Image.new("RGB", (30, 30)).save(tmp_path / "in" / "small.png")
    arguments = [tmp_path / "in", "--hole", "20,20,20,20", "--out", tmp_path / "out"]
    status, printed = run(*arguments)
    assert status == 1
    assert "5 completed, 2 failed" in printed
    assert f"engine-infer: cannot read the photo {tmp_path / 'in' / 'broken.jpg'}: " in printed
    assert f"engine-infer: {tmp_path / 'in' / 'small.png'}: the hole 20,20,20,20 leaves the photo" in printed
    (tmp_path / "in" / "small.png").unlink()
    assert "broken.jpg: it is no picture" in printed
    assert len(list((tmp_path / "out").rglob("*.png"))) == 5

    (tmp_path / "out" / "sub" / "1.png").unlink()
    status, printed = run(*arguments, "--json")
    lines = [json.loads(line) for line in printed.splitlines()]
    assert lines[-1] == {"summary": {"completed": 1, "copied": 0, "skipped": 4, "failed": 1}}
    (done,) = (line for line in lines if line.get("status") == "completed")
    assert done["out"].endswith("sub/1.png")
    assert done["hole_pixels"] == 760  # 20x20 and 4 px around it, less the corners
    assert done["widened"] == [4]
    assert done["scales"] == [1]
    assert set(done["seconds"]) == {"read", "mask", "copy", "fill", "network", "blend", "texture", "write"}

    (tmp_path / "in" / "broken.jpg").unlink()
    assert run(*arguments)[0] == 0
    assert "5 completed" in run(tmp_path / "in" / "*.png", tmp_path / "in" / "sub", "--hole", "20,20,20,20",
                                "--out", tmp_path / "globbed")[1]  # fmt: skip


def test_jobs(tmp_path):
    make_folder(tmp_path / "a")
    make_folder(tmp_path / "b")
    (tmp_path / "a" / "0.mask.png").touch()
    (tmp_path / "a" / "0.completed.png").touch()
    assert len(find_jobs((tmp_path / "a",), None)[0]) == 5
    (tmp_path / "a" / "masks").mkdir()
    Image.open(tmp_path / "a" / "0.png").save(tmp_path / "a" / "masks" / "0.png")
    make_folder(tmp_path / "a" / "done")
    names = {job.name for job in find_jobs((tmp_path / "a",), tmp_path / "a" / "done", [tmp_path / "a" / "masks"])[0]}
    assert names == {job.name for job in find_jobs((tmp_path / "b",), None)[0]}
    with pytest.raises(ValueError, match="2 of the photos would be written to"):
        find_jobs((tmp_path / "a", tmp_path / "b"), tmp_path / "out")


def test_a_jpeg_by_any_of_its_endings(run, photo, tmp_path):
    names = ["a.jfif", "b.JPE", "c.jpeg", "d.jpg"]
    (tmp_path / "in").mkdir()
    for name in names:
        Image.open(photo).convert("RGB").save(tmp_path / "in" / name, "JPEG")
    status, printed = run(tmp_path / "in", "--hole", HOLE, "--out", tmp_path / "out")
    assert status == 0, printed
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert run(tmp_path / "in" / "a.jfif", "--hole", HOLE)[0] == 0
    assert Image.open(tmp_path / "in" / "a.completed.jfif").format == "JPEG"


def test_pictures_that_are_passed_over_are_counted(run, photo, tmp_path):
    (tmp_path / "folder.gif").mkdir()
    for name in ("1.JP2", "sub/2.jp2", "3.bmp", "5.psd", "6.orf", "photo.mask.bmp", "notes.txt", "masks/4.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    hole = Image.new("L", (150, 130))
    hole.paste(255, (20, 30, 44, 46))
    hole.save(tmp_path / "masks" / "photo.png")
    status, printed = run(tmp_path, "--mask", tmp_path / "masks")
    assert status == 0
    assert "passed over, as pictures to be converted first: 1 .bmp, 2 .jp2, 1 .orf, 1 .psd\n" in printed
    assert "passed over" not in run(photo, "--hole", HOLE, "--overwrite")[1]


@pytest.mark.parametrize("name", ["IMG_1.mask.PNG", "img_1.Mask.png", "masks/IMG_1.PNG", "masks/img_1.mask.Png"])
def test_masks_are_found_without_regard_to_case(name, run, photo, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    photo.rename(folder / "IMG_1.png")
    (folder / name).parent.mkdir(exist_ok=True)
    mask = Image.new("L", (150, 130))
    mask.paste(255, (20, 30, 44, 46))
    mask.save(folder / name, "png")
    status, printed = run(folder, *(("--mask", folder / "masks") if "/" in name else ()))
    assert status == 0, printed
    check_only_the_hole_changed(folder / "IMG_1.png", folder / "IMG_1.completed.png")


def test_what_the_result_cannot_hold_is_told_before_the_work(run, photo, tmp_path, monkeypatch):
    transparent = Image.open(photo).convert("RGBA")
    transparent.save(photo)
    monkeypatch.setattr(Completer, "complete", lambda *_, **__: pytest.fail("work was begun"))
    status, printed = run(photo, "--hole", HOLE, "--out", tmp_path / "out.jpg")
    assert status == 1
    assert "the photo has an alpha channel and JPEG holds none" in printed


def test_a_mask_that_leaves_nothing_is_told_before_the_work(run, photo, monkeypatch):
    monkeypatch.setattr(Completer, "complete", lambda *_, **__: pytest.fail("work was begun"))
    status, printed = run(photo, "--hole", "1,1,148,128")
    assert status == 1
    assert "the mask, widened by 4 pixels (--mask-dilate), covers the whole photo" in printed


def test_a_folder_of_which_all_fails_has_another_status_than_one_of_which_some_does(run, photo, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"no picture")
    status, printed = run(folder, "--hole", HOLE, "--out", tmp_path / "done")
    assert status == 3
    assert "2 failed" in printed
    shutil.copy(photo, folder / "c.png")
    assert run(folder, "--hole", HOLE, "--out", tmp_path / "done")[0] == 1


def test_the_runtime_and_its_precision_are_told_and_the_reason_if_asked_for(photo, weights, tmp_path):
    words = [sys.executable, "-m", "engine.commands.infer", str(photo), "--hole", HOLE, "--overwrite"]
    words += ["--weights", str(weights)]
    plain, verbose, in_json = (
        subprocess.run([*words, *more], capture_output=True, text=True, check=True) for more in ([], ["-v"], ["--json"])
    )
    named = json.loads(in_json.stdout.splitlines()[0])["runtime"]
    assert re.fullmatch(r"(torch|openvino|onnx), (fp32|bf16|int8)", named)
    assert f" by {named} in " in plain.stdout
    assert "runtime" not in plain.stderr
    assert f"runtime {named}: " in verbose.stderr


def test_a_mistyped_folder_is_told_before_the_work(run, photo, tmp_path, monkeypatch):
    monkeypatch.setattr(Completer, "load", lambda *_, **__: pytest.fail("the network was loaded"))
    for asked in ([tmp_path / "photso"], [photo, tmp_path / "photso"]):
        status, printed = run(*asked, "--hole", HOLE, "--out", tmp_path / "done")
        assert status == 1
        assert printed == f"engine-infer: there is no photo or folder at {tmp_path / 'photso'}"


def test_a_file_is_no_folder_for_results(run, tmp_path):
    make_folder(tmp_path / "in")
    (tmp_path / "file").touch()
    status, printed = run(tmp_path / "in", "--hole", "20,20,20,20", "--out", tmp_path / "file")
    assert status == 1
    assert f"--out is {tmp_path / 'file'}, which is a file; name a folder" in printed


def test_a_folder_for_results_may_have_a_dot_in_its_name(run, photo, tmp_path):
    out = tmp_path / "results.2026"
    status, printed = run(photo, "--hole", HOLE, "--out", out)
    assert status == 1
    assert f"--out is {out}, and a photo's name must end in one of .jpg, .jpeg, .jpe, .jfif, .png," in printed
    assert "if a folder is meant, make it first" in printed
    assert not out.exists()
    assert run(tmp_path, "--hole", HOLE, "--out", out)[0] == 0, "of a folder, however many photos it holds"
    check_only_the_hole_changed(photo, out / "photo.png")
    (out / "photo.png").unlink()
    assert run(photo, "--hole", HOLE, "--out", out)[0] == 0, "a folder that is there"
    check_only_the_hole_changed(photo, out / "photo.png")


def test_several_photos_are_not_written_to_one_file(run, tmp_path, monkeypatch):
    make_folder(tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    for out, message in (
        ("done.jpg", "--out is done.jpg, the name of one file, and there are 5 photos; name a folder"),
        ("-", "--out is -, and results are not written to standard output; name a file or a folder"),
    ):
        status, printed = run("in", "--hole", "20,20,20,20", "--out", out)
        assert status == 1
        assert message in printed
        assert not (tmp_path / out).exists()


def test_a_photo_of_a_kind_that_is_not_written_is_to_be_converted(run, photo):
    Image.open(photo).save(photo.with_suffix(".bmp"))
    printed = run(photo.with_suffix(".bmp"), "--hole", HOLE)[1]
    assert f"cannot read the photo {photo.with_suffix('.bmp')}: it is BMP, and photos are read as JPEG" in printed
    assert "convert it" in printed
    photo.rename(photo.with_suffix(".photo"))
    assert "others are to be converted first" in run(photo.with_suffix(".photo"), "--hole", HOLE)[1]


FRAME = struct.pack(">HH", 130, 150) + b"\3\1\x11\0\2\x11\0\3\x11\0"


@pytest.mark.parametrize(("name", "content", "message"), [
    ("photo.heic", b"\0\0\0\x18ftypheic" + bytes(64), "it is an HEIC picture, and is damaged or cut short"),
    ("photo.jxl", b"\xff\x0a" + bytes(64), "it is a JPEG XL picture"),
    ("photo.ora", b"PK\3\4" + bytes(26) + b"mimetypeimage/openraster" + bytes(64), "it is an OpenRaster picture"),
    ("photo.kra", b"PK\3\4" + bytes(26) + b"mimetypeapplication/x-krita" + bytes(64), "it is a Krita document"),
    ("photo.png", b"8BPS\0\1" + bytes(64), "it is a Photoshop document"),
    ("photo.jpg", b"\xff\xd8\xff\xc3\0\x11\x08" + FRAME, "it is a lossless JPEG (process 3)"),
    ("photo.jpg", b"\xff\xd8\xff\xc9\0\x11\x08" + FRAME, "a JPEG with arithmetic coding"),
    ("photo.jpg", b"\xff\xd8\xff\xc1\0\x11\x0c" + FRAME, "a JPEG of 12 bits per sample"),
])  # fmt: skip
def test_an_error_says_what_the_file_is(name, content, message, run, tmp_path):
    (tmp_path / name).write_bytes(content)
    status, printed = run(tmp_path / name, "--hole", HOLE)
    assert status == 1
    assert f"cannot read the photo {tmp_path / name}: " in printed
    assert message in printed
    assert "Traceback" not in printed
    Image.new("RGB", (150, 130)).save(tmp_path / "good.png")
    status, printed = run(tmp_path / "good.png", "--mask", tmp_path / name)
    assert "cannot read the mask" in printed
    assert message in printed


@pytest.mark.parametrize("samples", [
    np.ones((60, 70, 3), np.float32), np.ones((60, 70), np.float32), np.ones((60, 70, 3), np.int16),
    np.ones((60, 70, 3), np.uint32),
], ids=["rgb float", "grey float", "signed", "32 bits"])  # fmt: skip
def test_a_tiff_of_other_numbers_is_told_so(samples, run, tmp_path):
    tifffile.imwrite(tmp_path / "photo.tif", samples, photometric="rgb" if samples.ndim == 3 else "minisblack")
    status, printed = run(tmp_path / "photo.tif", "--hole", HOLE)
    assert status == 1
    assert re.search(r"it is a TIFF of .* numbers of \d+ bits .*; save it as a JPEG, PNG, TIFF or WebP", printed), (
        printed
    )


def raw_files():
    """Cameras' raw files as they begin, of makers whose files are TIFFs and of others."""
    small_HW3, mosaic_HW = np.full((60, 80, 3), 90, np.uint8), np.arange(24_000, dtype=np.uint16).reshape(120, 200)
    version = (50706, 1, 4, (1, 4, 0, 0), True)
    for name, tags, compression in (("dng", [version], None), ("nef", [], None)):
        file = BytesIO()
        with tifffile.TiffWriter(file) as tif:
            tif.write(small_HW3, photometric="rgb", subfiletype=1, subifds=1, extratags=tags, compression=compression)
            tif.write(mosaic_HW, photometric=32803)
        yield name, file.getvalue()
    file = BytesIO()
    tifffile.imwrite(file, mosaic_HW, photometric=32803, extratags=[version])
    yield "dng without a small picture", file.getvalue()
    file = BytesIO()
    Image.fromarray(small_HW3).save(file, "TIFF")
    yield "cr2", b"II*\0\x10\0\0\0CR\2\0" + bytes(64)
    yield "cr3", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(64)
    yield "raf", b"FUJIFILMCCD-RAW 0201" + bytes(64)
    yield "rw2", b"IIU\0\x18\0\0\0" + bytes(64)
    yield "orf", b"IIRO\x08\0\0\0" + bytes(64)


@pytest.mark.parametrize("kind", [name for name, _ in raw_files()])
@pytest.mark.parametrize("ending", ["tif", "dng", "jpg"])
def test_a_raw_file_is_refused_and_its_small_picture_never_completed(kind, ending, run, tmp_path):
    path = tmp_path / f"photo.{ending}"
    path.write_bytes(dict(raw_files())[kind])
    status, printed = run(path, "--hole", "10,10,20,20", "--out", tmp_path / "done.jpg")
    assert status == 1
    assert "it is a camera's raw file" in printed
    assert "develop it with a raw converter (such as darktable" in printed
    assert not (tmp_path / "done.jpg").exists()


def test_who_stops_reading_ends_no_folder(weights, tmp_path):
    make_folder(tmp_path / "in")
    words = [sys.executable, "-m", "engine.commands.infer", tmp_path / "in", "--hole", "20,20,20,20", "--json"]
    words += ["--out", tmp_path / "out", "--weights", weights, "--runtime", "torch"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        command.stdout.close()
        assert command.stderr.read() == b""
    assert command.returncode == 0
    assert len(list((tmp_path / "out").iterdir())) == len(list((tmp_path / "in").iterdir()))


def test_under_torchrun_it_says_what_to_start_instead(photos, tmp_path):
    words = ["--standalone", "--nproc-per-node", "2", "-m", "engine.commands.infer", str(photos)]
    command = [sys.executable, "-m", "torch.distributed.run", *words, "--hole", "9,9,9,9", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode != 0
    told = {line for line in done.stderr.splitlines() if "engine-infer: " in line}
    assert all("torchrun has started 2 processes" in line and "--cluster local" in line for line in told)
    assert told
    assert not list(tmp_path.iterdir())


def test_what_a_batch_system_leaves_behind_is_no_sign_of_torchrun(monkeypatch, run_main, tmp_path):
    for count in ("2", ""):
        monkeypatch.setenv("WORLD_SIZE", count)
        with pytest.raises(SystemExit, match="there is no photo or folder at"):
            run_main(infer.main, tmp_path / "missing.jpg")


@pytest.mark.filterwarnings("ignore")  # of Pillow, about the damage
def test_500_malformed_photos_and_masks(tmp_path):
    """Each ends in a clean error or a whole file that can be read; never in an exception or a partial file."""
    random = np.random.default_rng(0)
    samples = random.integers(0, 256, (24, 28, 4), np.uint8)
    kinds = []
    for ending, options in (
        ("jpg", {}),
        ("png", {}),
        ("tif", {"compression": "tiff_lzw"}),
        ("webp", {"lossless": True}),
    ):
        exif = Image.Exif()
        exif[274], exif[271] = 6, "Cam"
        Image.fromarray(samples[..., : 3 if ending == "jpg" else 4]).save(
            tmp_path / f"whole.{ending}", exif=exif, **options
        )
        kinds.append((ending, (tmp_path / f"whole.{ending}").read_bytes()))
    mask = Image.fromarray(np.pad(np.full((9, 9), 255, np.uint8), ((5, 14), (6, 9))))
    mask.save(tmp_path / "mask.png")
    mask_content = (tmp_path / "mask.png").read_bytes()

    jobs = []
    for number in range(500):
        ending, content = kinds[number % 4]
        path = tmp_path / "in" / f"{number}.{ending}"
        path.parent.mkdir(exist_ok=True)
        mangled_mask = number % 3 == 0
        path.write_bytes(content if mangled_mask else mangle(content, random))
        path.with_name(f"{number}.mask.png").write_bytes(mangle(mask_content, random) if mangled_mask else mask_content)
        jobs.append(Job(path, path.relative_to(path.parent), tmp_path / "out" / path.name))

    network = random_network(2)
    completer = Completer.of(network, device="cpu", memory=1 << 28)
    options = Options(masks=MaskSource(), completion=CompletionOptions(dilate=1, feather=2), max_pixels=10_000)
    outcomes = list(complete_files(completer, jobs, options))
    assert [outcome.job for outcome in outcomes] == jobs
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {outcome.job.photo.name for outcome in outcomes if outcome.status == "completed"}
    for outcome in outcomes:
        if outcome.status == "completed":
            assert read_photo(outcome.job.out).pixels_HW3.shape[:2] == outcome.size
        else:
            assert outcome.error
            assert len(outcome.error) > 20
    counts = [sum(outcome.status == status for outcome in outcomes) for status in ("completed", "failed")]
    assert min(counts) > 50, "the damage should be survivable now and then"


def test_variants_are_numbered_files_and_differ(run, photo, tmp_path):
    status, printed = run(photo, "--hole", "20,20,40,40", "--texture", "photo", "--variants", "3", "--json")
    assert status == 0, printed
    outs = [json.loads(line).get("out") for line in printed.splitlines()]
    assert outs[:3] == [str(photo.with_name(f"{photo.stem}-{n}.completed{photo.suffix}")) for n in (1, 2, 3)]
    assert len({Path(out).read_bytes() for out in outs[:3]}) == 3
    single = tmp_path / "single.png"
    assert run(photo, "--hole", "20,20,40,40", "--texture", "photo", "--seed", "1", "--out", single)[0] == 0
    assert np.array_equal(np.asarray(Image.open(single)), np.asarray(Image.open(outs[1])))
    # Results are no photos, when the folder is searched.
    assert len(find_jobs((photo.parent,), None)[0]) == len(list(photo.parent.glob("*.png"))) - 3


def test_areas_to_take_texture_from_are_masks_of_the_photo(run, photo, tmp_path):
    size = Image.open(photo).size
    Image.new("L", size, 255).save(tmp_path / "all.mask.png")
    Image.new("L", (9, 9), 255).save(tmp_path / "small.mask.png")
    for arguments, message in (
        (("--avoid", tmp_path / "all.mask.png"), "--avoid and the hole leave no 7x7 pixels"),
        (("--sample", tmp_path / "small.mask.png"), "--sample: the mask is 9x9"),
        (("--sample", tmp_path / "none.png"), "--sample: "),
        (("--sample", tmp_path / "all.mask.png", "--texture", "none"), "--sample and --texture none are both given"),
        (("--variants", "2", "--texture", "none"), "--variants and --texture none are both given"),
        (("--variants", "0"), "--variants is 0; it must be 1 to 99"),
        (("--seed", "-1"), "--seed is -1; it must be 0 or more"),
    ):
        status, printed = run(photo, "--hole", "20,20,40,40", *arguments)
        assert status != 0
        assert message in printed
        assert "Traceback" not in printed
        assert not photo.with_name(f"{photo.stem}.completed{photo.suffix}").exists()
