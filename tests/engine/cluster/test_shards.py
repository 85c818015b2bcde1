"""engine-infer on tar shards: the photos that a folder of them would give, in shards of the same names, or failures."""

import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import webdataset

from engine.cluster.shard_list import names_of, shards_named
from engine.cluster.staging import bring
from engine.cluster.stores import Folder
from engine.cluster.tars import Tar
from engine.commands import infer
from engine.commands.infer_config import InferConfig
from tests.engine.cluster.conftest import files_in
from tests.engine.cluster.running import below, called, end, ended, environment, is_running, place, rows, wait_for
from tests.engine.cluster.store_server import BUCKET

SIZE = 5
"""Photos in a shard."""


@pytest.fixture(scope="module")
def desk(make_photos, tmp_path_factory):
    """20 photos with masks beside them in the folder `photos`, and in four shards; two are broken, two have no mask."""
    folder = tmp_path_factory.mktemp("desk")
    make_photos(folder, 20)
    for mask in (folder / "masks").rglob("*.png"):
        beside = folder / "photos" / mask.relative_to(folder / "masks")
        mask.rename(beside.with_name(f"{mask.stem}.mask.png"))
    photos = [name for name in files_in(folder / "photos") if ".mask." not in name]
    for number in range(4):
        write_shard(folder, f"part-{number}.tar", photos[number * SIZE : (number + 1) * SIZE])
    return folder


@pytest.fixture(scope="module")
def expected(desk, weights):
    """What the results' shards hold, by their names: (name, file) in order, of the results for the folder."""
    words = [desk / "photos", "--out", desk / "of folder", "--weights", weights]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["engine-infer", *map(str, words)])
        with pytest.raises(SystemExit):
            infer.main()
    of_folder = files_in(desk / "of folder")
    assert len(of_folder) == 16
    shards = {shard.name: [name for name, _ in members(shard.read_bytes())] for shard in (desk / "shards").iterdir()}
    return {shard: [(name, of_folder[name]) for name in names if name in of_folder] for shard, names in shards.items()}


def write_shard(desk, shard, photos):
    """A shard of these photos and their masks, in an order that is not that of their names."""
    (desk / "shards").mkdir(exist_ok=True)
    with tarfile.open(desk / "shards" / shard, "w") as archive:
        for photo in reversed(photos):
            file = desk / "photos" / photo
            archive.add(file, photo)
            mask = file.with_name(f"{file.stem}.mask.png")
            if mask.exists():
                archive.add(mask, mask.relative_to(desk / "photos").as_posix())


