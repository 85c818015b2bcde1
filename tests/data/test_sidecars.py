"""Masks beside photos are none: in folders, lists and shards, also where an index has them from before."""

import tarfile
from pathlib import Path

import pytest
from PIL import Image

from data.catalog import INDEX_NAME, Catalog
from data.scan import examine_file
from data.sidecars import MASK_BESIDE

PHOTOS = ["a.jpg", "b.PNG", "below/c.jpeg", "lone.mask.png"]
MASKS = ["a.mask.png", "b.mask.png", "below/c.mask.jpg"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*PHOTOS, *MASKS):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 48)).save(tmp_path / "photos" / name)
    return tmp_path / "photos"


def names(catalog: Catalog) -> list[str]:
    return sorted(catalog.name(i) for i in range(len(catalog)))


def masks(catalog: Catalog) -> list[str]:
    return sorted(photo.name for photo in catalog.bad if photo.reason == MASK_BESIDE)


def test_in_a_folder_and_in_a_list(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalog = Catalog.open(folder)
    assert (names(catalog), masks(catalog)) == (PHOTOS, MASKS)
    assert "3 photos left out: a.mask.png: the mask of a photo beside it" in caplog.text
    listed = Catalog.scanned(folder, ["a.jpg", "a.mask.png", "b.mask.png"])
    assert (names(listed), masks(listed)) == (["a.jpg"], ["a.mask.png", "b.mask.png"])


def test_in_shards(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    with tarfile.open(tmp_path / "shards" / "0.tar", "w") as archive:
        archive.add(folder, ".")
    catalog = Catalog.open(tmp_path / "shards")
    assert names(catalog) == [f"0.tar/./{name}" for name in PHOTOS]
    assert masks(catalog) == [f"0.tar/./{name}" for name in MASKS]


def test_in_an_index_that_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos and masks may have come and gone since."""
    with monkeypatch.context() as before:
        before.setattr("data.scan.why_no_photo", lambda root, name: None)
        Catalog.scanned(folder).save(folder / INDEX_NAME)
    known = Catalog.from_index(folder / INDEX_NAME)
    assert len(known) == len(PHOTOS) + len(MASKS)
    (folder / "a.jpg").unlink()
    Image.new("RGB", (40, 48)).save(folder / "lone.jpg")
    again = Catalog.scanned(folder, known=known)
    assert names(again) == ["a.mask.png", "b.PNG", "below/c.jpeg", "lone.jpg"]
    assert masks(again) == ["b.mask.png", "below/c.mask.jpg", "lone.mask.png"]
    assert examine_file(folder, "b.mask.png").reason == MASK_BESIDE


def test_completions_beside_photos_are_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    photos = ["a.jpg", "b-1.png", "lone.completed.png"]
    for name in (*photos, "a.completed.jpg", "a-2.completed.jpg", "b-1.completed.png"):
        Image.new("RGB", (40, 48)).save(tmp_path / name)
    assert names(Catalog.open(tmp_path)) == photos
    assert "3 photos left out: a-2.completed.jpg: the completion of a photo beside it" in caplog.text


def test_lamas_names(tmp_path: Path) -> None:
    """photo_mask.png, photo_mask001.png; of a photo that is there alone."""
    photos = ["a.jpg", "dog_mask.png", "mask.png", "unmasked.png"]
    masks = ["a_mask.png", "a_mask001.png", "a-mask-2.png"]
    for name in (*photos, *masks):
        Image.new("RGB", (40, 48)).save(tmp_path / name)
    catalog = Catalog.open(tmp_path)
    assert (names(catalog), sorted(photo.name for photo in catalog.bad)) == (photos, sorted(masks))
