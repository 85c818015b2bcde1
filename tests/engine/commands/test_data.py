"""engine-data as people run it."""

import io
import json
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from data.cache import cache_folder
from data.catalog import INDEX_NAME, Catalog
from engine.commands import data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(skimage.data.astronaut()[: 200 + number, :300]).save(folder / f"{number}.jpg")
    return folder


@pytest.fixture
def run(run_main: Callable[..., None]) -> Callable[..., None]:
    """engine-data with these arguments."""
    return partial(run_main, data.main)


def test_index_then_open_then_index_again(
    folder: Path, run: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "page:cat:.jpg").write_text("<html>")
    run("index", folder)
    said = capsys.readouterr()
    assert "6 photos, 1 left out" in said.out
    assert "left out: page:cat:.jpg: not an image" in said.err
    index = Catalog.open(folder).index
    assert index is not None
    assert index.is_relative_to(cache_folder())
    assert f"{index}: 6 photos" in said.out
    shutil.copy(folder / "0.jpg", folder / "new.jpg")
    run("index", folder)
    assert len(Catalog.open(folder)) == 7
    assert not list(folder.glob("*.index"))


def test_an_index_in_the_folder_is_kept_up_to_date_there(folder: Path, run: Callable[..., None]) -> None:
    run("index", folder, "--out", folder / INDEX_NAME)
    shutil.copy(folder / "0.jpg", folder / "new.jpg")
    run("index", folder)
    catalog = Catalog.open(folder)
    assert (len(catalog), catalog.index) == (7, folder / INDEX_NAME)


def test_the_index_of_a_folder_that_is_gone_is_not_that_of_another_in_its_place(
    folder: Path, run: Callable[..., None]
) -> None:
    run("index", folder)
    folder.rename(folder.with_name("moved"))
    folder.mkdir()
    shutil.copy(folder.with_name("moved") / "0.jpg", folder / "other.jpg")
    assert Catalog.open(folder).name(0) == "other.jpg"


def test_without_a_cache_a_folder_is_read_and_its_index_needs_a_place(
    folder: Path, run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError("no home")

    for name in ("ENGINE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert len(Catalog.open(folder)) == 6
    with pytest.raises(SystemExit, match=r"no home folder for the cache .* set ENGINE_CACHE"):
        run("index", folder)
    run("index", folder, "--out", folder.with_name("some.index"))


def test_index_of_a_list(folder: Path, tmp_path: Path, run: Callable[..., None]) -> None:
    (tmp_path / "list.txt").write_text("/3.jpg 0\n/1.jpg 0\n/2.jpg 1\n/gone.jpg 0\n")
    out = tmp_path / "some.index"
    run("index", folder, "--list", tmp_path / "list.txt", "--number", 0, "--out", out)
    catalog = Catalog.open(out)
    assert [catalog.name(i) for i in range(len(catalog))] == ["1.jpg", "3.jpg"]
    assert [photo.name for photo in catalog.bad] == ["gone.jpg"]


def test_check_keeps_what_it_found_out(
    folder: Path, run: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (folder / "2.jpg").read_bytes()
    (folder / "2.jpg").write_bytes(whole[: len(whole) // 2])
    time.sleep(0.05)  # what was written in the last moment before a scan is read again
    run("index", folder)
    run("check", folder)
    said = capsys.readouterr()
    assert "5 photos decoded, 1 could not be" in said.out
    assert "left out: 2.jpg: cut short" in said.err
    run("index", folder)  # it is not taken back while it stays as it is
    assert len(Catalog.open(folder)) == 5
    (folder / "2.jpg").write_bytes(whole)
    run("index", folder)
    assert len(Catalog.open(folder)) == 6


def test_mean_is_json(folder: Path, run: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    run("mean", folder, "--sample", 4)
    said = json.loads(capsys.readouterr().out)
    photos = [np.asarray(Image.open(io.BytesIO(path.read_bytes()))) for path in folder.glob("*.jpg")]
    expected = np.mean([photo.mean((0, 1)) for photo in photos], axis=0) / 255
    np.testing.assert_allclose(said["mean"], expected, atol=0.02)
    assert said["photos"] == 4
    assert len(said["standard_error"]) == 3


def test_pack(folder: Path, tmp_path: Path, run: Callable[..., None]) -> None:
    run("pack", folder, tmp_path / "shards", "--shorter-edge", 64)
    catalog = Catalog.open(tmp_path / "shards")
    assert len(catalog) == 6
    assert all(min(catalog.size(i)) == 64 for i in range(6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["index", "missing"], "no folder"),
        (["mean", "missing"], "does not exist"),
        (["mean", ".", "--threads", "0"], "--threads is 0; it must be at least 1"),
        (["index", ".", "--number", "1"], "give the list"),
        (["index", "."], "no usable photograph"),
    ],
)
def test_errors_end_the_command_and_say_what_to_do(
    arguments: list[str], message: str, run: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message):
        run(*arguments)
