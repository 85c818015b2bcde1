"""engine-infer on a bucket, without a cluster: the same results as on a folder, and no request too many."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.commands.infer_config import InferConfig
from tests.engine.cluster.conftest import files_in, in_bucket
from tests.engine.cluster.store_server import BUCKET


@pytest.mark.parametrize(("scheme", "credentials"), [("s3", "AWS4-HMAC-SHA256"), ("gs", "Bearer")])
def test_results_are_those_of_a_folder(scheme, credentials, run, server, make_photos, tmp_path):
    make_photos(tmp_path, 20)
    same = f"same by {scheme}"
    server.upload(tmp_path, same)
    local = (tmp_path / "photos", "--mask", tmp_path / "masks", "--out", tmp_path / "done")
    places = [in_bucket(f"{same}/{name}", scheme) for name in ("photos", "masks", "done")]
    remote = (places[0], "--mask", places[1], "--out", places[2])
    status, expected, _ = run(*local)
    assert (status, expected[-1]["summary"]) == (1, {"completed": 16, "copied": 0, "skipped": 0, "failed": 4})
    server.requests.clear()
    status, told, _ = run(*remote)
    assert (status, told[-1]) == (1, expected[-1])
    assert server.files(f"{same}/done") == files_in(tmp_path / "done")
    folders = {str(tmp_path / name): place for name, place in zip(("photos", "masks", "done"), places, strict=True)}
    for mine, theirs in zip(expected[:-1], told[:-1], strict=True):
        said = json.dumps({name: mine.get(name) for name in ("photo", "out", "status", "error", "warnings")})
        for folder, place in folders.items():
            said = said.replace(folder, place)
        assert json.loads(said) == {name: theirs.get(name) for name in ("photo", "out", "status", "error", "warnings")}

    photos, masks = sorted(files_in(tmp_path / "photos")), sorted(files_in(tmp_path / "masks"))
    assert sorted(server.asked("GET", f"{same}/photos")) == photos
    assert sorted(server.asked("GET", f"{same}/masks")) == masks
    assert sorted(server.asked("PUT", f"{same}/done")) == sorted(server.files(f"{same}/done"))
    assert len(server.requests) == 3 + len(photos) + len(masks) + 16, "the others are a listing of each place"

    server.requests.clear()
    assert run(*remote)[1][-1]["summary"] == {"completed": 0, "copied": 0, "skipped": 16, "failed": 4}
    assert len(server.asked("GET", f"{same}/photos")) == 4
    assert server.asked("PUT", f"{same}/done") == []
    assert server.credentials == {credentials}


@pytest.mark.parametrize("layout", ["beside", "flat", "one file", "annotations", "none", "the photos' own folder"])
def test_masks_are_found_as_in_a_folder(layout, run, server, make_photos, tmp_path):
    make_photos(tmp_path, 10)
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    more = ("--mask", "masks")
    if layout == "one file":
        more = ("--mask", "masks/p0001.png")
    elif layout == "annotations":
        shapes = [{"label": "x", "shape_type": "rectangle", "points": [[9, 9], [25, 25]]}]
        for name in ("p0001", "p0002"):
            (masks / f"{name}.png").unlink()
            document = {"shapes": shapes, "imagePath": name, "imageHeight": 48, "imageWidth": 48}
            (masks / f"{name}.json").write_text(json.dumps(document))
    elif layout in ("beside", "the photos' own folder"):
        ending = ".mask.png" if layout == "beside" else "_mask001.png"
        for mask in masks.rglob("*.png"):
            mask.rename(photos / mask.relative_to(masks).with_name(mask.stem + ending))
        more = () if layout == "beside" else ("--mask", "photos")
    elif layout == "flat":
        for mask in list(masks.rglob("*.png")):
            mask.rename(masks / mask.name)
    elif layout == "none":
        more = ("--hole", "9,9,16,16")
    server.upload(tmp_path, layout)

    def words(begin):
        return [f"{begin}/{word}" if word.partition("/")[0] in ("masks", "photos") else word for word in more]

    _, told, said = run(photos, *words(tmp_path), "--out", tmp_path / "done")
    expected = told[-1]
    assert expected.get("summary", {"completed": 0})["completed"] >= 7, said
    place = in_bucket(layout)
    assert run(f"{place}/photos", *words(place), "--out", f"{place}/done")[1][-1] == expected
    assert server.files(f"{layout}/done") == files_in(tmp_path / "done")
    if layout not in ("flat", "beside"):
        return
    # Photos of a bucket into a folder, and the other way round.
    assert run(f"{place}/photos", *words(tmp_path), "--out", tmp_path / "again")[1][-1] == expected
    assert files_in(tmp_path / "again") == files_in(tmp_path / "done")
    assert run(photos, *words(place), "--out", f"{place}/again")[1][-1] == expected
    assert server.files(f"{layout}/again") == files_in(tmp_path / "done")


def test_results_and_masks_within_the_photos_are_none(run, server, make_photos, tmp_path):
    make_photos(tmp_path, 3)
    server.upload(tmp_path / "photos", "within")
    server.upload(tmp_path / "masks", "within/masks")
    words = (in_bucket("within"), "--mask", in_bucket("within/masks"), "--out", in_bucket("within/done"))
    assert run(*words)[1][-1]["summary"]["completed"] == 3
    assert run(*words)[1][-1]["summary"] == {"completed": 0, "copied": 0, "skipped": 3, "failed": 0}
    assert run(*words, "--overwrite")[1][-1]["summary"]["completed"] == 3


def test_a_photo_that_cannot_be_written_fails_alone(run, server, make_photos, tmp_path, monkeypatch):
    from engine.cluster import stores

    monkeypatch.setattr(stores, "RETRIES", {"max_retries": 1})
    make_photos(tmp_path, 3)
    server.upload(tmp_path, "refused")
    server.fault = lambda method, path: "refuse" if method == "PUT" and "p0001" in path else None
    place = in_bucket("refused")
    words = (f"{place}/photos", "--mask", f"{place}/masks", "--out", f"{place}/done")
    status, told, _ = run(*words)
    assert (status, told[-1]["summary"]["failed"]) == (1, 1)
    (failed,) = (line for line in told[:-1] if line["status"] == "failed")
    assert failed["error"].startswith(f"{place}/done/p0001.jpg: ")
    server.fault = lambda method, path: None
    assert run(*words)[1][-1]["summary"] == {"completed": 1, "copied": 0, "skipped": 2, "failed": 0}


@pytest.mark.parametrize("option", ["--mask", "--sample", "--avoid"])
@pytest.mark.parametrize("kind", ["here", "bucket"])
def test_masks_that_are_not_there_are_told_before_any_photo_is_read(kind, option, run, server, make_photos, tmp_path):
    make_photos(tmp_path, 2)
    nowhere = tmp_path / "mistyped" if kind == "here" else in_bucket("mistyped")
    words = (tmp_path / "photos", "--missing-mask", "copy", "--out")
    status, told, said = run(*words, in_bucket("not there"), option, nowhere)
    assert (status, told) == (1, [])
    assert said == f"engine-infer: {option} is {nowhere}, and nothing is there"
    if kind == "here":
        nowhere.mkdir()
        there = in_bucket(f"there {option}")
        assert run(*words, there, "--mask", nowhere)[1][-1]["summary"]["copied"] == 2


def test_a_cluster_tells_what_is_passed_over(run, make_photos, tmp_path):
    pytest.importorskip("pyarrow")
    make_photos(tmp_path, 2)
    for name in ("a.bmp", "b.tar.gz"):
        (tmp_path / "photos" / name).touch()
    words = (tmp_path / "photos", "--mask", tmp_path / "masks", "--out", tmp_path / "done")
    told = "passed over, as compressed shards to be unpacked first: 1 .tar.gz\n"
    told += "passed over, as pictures to be converted first: 1 .bmp\n"
    assert run(*words)[2].endswith(told)
    assert run(*words, "--cluster", "local")[2].endswith(told)


def test_names_that_are_no_text_are_told_and_matter_for_photos_alone(run, server, make_photos, tmp_path):
    make_photos(tmp_path, 2)
    for name in (b"notes \xff.txt", b"\xff.mask.png", b"._\xff.jpg"):
        (tmp_path / "photos" / os.fsdecode(name)).touch()
    words = (tmp_path / "photos", "--mask", tmp_path / "masks", "--out", in_bucket("texts"))
    assert run(*words)[1][-1]["summary"]["completed"] == 2
    (tmp_path / "photos" / os.fsdecode(b"a\xff.jpg")).touch()
    status, told, said = run(*words, "--overwrite")
    assert (status, told) == (1, [])
    assert said.endswith(f"{tmp_path}/photos/a\\udcff.jpg: its name is no text in UTF-8: rename it")


def test_a_pipe_among_photos_fails_and_is_not_waited_for(run, server, make_photos, tmp_path):
    make_photos(tmp_path, 2)
    os.mkfifo(tmp_path / "photos" / "pipe.jpg")
    words = (tmp_path / "photos", "--mask", tmp_path / "masks", "--out", in_bucket("pipes"))
    status, told, _ = run(*words)
    assert (status, told[-1]["summary"]["completed"]) == (1, 2)
    (failed,) = (line for line in told[:-1] if line["status"] == "failed")
    assert failed["error"].startswith(f"{tmp_path}/photos/pipe.jpg is a pipe or a device and no file")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "s3://bucket/a"], "no photos are named: give folders, files or globs"),
        (["s3://bucket/a"], "name a place by --out"),
        (["s3://bucket/a", "--out", "s3://bucket/a/"], "where the photos are; name a place of its own"),
        (["s3://bucket/a.jpg", "--out", "x"], "there is no photo or folder at s3://bucket/a.jpg"),
        (["s3://bucket/*.jpg", "--out", "x"], "there are no photos in s3://bucket; looked for .jpg"),
        (["s3://*/a.jpg", "--out", "x"], "names no bucket"),
        (["s3://bucket/a", "--out", "x.jpg"], "--out is x.jpg, the name of one file"),
        (["s3://bucket/empty", "--out", "x"], "there are no photos in s3://bucket/empty; looked for .jpg"),
        (["s3://bucket/a", "--out", "x", "--save-mask", "y.png"], "--save-mask is for photos on disk"),
        (["s3://", "--out", "x"], "no photo or folder at s3:"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(words, said, run, server):
    status, _, told = run(*words)
    assert status == 1
    assert said in told


@pytest.mark.parametrize(("words", "said"), [({"retry_failed": True}, "give --cluster"), ({"actors": 0}, "at least 1")])
def test_options_of_a_cluster_are_checked(words, said):
    with pytest.raises(ValueError, match=said):
        InferConfig(photos=(Path("photos"),), **words)


def test_a_mask_for_all_that_is_missing_ends_it(run, server, make_photos, tmp_path):
    make_photos(tmp_path, 1)
    server.upload(tmp_path, "nomask")
    words = (in_bucket("nomask/photos"), "--mask", in_bucket("nomask/m.png"), "--out", tmp_path / "done")
    assert run(*words)[2] == f"engine-infer: there is nothing at {in_bucket('nomask/m.png')}"
    assert not (tmp_path / "done").exists()


def test_a_photo_whose_name_leads_elsewhere_is_not_written_there(run, server, tmp_path):
    picture = tmp_path / "x.png"
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(picture)
    server.client.put_object(Bucket=BUCKET, Key="leads/photos/../../x.png", Body=picture.read_bytes())
    status, _, told = run(in_bucket("leads/photos"), "--hole", "2,2,3,3", "--out", tmp_path / "done")
    assert status == 1
    assert "invalid path" in told
