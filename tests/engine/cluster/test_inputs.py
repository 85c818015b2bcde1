"""Several folders, files and globs, variants, and where texture may come from: of a store as of a folder."""

import glob
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.cluster.sources import Photos, Source, matches, sources_of
from engine.cluster.staging import Places
from engine.cluster.survey import survey
from engine.inference.folders.jobs import NoPhotos, find_jobs
from engine.inference.folders.mask_sources import files_for
from tests.engine.cluster.conftest import files_in, in_bucket
from tests.engine.cluster.test_todo import made_up

PATTERNS = ["*", "*.jpg", "a*", "**", "**/*.jpg", "*/*", "day/**/*.png", "**/night/*", "[aA].*", ".h*", "?.???", "x"]


def test_patterns_are_those_of_glob(tmp_path):
    made_up(tmp_path, 0, 300)
    (tmp_path / ".hidden folder").mkdir()
    (tmp_path / ".hidden folder" / "a.jpg").touch()
    files = [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()]
    for pattern in PATTERNS:
        found = glob.glob(pattern, root_dir=tmp_path, recursive=True)
        expected = {name for name in found if (tmp_path / name).is_file()}
        assert {name for name in files if matches(name.split("/"), pattern.split("/"))} == expected, pattern


@pytest.mark.parametrize("masks", [None, "masks"])
@pytest.mark.parametrize(
    "words",
    [
        ["one", "two"],
        ["one/*", "two"],
        ["one/**/*.jpg"],
        ["one/day/**"],
        ["one/*.jpg", "two/*.png"],
        ["one/a.jpg", "one/a.mask.png", "two/b.c.png", "one/ab.tif"],
        ["one/z_mask.png"],
        ["one/a.bmp", "one/day"],
        ["one", "one/a.jpg"],
    ],
)
def test_the_photos_are_those_of_folders(words, masks, tmp_path, monkeypatch):
    """Or the refusal is."""
    for seed in range(8):
        made_up(tmp_path / str(seed) / "one", seed, 40)
        made_up(tmp_path / str(seed) / "two", seed + 100, 3)
        made_up(tmp_path / str(seed) / "one" / "done", seed + 200, 9)
        made_up(tmp_path / str(seed) / "masks", seed + 300, 80)
        monkeypatch.chdir(tmp_path / str(seed))
        for name in ("one/a.jpg", "one/a.mask.png", "two/b.c.png", "one/ab.tif", "one/z_mask.png", "one/a.bmp"):
            Path(name).touch()
        compare(tuple(map(Path, words)), masks and Path(masks))


def compare(paths: tuple[Path, ...], masks: Path | None) -> None:
    out = Path("one/done")
    try:
        jobs, passed_over = find_jobs(paths, out, (masks,), variants=2)
    except ValueError as error:
        with pytest.raises(NoPhotos if isinstance(error, NoPhotos) else ValueError, match=str(error)[:12]):
            surveyed(paths, masks, out)
        return
    todo, passed, photos = surveyed(paths, masks, out)
    assert passed == passed_over
    assert {(photo.name, photo.out, photo.variant) for photo in todo} == {
        (job.name.as_posix(), job.out.relative_to(out).as_posix(), job.variant) for job in jobs
    }
    by_result = {photo.out: photo for photo in todo}
    for job in jobs:
        photo = by_result[job.out.relative_to(out).as_posix()]
        assert photos.called(photo.file) == os.path.realpath(job.photo)
        at = str(masks.resolve()) if masks else None
        named = {f"{at}/{mask}" if at else photos.called(mask) for mask in photo.masks}
        assert {str(file.resolve()) for file in files_for(masks, job)} <= named


def surveyed(paths, masks, out):
    sources = sources_of(paths)
    with survey(Places(sources, masks, out), overwrite=True, variants=2) as listing:
        return list(listing.to_do()), listing.passed_over, Photos(sources)


@pytest.mark.parametrize("words", [["one", "two"], ["two/*"], ["one/a.jpg", "two/b.jpg"], ["*/b.jpg"]])
def test_no_photo_is_its_own_result(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one/a.jpg", "two/b.jpg"):
        Path(name).parent.mkdir()
        Path(name).touch()
    with pytest.raises(ValueError, match=f"--out is {tmp_path}/two, where the photos are"):
        surveyed(tuple(map(Path, words)), None, Path("two"))


def test_files_of_a_folder_are_one_source(tmp_path):
    for name in ("a.jpg", "b.jpg", "d/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = [tmp_path / "a.jpg", tmp_path / "d" / "c.jpg", tmp_path / "b.jpg"]
    assert sources_of(tuple(files)) == (
        Source(tmp_path, files=frozenset({"a.jpg", "b.jpg"})),
        Source(tmp_path / "d", files=frozenset({"c.jpg"})),
    )


@pytest.fixture
def desk(make_photos, tmp_path):
    """Photos and masks, and folders of masks of where texture may be taken from, or not."""
    make_photos(tmp_path, 12)
    for kind in ("sample", "avoid"):
        for number, photo in enumerate(sorted(name for name in files_in(tmp_path / "photos"))):
            area_HW = np.zeros((48, 48), np.uint8)
            area_HW[:, : 24 + number] = 255
            file = (tmp_path / kind / photo).with_suffix(".png")
            file.parent.mkdir(parents=True, exist_ok=True)
            if number != 5:
                Image.fromarray(area_HW if kind == "sample" else 255 - area_HW).save(file)
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["photos", "--variants", "3"],
        ["photos", "--sample", "sample"],
        ["photos", "--avoid", "avoid", "--variants", "2"],
        ["photos", "--avoid", "avoid/p0001.png", "--sample", "sample/p0001.png"],
        ["photos/day 0", "photos/day 1", "--mask", "masks/day 0", "--variants", "2"],
        ["photos/*.jpg", "photos/day*/*", "--sample", "sample"],
        ["photos/p0001.jpg", "photos/p0002.png", "photos/day 0"],
        ["photos/p0001.jpg"],
    ],
)
def test_results_are_those_of_a_folder(words, run, server, desk, request):
    bucket = request.node.name
    server.upload(desk, bucket)

    def placed(begin):
        return [word if word.startswith("-") or word.isdecimal() else f"{begin}/{word}" for word in words]

    words += [] if "--mask" in words else ["--mask", "masks"]
    status, expected, said = run(*placed(desk), "--out", desk / "done")
    completed = expected[-1]["summary"]["completed"]
    assert completed, said
    place = in_bucket(bucket)
    remote = (*placed(place), "--out", f"{place}/done")
    told = run(*remote)
    assert (told[0], told[1][-1]) == (status, expected[-1])
    assert server.files(f"{bucket}/done") == files_in(desk / "done")
    errors = [{line["error"] for line in lines[:-1] if line["status"] == "failed"} for lines in (expected, told[1])]
    assert {error.replace(str(desk), place) for error in errors[0]} == errors[1]
    again = run(*remote)[1][-1]["summary"]
    assert (again["completed"], again["skipped"]) == (0, completed)