def shard_of(*files):
    """A tar file of names and contents."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


def members(shard):
    with tarfile.open(fileobj=io.BytesIO(shard)) as archive:
        return [(member.name, archive.extractfile(member).read()) for member in archive]


def all_members(files):
    return {name: members(content) for name, content in files.items()}


def failed(told):
    return {line["photo"]: line["error"] for line in told if line.get("status") == "failed"}


def test_shards_hold_what_a_folder_gives(run, desk, expected, tmp_path):
    status, told, _ = run(desk / "shards", "--out", tmp_path / "done")
    assert (status, told[-1]["summary"]) == (1, {"completed": 16, "copied": 0, "skipped": 0, "failed": 4})
    assert all_members(files_in(tmp_path / "done")) == expected
    for photo, error in failed(told).items():
        assert photo.startswith(f"{desk / 'shards'}/part-")
        assert photo in error or "no mask for" in error, error
        assert "engine-staging" not in error
    # One of them alone, and with other times and owners: equal to the last byte.
    again = tmp_path / "again"
    again.mkdir()
    (again / "part-1.tar").write_bytes(shard_of(*members((desk / "shards" / "part-1.tar").read_bytes())))
    run(again / "part-1.tar", "--out", tmp_path / "one")
    assert files_in(tmp_path / "one") == {"part-1.tar": (tmp_path / "done" / "part-1.tar").read_bytes()}
    # WebDataset reads them.
    samples = list(webdataset.WebDataset(str(tmp_path / "done" / "part-1.tar"), shardshuffle=False))
    assert [
        (f"{sample['__key__']}.{kind}", sample[kind]) for sample in samples for kind in sample if kind in ("jpg", "png")
    ] == expected["part-1.tar"]


def test_what_is_there_is_left_alone(run, desk, expected, tmp_path):
    shards, done = desk / "shards", tmp_path / "done"
    run(shards / "part-[01].tar", "--out", done)
    assert sorted(files_in(done)) == ["part-0.tar", "part-1.tar"]
    there = {file: file.stat().st_mtime_ns for file in done.iterdir()}
    assert run(shards, "--out", done)[1][-1]["summary"]["skipped"] == 2
    assert all_members(files_in(done)) == expected
    assert run(shards, "--out", done)[1] == [{"summary": {"completed": 0, "copied": 0, "skipped": 4, "failed": 0}}]
    assert {file: file.stat().st_mtime_ns for file in there} == there
    assert run(shards, "--out", done, "--overwrite")[1][-1]["summary"]["completed"] == 16


def test_what_failed_is_completed_once_it_is_mended(run, desk, expected, tmp_path):
    """It alone, and it comes to its place."""
    shutil.copytree(desk / "shards", tmp_path / "shards")
    shards, done = tmp_path / "shards", tmp_path / "done"
    _, told, _ = run(shards, "--out", done)
    broken = next(photo for photo, error in failed(told).items() if "no mask for" not in error)
    shard, photo = (shards / broken.removeprefix(f"{shards}/")[: len("part-0.tar")]), broken.partition(".tar/")[2]
    files = [(name, content) for name, content in members(shard.read_bytes()) if name != photo]
    shard.write_bytes(shard_of(*files[:3], (photo, (desk / "photos" / "p0001.jpg").read_bytes()), *files[3:]))
    before = files_in(done)
    assert run(shards, "--out", done)[1][-1]["summary"]["completed"] == 0
    status, told, _ = run(shards / "*.tar", "--out", done, "--retry-failed")
    assert (status, told[-1]["summary"]["completed"], len(failed(told))) == (1, 1, 3)
    assert [line["photo"] for line in told[:-1] if line["status"] == "completed"] == [broken]
    after = files_in(done)
    assert {name for name in after if after[name] != before[name]} == {shard.name}
    run(shard, "--out", tmp_path / "anew")
    assert files_in(tmp_path / "anew") == {shard.name: after[shard.name]}


def test_a_bucket_gives_the_same(run, server, desk, expected, tmp_path):
    server.upload(desk / "shards", "bucket of shards/in")
    here, there = place("bucket of shards/in"), place("bucket of shards/done")
    run(desk / "shards", "--out", tmp_path / "done")
    server.requests.clear()
    faults = {1: "break off", 3: "refuse", 5: "lose"}
    server.fault = lambda method, path: faults.get(len(server.requests))
    status, told, _ = run(f"{here}/*.tar", "--out", there)
    assert (status, told[-1]["summary"]) == (1, {"completed": 16, "copied": 0, "skipped": 0, "failed": 4})
    assert server.files("bucket of shards/done") == files_in(tmp_path / "done")
    for photo, error in failed(told).items():
        assert photo.startswith(f"{here}/part-")
        assert photo in error or "no mask for" in error, error
        assert str(tmp_path) not in error
        assert "engine-staging" not in error
    assert sorted(set(server.asked("GET", "bucket of shards/in"))) == [f"part-{number}.tar" for number in range(4)]
    server.fault = lambda method, path: None
    server.requests.clear()
    assert run(here, "--out", there)[1][-1]["summary"]["skipped"] == 4
    assert {path for _, path in server.requests} == {f"/{BUCKET}"}, "listings alone"
    server.client.delete_object(Bucket=BUCKET, Key="bucket of shards/done/part-2.tar")
    run(f"{here}/part-2.tar", "--out", there)
    assert server.files("bucket of shards/done") == files_in(tmp_path / "done")


def test_a_large_result_is_put_in_parts(run, server, desk, tmp_path, monkeypatch):
    """Of which none is an object of its own, whatever is lost on the way."""
    from engine.cluster import stores

    content = os.urandom(1 << 20)
    monkeypatch.setattr(stores, "PART", 5 << 20)
    monkeypatch.setattr(stores, "RETRIES", {"max_retries": 1})
    store, file = stores.open_store(Path(place("parts"))), io.BytesIO(content * 12)
    server.fault = lambda method, path: "lose" if method == "PUT" and len(server.requests) > 3 else None
    with pytest.raises(OSError, match=r"parts/x\.tar"):
        store.upload("x.tar", file)
    assert server.files("parts") == {}
    server.fault = lambda method, path: "lose" if len(server.requests) % 3 == 0 else None
    file.seek(0)
    store.upload("x.tar", file)
    store.download("x.tar", tmp_path / "x.tar")
    assert (tmp_path / "x.tar").read_bytes() == content * 12


PHOTO, MASK = "p0001.jpg", "p0001.mask.png"


@pytest.fixture
def good(desk):
    """A photo and its mask."""
    return (desk / "photos" / PHOTO).read_bytes(), (desk / "photos" / MASK).read_bytes()


def test_a_photo_that_cannot_be_completed_fails_alone(run, good, tmp_path, caplog):
    photo, mask = good
    long = "long/" * 30 + "x" * 200 + ".jpg"
    files = [
        ("./a/dot.jpg", photo),
        ("./a/dot.mask.png", mask),
        ("no mask.jpg", photo),
        ("broken.jpg", photo[:99]),
        ("broken.mask.png", mask),
        ("twice.jpg", photo),
        ("twice.mask.png", mask),
        ("twice.jpg", photo),
        ("one.mask.png", mask),
        ("one.jpg", photo),
        ("one.png", photo),
        ("../up.jpg", photo),
        ("../up.mask.png", mask),
        ("/root.jpg", photo),
        ("a/../b.jpg", photo),
        ("b\udcff.jpg", photo),
        (long, photo),
        (long.replace(".jpg", ".mask.png"), mask),
        ("y" * 300 + ".jpg", photo),
        ("caption.txt", b"a photo"),
        ("other.bmp", b"BM"),
        ("ü #1?.webp", photo),
        ("ü #1?.mask.png", mask),
    ]
    (tmp_path / "shards" / "in").mkdir(parents=True)
    (tmp_path / "shards" / "in" / "x.tar").write_bytes(shard_of(*files))
    before = set(tmp_path.rglob("*"))
    status, told, _ = run(tmp_path / "shards", "--out", tmp_path / "done")
    assert status == 1
    assert set(tmp_path.rglob("*")) - before == {
        tmp_path / "done",
        tmp_path / "done" / "in",
        tmp_path / "done" / "in" / "x.tar",
    }
    (result,) = all_members(files_in(tmp_path / "done")).values()
    assert [name for name, _ in result] == ["./a/dot.jpg", "one.jpg", "one.png", long, "ü #1?.webp"]
    assert result[0][1] == result[1][1] == result[3][1]
    begin = f"{tmp_path}/shards/in/x.tar/"
    errors = {photo.removeprefix(begin): error for photo, error in failed(told).items()}
    unsafe = "with //, . or .. in it, or / at its beginning, may lead elsewhere: rename it"
    assert errors.pop("y" * 300 + ".jpg").startswith("[Errno 36] File name too long")
    assert errors.keys() == {photo for photo in errors if errors[photo].count(photo) == 1}
    for photo, said_of_it in {
        "no mask.jpg": "no mask for",
        "broken.jpg": "broken.jpg",
        "twice.jpg": "is there twice",
        "../up.jpg": unsafe,
        "/root.jpg": unsafe,
        "a/../b.jpg": unsafe,
        "b\\udcff.jpg": "its name is no text in UTF-8",
    }.items():
        assert said_of_it in errors.pop(photo)
    assert errors == {}
    assert "in/x.tar: passed over, as pictures to be converted first: 1 .bmp" in caplog.text


def test_a_shard_that_is_not_whole_fails_and_nothing_is_written(run, good, tmp_path):
    whole = shard_of((PHOTO, good[0]), (MASK, good[1]))
    ends = whole.index(bytes(1024), whole.index(MASK.encode()) + 600) // 512 * 512 + 512
    shards = {
        "cut.tar": whole[:1500],
        "cut at a member.tar": whole[:ends],
        "cut in a header.tar": whole[: whole.index(MASK.encode()) + 100],
        "damaged.tar": whole[:ends] + b"x" * 512 + whole[ends:],
        "joined.tar": whole * 2,
        "no tar.tar": good[0] * 9,
        "empty.tar": b"",
        "no members.tar": shard_of(),
        "no photos.tar": shard_of((MASK, good[1]), ("a.txt", b"")),
        "nothing good.tar": shard_of((PHOTO, good[0])),
        "good.tar": whole,
    }
    (tmp_path / "shards").mkdir()
    for name, content in shards.items():
        (tmp_path / "shards" / name).write_bytes(content)
    shards["a pipe.tar"] = b""
    os.mkfifo(tmp_path / "shards" / "a pipe.tar")
    status, told, _ = run(tmp_path / "shards", "--out", tmp_path / "done")
    assert (status, told[-1]["summary"]["completed"]) == (1, 1)
    assert list(files_in(tmp_path / "done")) == ["good.tar"]
    assert {path.name for path in tmp_path.iterdir()} == {"shards", "done"}
    errors = {Path(photo).name: error for photo, error in failed(told).items() if photo.endswith(".tar")}
    assert errors.keys() == shards.keys() - {"good.tar"}
    for name, error in errors.items():
        assert error.endswith(f" ({tmp_path}/done/{name} is not written)"), error
    said = {
        "cut.tar": "no whole tar file (unexpected end of data)",
        "cut at a member.tar": "cut short at byte",
        "cut in a header.tar": "damaged at byte",
        "damaged.tar": f"damaged at byte {ends}, or another is joined to it by cat",
        "joined.tar": "or another is joined to it by cat",
        "no tar.tar": "no whole tar file (",
        "a pipe.tar": "a folder, a pipe or a device, and no tar file",
        "empty.tar": "no whole tar file (empty file)",
        "no members.tar": "there are no photos in",
        "no photos.tar": "there are no photos in",
        "nothing good.tar": "not one of its photos could be completed",
    }
    assert {name: error for name, error in errors.items() if said[name] not in error} == {}


@pytest.mark.parametrize("where", ["here", "bucket"])
def test_errors_name_the_files_that_are_meant(where, run, server, good, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.tar").write_bytes(shard_of((PHOTO, good[0])))
    (tmp_path / "m.jpg").write_bytes(good[0][:99])
    (tmp_path / "full" / "x.tar").mkdir(parents=True)
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "x.tar").write_bytes(shard_of((PHOTO, good[0]))[:1500])
    server.upload(tmp_path, f"named/{where}")
    begin = tmp_path if where == "here" else place(f"named/{where}")
    words = (f"{begin}/in/x.tar", "--out")
    _, told, _ = run(*words, f"{begin}/done", "--mask", f"{begin}/m.jpg")
    assert told[0]["error"].startswith(f"cannot read the mask {begin}/m.jpg: ")
    _, told, _ = run(*words, f"{begin}/torn", "--mask", f"{begin}/m.jpg", "--retry-failed")
    assert told[0]["error"].startswith("the result that is there is not whole (no whole tar file")
    assert told[0]["error"].endswith(f"--overwrite makes it again ({begin}/torn/x.tar is not written)")
    if where == "here":
        _, told, _ = run(*words, f"{begin}/full", "--hole", "9,9,16,16", "--overwrite")
        assert told[-2]["error"].startswith(f"cannot write {begin}/full/x.tar: Is a directory; give another --out")


@pytest.mark.parametrize("kind", ["one for all", "rectangle", "annotations", "links"])
def test_masks_are_found_as_in_a_folder(kind, run, good, tmp_path):
    photo, mask = good
    (tmp_path / "photos").mkdir()
    (tmp_path / "shards").mkdir()
    (tmp_path / "m.png").write_bytes(mask)
    shapes = [{"label": "x", "shape_type": "rectangle", "points": [[9, 9], [25, 25]]}]
    annotations = {"shapes": shapes, "imagePath": "a.jpg", "imageHeight": 48, "imageWidth": 48}
    files = {"a.jpg": photo, "d/b.jpg": photo}
    words = {"one for all": ("--mask", tmp_path / "m.png"), "rectangle": ("--hole", "9,9,16,16")}.get(kind, ())
    if kind == "annotations":
        files |= dict.fromkeys(("a.json", "d/b.json"), json.dumps(annotations).encode())
    if kind == "links":
        files["a.mask.png"] = mask
    for name, content in files.items():
        (tmp_path / "photos" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(content)
    if kind == "links":
        (tmp_path / "photos" / "d" / "b.mask.png").symlink_to("../a.mask.png")
        (tmp_path / "photos" / "c.jpg").hardlink_to(tmp_path / "photos" / "d" / "b.jpg")
        (tmp_path / "photos" / "c.mask.png").hardlink_to(tmp_path / "photos" / "a.mask.png")
        (tmp_path / "photos" / "e.jpg").symlink_to("/etc/hostname")
    subprocess.run(["tar", "-cf", tmp_path / "shards" / "x.tar", "-C", tmp_path / "photos", "."], check=True)
    own = ("--mask", tmp_path / "photos") if kind == "annotations" else words
    _, expected, said = run(tmp_path / "photos", *own, "--out", tmp_path / "of folder")
    own = ("--mask", tmp_path / "shards") if kind == "annotations" else words
    _, told, said_here = run(tmp_path / "shards", *own, "--out", tmp_path / "done")
    assert expected[-1]["summary"]["completed"] >= 2, said
    assert told[-1] == expected[-1], said_here
    (result,) = all_members(files_in(tmp_path / "done")).values()
    assert {name.removeprefix("./"): content for name, content in result} == files_in(tmp_path / "of folder")


def test_a_shard_that_is_replaced_is_read_again_or_refused(good, tmp_path):
    file, other = tmp_path / "x.tar", tmp_path / "other.tar"
    file.write_bytes(shard_of(("a.jpg", good[0]), ("b.jpg", good[1])))
    other.write_bytes(shard_of(("b.jpg", good[1]), ("a.jpg", good[0])))
    os.utime(other, ns=(file.stat().st_mtime_ns, file.stat().st_mtime_ns))
    tar = Tar(file)
    assert (tar.read("a.jpg"), tar.read("b.jpg")) == good
    other.rename(file)
    with pytest.raises(OSError, match="has changed while it was read"):
        tar.read("a.jpg")
    assert (Tar(file).read("a.jpg"), Tar(file).read("b.jpg")) == good


def test_a_photo_for_which_there_is_no_room_is_told_so(good, tmp_path):
    (tmp_path / "x.tar").write_bytes(shard_of(("a.jpg", good[0])))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (99, before[1]))
    try:
        with pytest.raises(OSError, match=r"x\.tar/a\.jpg cannot be brought to .* make room there, or name another"):
            bring(Tar(tmp_path / "x.tar"), "a.jpg", tmp_path / "a.jpg")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_shards_among_photos_are_told_and_left(run, desk, good, tmp_path):
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "x.jpg").write_bytes(good[0])
    shutil.copy(desk / "shards" / "part-0.tar", tmp_path / "mixed")
    said = run(tmp_path / "mixed", "--hole", "9,9,16,16", "--out", tmp_path / "done")[2]
    assert list(files_in(tmp_path / "done")) == ["x.jpg"]
    assert "passed over: 1 shard(s) among the photos, to be completed as FOLDER/*.tar" in said
    run(tmp_path / "mixed" / "*.tar", "--out", tmp_path / "done")
    assert sorted(files_in(tmp_path / "done")) == ["part-0.tar", "x.jpg"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shards"], "results of shards are not written beside these: name a place by --out"),
        (["shards", "--out", "shards"], "where the shards are; name a place of its own"),
        (["shards", "--out", "done.tar"], "--out is done.tar, and shards are written under their own names"),
        (["shards", "--out", "done", "--save-mask", "x.png"], "--save-mask is for photos that are files"),
        (["shards", "--out", "done", "--variants", "2"], "--variants is for photos that are files"),
        (["shards", "--out", "done", "--sample", "x.png"], "--sample is for photos that are files"),
        (
            ["shards", "--out", "done", "--mask", "masks"],
            "masks, and masks for photos in shards are one file",
        ),
        (["shards", "--out", "done", "--mask", "m.png"], "--mask is m.png, and nothing is there"),
        (["shards/part-0.tar", "a.jpg", "--out", "done"], "shards (.tar) and others are named together"),
        (["shards/part-0.tar", "x/part-1.tar", "--out", "done"], "shards of several folders are named"),
        (["shards/x.tar.gz", "shards/part-0.tar", "--out", "done"], "shards/x.tar.gz is a compressed tar file"),
        (
            ["shards/", "shards/../shards", "--out", "done"],
            "passed over: 8 shard(s) among the photos, to be completed as",
        ),
        (["packed/", "--out", "done"], "passed over, as compressed shards to be unpacked first: 1 .tar.gz, 1 .tgz"),
        (["packed/", "--out", "s3://bucket/done"], "as compressed shards to be unpacked first: 1 .tar.gz, 1 .tgz"),
        (["shards/no*.tar", "--out", "done"], "there are no shards (.tar) in "),
    ],
)
def test_what_cannot_be_is_told_in_a_line(words, said, run, server, desk, monkeypatch):
    monkeypatch.chdir(desk)
    (desk / "masks").mkdir(exist_ok=True)
    (desk / "packed").mkdir(exist_ok=True)
    for name in ("x.tar.gz", "Y.TGZ"):
        (desk / "packed" / name).touch()
    before = set(desk.rglob("*"))
    status, told, error = run(*words)
    assert (status, told) == (1, [])
    assert said in error
    assert len(error.splitlines()) == 1
    assert set(desk.rglob("*")) == before


def test_a_shard_that_is_not_there_fails(run, tmp_path):
    status, told, _ = run(tmp_path / "x.tar", "--out", tmp_path / "done")
    assert status == 1
    assert "No such file or directory" in told[0]["error"]
    assert list(tmp_path.iterdir()) == []


def test_what_failed_is_looked_for_in_shards_that_are_named():
    assert InferConfig(photos=(Path("shards/*.tar"),), retry_failed=True)
    with pytest.raises(ValueError, match="also for shards that are named"):
        InferConfig(photos=(Path("shards"),), retry_failed=True)


def test_shards_are_named_by_files_and_globs(tmp_path, monkeypatch):
    assert shards_named((Path("s3://b/d/x-*.tar"), Path("s3://b/d/y.tar"))) == (
        Path("s3://b/d"),
        frozenset({"y.tar"}),
        ("x-*.tar",),
    )
    assert shards_named((Path("s3://b/d [1]/x.tar"),)) == (Path("s3://b/d [1]"), frozenset({"x.tar"}), ())
    assert shards_named((Path("d*/x.tar"),)) == (Path(), frozenset(), ("d*/x.tar",))
    assert shards_named((Path("d"), Path("x.jpg"))) is None
    monkeypatch.chdir(tmp_path)
    for name in ("[1]/x[1].tar", "[1]/x1.tar", "d/x-1.tar", "d/e/x-1.tar", "d/.x-1.tar", "y.tar", "e/x-1.tar"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def found(*paths):
        named = shards_named(tuple(map(Path, paths)))
        return sorted({(named.folder / name).as_posix() for name in names_of(Folder(named.folder), named, None)})

    assert found("[1]/x[1].tar", "[1]/x[1].tar", "./[1]/x[1].tar") == ["[1]/x[1].tar"]
    assert found("[12]/x?.tar") == []
    assert found("d/*.tar") == ["d/x-1.tar"]
    assert found("*/x-*.tar") == ["d/x-1.tar", "e/x-1.tar"]
    assert found("d/**/*.tar") == ["d/e/x-1.tar", "d/x-1.tar"]
    assert found("y*.tar", "missing.tar", "y.tar") == ["missing.tar", "y.tar"]


@contextmanager
def started(server, home, *words):
    """engine-infer with these words in a process of its own; killed at the end of the block, if it runs on."""
    command = [sys.executable, "-c", "from engine.commands.start import infer; infer()", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment(server, home), **pipes) as process:
        try:
            yield process
        finally:
            for pid in [*below(process.pid), process.pid]:
                end(pid)


@pytest.mark.slow
def test_what_is_killed_leaves_no_part_of_a_shard(run, server, desk, weights, tmp_path):
    photos = [file for shard in sorted((desk / "shards").iterdir()) for file in members(shard.read_bytes())]
    (tmp_path / "shards").mkdir()
    for shard in ("a.tar", "b.tar"):
        files = [(f"{number}/{name}", content) for number in range(4) for name, content in photos]
        (tmp_path / "shards" / shard).write_bytes(shard_of(*files))
    run(tmp_path / "shards", "--out", tmp_path / "whole")
    done, words = tmp_path / "done", (tmp_path / "shards", "--out", tmp_path / "done", "--weights", weights)
    for finished in (0, 1):
        with started(server, tmp_path, *words) as process:
            wait_for(lambda finished=finished: len(list(done.glob("*.tar"))) == finished and list(done.glob(".*.tmp")))
            end(process.pid)
            process.wait()
        assert list(done.glob(".*.tmp"))
        assert files_in(done).items() >= {file.name: file.read_bytes() for file in done.glob("*.tar")}.items()
    assert run(*words)[1][-1]["summary"] == {"completed": 64, "copied": 0, "skipped": 1, "failed": 16}
    assert files_in(done) == files_in(tmp_path / "whole")


@pytest.mark.slow
def test_a_cluster_whatever_is_killed(run, server, desk, weights, tmp_path):
    """The command, and the process that has a certain shard; and another shard cannot be written."""
    pytest.importorskip("ray")
    server.upload(desk / "shards", "cluster/in")
    run(desk / "shards", "--out", tmp_path / "whole")
    whole, done, here = files_in(tmp_path / "whole"), tmp_path / "done", place("cluster/in")
    words = (f"{here}/*.tar", "--out", done, "--weights", weights, "--cluster", "local", "--actors", 1)
    with started(server, tmp_path, *words) as process:
        wait_for(lambda: (done / "part-0.tar").exists(), process)
        processes = below(process.pid)
        end(process.pid)
        process.wait()
        wait_for(lambda: not any(map(is_running, processes)))
    first = {file.name: file.read_bytes() for file in done.glob("*.tar")}
    assert first.items() <= whole.items()
    for shard in ("part-1.tar", "part-2.tar", "part-3.tar"):
        (done / shard).unlink(missing_ok=True)
    (done / "part-2.tar").mkdir()

    ended_once: list[int] = []
    with started(server, tmp_path, *words) as process:

        def ends_it(method, path):
            if path.endswith("/part-1.tar") and not ended_once:
                ended_once.extend(called(below(process.pid), "ray::Worker"))
                for pid in ended_once:
                    end(pid)

        server.fault = ends_it
        status, told, said = ended(process)
    assert status == 1
    assert "3 of 4 shards are to be completed" in said
    assert ended_once
    server.fault = lambda method, path: None
    (done / "part-2.tar").rmdir()
    assert files_in(done) == {name: whole[name] for name in ("part-0.tar", "part-1.tar", "part-3.tar")}
    found = {row["photo"].removeprefix(f"{here}/"): row for row in rows(done)}
    assert len(found) == len(rows(done))
    assert found["part-2.tar"]["error"].endswith(f"({done}/part-2.tar is not written)")
    completed = {name for name, row in found.items() if row["status"] == "completed"}
    assert completed == {f"part-{n}.tar/{name}" for n in (1, 3) for name, _ in members(whole[f"part-{n}.tar"])}
    assert told["summary"] == {
        "completed": len(completed),
        "copied": 0,
        "skipped": 1,
        "failed": len(found) - len(completed),
    }
    with started(server, tmp_path, *words, "--retry-failed") as process:
        _, told, _ = ended(process)
    assert files_in(done) == whole
    assert told["summary"]["completed"] == len(members(whole["part-2.tar"]))
