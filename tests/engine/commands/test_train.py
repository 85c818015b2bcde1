"""engine-train as people run it, on a folder and on shards of its photos, through both loaders."""

import json
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file

from engine.commands import data, train
from tests.engine.training.conftest import TINY


def options():
    """The tiny run's, as a command line."""
    for name, value in (TINY | {"iterations": 6, "workers": 2}).items():
        yield f"--{name.replace('_', '-')}"
        yield from map(str, value if isinstance(value, tuple) else [value])


@pytest.mark.parametrize("loader", ["cpu", "dali"])
def test_a_folder_and_its_shards_train_the_same_network(loader, photos, tmp_path, run_main, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in photos.iterdir():
        Image.open(path).save(folder / f"{path.stem}.jpg")
    run_main(data.main, "pack", folder, tmp_path / "shards")
    weights, losses = {}, {}
    for kind, where in (("files", folder), ("shards", tmp_path / "shards")):
        out = tmp_path / kind
        run_main(train.main, "--photos", where, "--out", out, "--loader", loader, *options())
        assert (
            f"\n  engine-evaluate OTHER_PHOTOS --weights default {out}/weights.safetensors\n" in capsys.readouterr().out
        )
        weights[kind] = load_file(out / "weights.safetensors")
        rows = [json.loads(line) for line in Path(out, "metrics.jsonl").read_text().splitlines()]
        assert [row["iteration"] for row in rows] == [1, 2, 3, 4, 5, 6]
        assert all(0 <= row["waiting"] <= 1 for row in rows)
        losses[kind] = [row.get("mse") for row in rows]
    assert losses["files"] == losses["shards"]
    assert all(weights["files"][name].equal(value) for name, value in weights["shards"].items())
