"""Catalogs of folders, shards and index files."""

import errno
import io
import os
import pickle
import resource
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from data.catalog import INDEX_NAME, Catalog
from data.checking import undecodable
from data.entries import OWN_FILE, Entry, columns_of, joined, without
from data.headers import Unusable
from data.lists import read_list
from data.scan import walk
from tests.data.made_photos import encoded, scene, with_orientation, write_photos


def same(first: Catalog, second: Catalog) -> bool:
    return (
        first.columns.keys() == second.columns.keys()
        and all(np.array_equal(first.columns[key], second.columns[key]) for key in first.columns)
        and (first.shards, first.bad) == (second.shards, second.bad)
    )


def test_a_folder_of_any_depth(photo_folder: Path) -> None:
    catalog = Catalog.open(photo_folder)
    files = sorted(path for path in photo_folder.rglob("*") if path.is_file())
    assert [catalog.name(i) for i in range(len(catalog))] == [str(path.relative_to(photo_folder)) for path in files]
    for i, path in enumerate(files):
        assert catalog.read(i) == path.read_bytes()
        assert catalog.size(i) == ImageOps.exif_transpose(Image.open(path)).size
        assert catalog.stored_size(i) == Image.open(path).size


def test_shards_hold_what_the_files_held(photo_folder: Path, tmp_path: Path) -> None:
    files = Catalog.open(photo_folder)
    long_folder = "very-long-folder-name-" * 8  # beyond the 100 characters of a plain tar header
    for number, photos in enumerate(np.array_split(np.arange(len(files)), 3)):
        with tarfile.open(tmp_path / f"{number}.tar", "w") as archive:
            for i in photos.tolist():
                archive.add(photo_folder / files.name(i), f"{long_folder}/{files.name(i)}")
    shards = Catalog.open(tmp_path)
    assert len(shards) == len(files)
    for i in range(len(files)):
        assert shards.read(i) == files.read(i)
        assert shards.size(i) == files.size(i)
        assert shards.name(i).endswith(files.name(i))
        assert ".tar/" in shards.name(i)


def test_an_index_is_the_catalog_and_travels_as_a_path(photo_folder: Path, tmp_path: Path) -> None:
    catalog = Catalog.open(photo_folder)
    catalog.save(tmp_path / "elsewhere.index")
    opened = Catalog.open(tmp_path / "elsewhere.index")
    assert same(catalog, opened)
    assert opened.root == photo_folder.resolve()
    sent = pickle.dumps(opened)
    assert len(sent) < 2000
    assert same(pickle.loads(sent), opened)
    assert pickle.loads(sent).read(3) == catalog.read(3)
    assert same(pickle.loads(pickle.dumps(catalog)), catalog)


def test_an_index_in_its_folder_moves_with_it(tmp_path: Path) -> None:
    write_photos(tmp_path / "before", 3)
    catalog = Catalog.open(tmp_path / "before")
    catalog.save(tmp_path / "before" / INDEX_NAME)
    (tmp_path / "before").rename(tmp_path / "after")
    moved = Catalog.open(tmp_path / "after")
    assert moved.index is not None
    assert moved.read(2) == (tmp_path / "after" / moved.name(2)).read_bytes()


def test_a_second_scan_reads_only_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photos(tmp_path, 8)
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    with tarfile.open(tmp_path / "m.tar", "w") as archive:
        archive.add(tmp_path / "0" / "00000.jpg", "a.jpg")
        archive.add(tmp_path / "broken.jpg", "b.jpg")
    time.sleep(0.05)  # what was written in the last moment before a scan is read again
    first = Catalog.scanned(tmp_path)
    (tmp_path / "0" / "00000.jpg").unlink()
    (tmp_path / "1" / "00001.jpg").write_bytes(encoded(scene(0, 99, 77)))
    os.utime(tmp_path / "1" / "00001.jpg", ns=(1, 1))
    (tmp_path / "0" / "a-new.jpg").write_bytes(encoded(scene(0, 55, 66)))
    read: list[str] = []
    from data import scan

    examine = scan._examine

    def counted(descriptor: int, place: Entry) -> scan.Found:
        read.append(place.name)
        return examine(descriptor, place)

    monkeypatch.setattr(scan, "_examine", counted)
    again = Catalog.scanned(tmp_path, known=first)
    assert sorted(read) == ["0/a-new.jpg", "1/00001.jpg"]
    assert same(again, Catalog.scanned(tmp_path))
    assert len(again.bad) == 2


@pytest.mark.parametrize("through_index", [False, True])
def test_a_second_scan_sees_what_keeps_its_time_of_change(tmp_path: Path, through_index: bool) -> None:
    """As cp -p and rsync -t do, which is how damaged photos are brought again."""
    write_photos(tmp_path / "set", 4)
    first, second, third, damaged = sorted((tmp_path / "set").rglob("*.jpg"))
    whole = damaged.read_bytes()
    damaged.write_bytes(b"\0" * len(whole))
    shard = tmp_path / "set" / "m.tar"
    with tarfile.open(shard, "w") as archive:
        archive.add(first, "a.jpg")
    before = Catalog.scanned(tmp_path / "set")
    if through_index:
        before.save(tmp_path / "set" / INDEX_NAME)
        before = Catalog.from_index(tmp_path / "set" / INDEX_NAME)

    def replace(path: Path, content: bytes) -> None:
        modified = path.stat().st_mtime_ns
        path.write_bytes(content)
        os.utime(path, ns=(modified, modified))

    replace(damaged, whole)
    replace(second, encoded(scene(0, 99, 77)))
    replace(third, b"\0" * third.stat().st_size)
    with tarfile.open(tmp_path / "other.tar", "w") as archive:
        archive.add(first, "b.jpg")
        archive.add(damaged, "c.jpg")
    replace(shard, (tmp_path / "other.tar").read_bytes())
    again = Catalog.scanned(tmp_path / "set", known=before)
    assert same(again, Catalog.scanned(tmp_path / "set"))
    assert [photo.name for photo in again.bad] == [str(third.relative_to(tmp_path / "set"))]
    assert again.name(len(again) - 1) == "m.tar/c.jpg"


def test_a_second_scan_still_knows_what_is_wrong_with_a_cut_shard(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 2)
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    (tmp_path / "set").mkdir()
    with tarfile.open(tmp_path / "set" / "cut.tar", "w") as archive:
        archive.add(tmp_path / "broken.jpg", "broken.jpg")
        archive.add(tmp_path / "photos" / "0" / "00000.jpg", "a.jpg")
        archive.add(tmp_path / "photos" / "1" / "00001.jpg", "b.jpg")
        last = archive.getmembers()[-1]
    os.truncate(tmp_path / "set" / "cut.tar", last.offset_data + last.size // 2)
    first = Catalog.scanned(tmp_path / "set")
    assert [photo.name for photo in first.bad] == ["cut.tar/broken.jpg", "cut.tar"]
    assert same(Catalog.scanned(tmp_path / "set", known=first), first)


def test_a_second_scan_reads_again_what_could_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rights and disks are mended without a trace in the files."""
    write_photos(tmp_path, 2)
    with tarfile.open(tmp_path / "m.tar", "w") as archive:
        archive.add(tmp_path / "0" / "00000.jpg", "a.jpg")
        archive.add(tmp_path / "1" / "00001.jpg", "b.jpg")
    read = os.pread

    def pread(descriptor: int, length: int, offset: int) -> bytes:
        if offset == 512:  # the shard's first photo
            return read(descriptor, length, offset)
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as failing:
        failing.setattr(os, "pread", pread)
        first = Catalog.scanned(tmp_path)
    assert sorted(photo.name for photo in first.bad) == ["0/00000.jpg", "1/00001.jpg", "m.tar"]
    assert {photo.reason for photo in first.bad} == {"cannot be read: Permission denied"}
    assert same(Catalog.scanned(tmp_path, known=first), Catalog.scanned(tmp_path))


@pytest.mark.parametrize("in_shards", [False, True])
def test_an_index_takes_back_what_a_check_could_not_read(
    tmp_path: Path, in_shards: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was away for a moment is no damage; a photo that cannot be decoded is, and stays out."""
    for number in range(4):
        photo = tmp_path / f"{number}.png"
        photo.write_bytes(encoded(scene(number, 40, 40), "PNG"))
        if in_shards:
            with tarfile.open(tmp_path / f"{number // 2}.tar", "a") as archive:
                archive.add(photo, photo.name)
            photo.unlink()
    time.sleep(0.05)  # what was written in the last moment before a scan is read again
    before = Catalog.scanned(tmp_path)

    read = Catalog.read

    def failing(catalog: Catalog, i: int) -> bytes:
        catalog.root = tmp_path / "away" if i == 2 else tmp_path
        return read(catalog, i)[: -50 if i == 1 else None]

    with monkeypatch.context() as patched:
        patched.setattr(Catalog, "read", failing)
        checked = before.without(undecodable(Catalog.scanned(tmp_path), threads=1))
    assert [photo.reason.split(":")[0] for photo in checked.bad] == ["cut short", "cannot be read"]
    again = Catalog.scanned(tmp_path, known=checked)
    assert [again.name(i) for i in range(len(again))] == [before.name(i) for i in (0, 2, 3)]
    assert [photo.name for photo in again.bad] == [before.name(1)]


def test_tar_files_joined_by_cat_are_told(tmp_path: Path) -> None:
    write_shards(tmp_path, 3)
    one, two, three = sorted(tmp_path.glob("*.tar"))
    two.write_bytes(two.read_bytes() + one.read_bytes())
    three.write_bytes(three.read_bytes() + bytes(3 << 20))  # some other writer's padding
    catalog = Catalog.open(tmp_path)
    assert [catalog.name(i) for i in range(len(catalog))] == ["000.tar/a.png", "001.tar/a.png", "002.tar/a.png"]
    assert [photo.name for photo in catalog.bad] == ["001.tar"]
    assert "tar --concatenate" in catalog.bad[0].reason
    assert same(Catalog.scanned(tmp_path, known=catalog), catalog)


def test_what_is_no_photo_is_left_out_and_named(tmp_path: Path) -> None:
    write_photos(tmp_path, 2)
    (tmp_path / "page.jpg").write_text("<html>")
    frames = [Image.fromarray(scene(number, 300, 200)) for number in range(2)]
    frames[0].save(tmp_path / "large.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "icon.png").write_bytes(encoded(scene(0, 16, 16), "PNG"))
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe.tar")
    (tmp_path / "list.txt").write_text("not looked at")
    (tmp_path / "._0.jpg").write_text("a resource fork")
    (tmp_path / "cut.tar").write_bytes(b"no tar file")
    catalog = Catalog.open(tmp_path)
    assert len(catalog) == 2
    assert {photo.name: photo.reason.split(":")[0] for photo in catalog.bad} == {
        "large.gif": "an animation",
        "page.jpg": "not an image",
        "icon.png": "16x16 pixels",
        "gone.jpg": "cannot be read",
        "pipe.jpg": "a pipe and no file",
        "pipe.tar": "a pipe and no file",
        "cut.tar": "no readable tar file",
    }


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.filterwarnings("error")
def test_tiffs_with_their_header_at_their_end_are_read_quietly(tmp_path: Path, compression: str | None) -> None:
    data = encoded(scene(0, 300, 200), "TIFF", compression=compression, exif=with_orientation(6))
    (tmp_path / "a.tif").write_bytes(data)
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        archive.add(tmp_path / "a.tif", "a.tif")
    catalog = Catalog.open(tmp_path)
    assert [catalog.size(i) for i in range(len(catalog))] == [(200, 300)] * 2


def test_linked_folders_are_followed_and_circles_end(tmp_path: Path) -> None:
    write_photos(tmp_path / "real", 2)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "set" / "circle").symlink_to(tmp_path / "set")
    assert len(Catalog.open(tmp_path / "set")) == 2


def test_an_entry_that_cannot_be_looked_at_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photos(tmp_path, 2)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "lost+found").mkdir()
    look = os.scandir

    def scandir(folder: str) -> Any:
        if folder.endswith("lost+found"):  # a right that root, who may run the tests, has anyway
            raise PermissionError(errno.EACCES, "Permission denied", folder)
        return look(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    catalog = Catalog.open(tmp_path)
    assert len(catalog) == 2
    assert [photo.name for photo in catalog.bad] == ["loop", "lost+found"]
    assert all(photo.reason.startswith("cannot be read") for photo in catalog.bad)


@pytest.mark.parametrize("made", ["checkpoints", "metrics.jsonl"])
def test_the_pictures_of_a_run_are_no_photos(tmp_path: Path, made: str, caplog: pytest.LogCaptureFixture) -> None:
    """As with engine-train --photos . and its run folder beside the photos."""
    write_photos(tmp_path, 3)
    run = tmp_path / "runs" / "demo"
    (run / made).mkdir(parents=True)
    (run / "options.json").write_text("{}")
    (run / "pictures").mkdir()
    (run / "pictures" / "00000100.png").write_bytes(encoded(scene(0, 99, 77), "PNG"))
    assert len(Catalog.open(tmp_path)) == 3
    assert f"{run}: left out, as engine-train filled it" in caplog.text
    assert len(Catalog.open(run)) == 1  # who names the folder means it


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing does not exist: give a folder"):
        Catalog.open(tmp_path / "missing")
    with pytest.raises(ValueError, match="no usable photograph"):
        Catalog.open(tmp_path)
    for content in (b"", b"x" * 100, (2).to_bytes(8, "little") + b"{}", (3).to_bytes(8, "little") + b"[0]"):
        (tmp_path / "photo.jpg").write_bytes(content)
        with pytest.raises(ValueError, match="engine-data index"):
            Catalog.open(tmp_path / "photo.jpg")


def test_an_index_of_a_folder_that_is_gone_says_so(photo_folder: Path, tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 2)
    Catalog.scanned(tmp_path / "photos").save(tmp_path / "index")
    (tmp_path / "photos").rename(tmp_path / "moved")
    with pytest.raises(ValueError, match=r"index is the index of .*photos, which is not there: mount it, or index"):
        Catalog.open(tmp_path / "index")


@pytest.mark.parametrize("missing", [1, 100, -1])
def test_an_index_that_is_not_whole_is_refused(photo_folder: Path, tmp_path: Path, missing: int) -> None:
    index = tmp_path / "some.index"
    Catalog.open(photo_folder).save(index)
    whole = index.stat().st_size
    os.truncate(index, whole - missing)
    with pytest.raises(ValueError, match=f"{whole - missing} bytes of {whole}: remove it .* engine-data index"):
        Catalog.open(index)


def test_an_index_of_nothing_is_the_catalog_of_nothing(tmp_path: Path) -> None:
    catalog = Catalog.scanned(tmp_path)
    catalog.save(tmp_path / INDEX_NAME)
    assert same(Catalog.from_index(tmp_path / INDEX_NAME), catalog)


def test_photos_that_went_away_are_unusable(tmp_path: Path) -> None:
    write_photos(tmp_path / "files", 2)
    catalog = Catalog.open(tmp_path / "files")
    (tmp_path / "files" / catalog.name(0)).unlink()
    with pytest.raises(Unusable, match="cannot be read"):
        catalog.read(0)
    shard = tmp_path / "shard.tar"
    with tarfile.open(shard, "w") as archive:
        archive.add(tmp_path / "files" / catalog.name(1), "a.jpg")
    packed = Catalog.scanned(tmp_path, ["shard.tar"])
    os.truncate(shard, 1000)
    with pytest.raises(Unusable, match="cut short"):
        packed.read(0)


@pytest.fixture
def few_files() -> Iterator[None]:
    """This process may open 20 files more than it has now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 20, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def write_shards(folder: Path, count: int) -> None:
    for number in range(count):
        with tarfile.open(folder / f"{number:03d}.tar", "w") as archive:
            member = tarfile.TarInfo("a.png")
            data = encoded(scene(number, 40, 40), "PNG")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@pytest.mark.usefixtures("few_files")
def test_more_shards_than_files_that_may_be_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shards(tmp_path, 40)
    monkeypatch.setattr("data.catalog.MOST_OPEN", 5)
    catalog = Catalog.open(tmp_path)
    photos = [catalog.read(i) for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(catalog.read, [*range(40)] * 20)) == photos * 20


def test_no_photo_is_unusable_because_too_many_files_are_open(tmp_path: Path, few_files: None) -> None:
    write_shards(tmp_path, 1)
    (tmp_path / "b.png").write_bytes(encoded(scene(1, 40, 40), "PNG"))
    catalog = Catalog.open(tmp_path)
    with ExitStack() as kept:
        with suppress(OSError):
            while True:
                kept.enter_context(open(tmp_path / "b.png"))
        for i in range(2):
            with pytest.raises(OSError, match="Too many open files"):
                catalog.read(i)
        for name in ("b.png", "000.tar"):
            with pytest.raises(OSError, match="Too many open files"):
                Catalog.scanned(tmp_path, [name])
        with pytest.raises(OSError, match="Too many open files"):
            list(walk(tmp_path))


def test_columns_join_and_lose_rows() -> None:
    entries = [Entry("ä" * i, OWN_FILE, i, 2 * i, 3, 4, 1, i) for i in range(7)]
    whole = columns_of(entries)
    parts = joined([columns_of(entries[:3]), columns_of([]), columns_of(entries[3:])])
    assert all(np.array_equal(whole[key], parts[key]) for key in whole)
    less = without(whole, [0, 4])
    assert all(np.array_equal(less[key], columns_of(entries[1:4] + entries[5:])[key]) for key in whole)


@pytest.mark.parametrize(
    ("lines", "number", "names"),
    [
        ("/b/2.jpg 1\n/a/1.jpg 0\n", None, ["a/1.jpg", "b/2.jpg"]),  # Places365
        ("1.jpg 0\n2.jpg 1\n3.jpg 10\n", 1, ["2.jpg"]),  # CelebA
        ("only names.jpg 3\nb.jpg\n\n", None, ["b.jpg", "only names.jpg"]),
        ("\ufeffb.jpg\nä.jpg\n", None, ["b.jpg", "ä.jpg"]),  # saved by Windows' Notepad
        ("no number.jpg\na tab.jpg\t3\n", None, ["a tab.jpg", "no number.jpg"]),
        ("image_id,partition\n1.jpg,0\n2.jpg,1\n", 1, ["2.jpg"]),  # Kaggle's CelebA
        ("image_id;a\r\n'1, 2'.JPG;-1\r\n", -1, ["'1, 2'.JPG"]),
        ("2\nfive_o_clock bald\n1.jpg  1 -1\n2.jpg -1  1\n", 1, ["2.jpg"]),  # CelebA's attributes
        ('"path","label"\n"a, b.jpg",7\n', None, ["a, b.jpg"]),
        ("./b.jpg\nc/../a.jpg\n", None, ["a.jpg", "b.jpg"]),  # find's
        ("photo.raw 3\nother.raw 4\n", 3, ["photo.raw"]),
    ],
)
def test_lists(tmp_path: Path, lines: str, number: int | None, names: list[str]) -> None:
    (tmp_path / "list.txt").write_text(lines, encoding="utf-8")
    assert read_list(tmp_path / "list.txt", number) == names
    with pytest.raises(ValueError, match="lists no photo with the number 99"):
        read_list(tmp_path / "list.txt", 99)


def test_headings_of_a_list_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "list.csv").write_text("image_id,partition\n1.jpg,0\n")
    assert read_list(tmp_path / "list.csv") == ["1.jpg"]
    assert "taken for headings, and left out: 'image_id,partition'" in caplog.text


def test_paths_of_a_list_are_taken_relative_to_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is called, as it is, and as it is named from the current folder; others have their slash dropped."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "e.jpg").touch()
    (tmp_path / "link").symlink_to(folder)
    lines = [f"{tmp_path}/link/a.jpg", f"{folder}/x/../b.jpg 3", "link/c.jpg", "/d.jpg", "photos/e.jpg", "photos/f.jpg"]
    (tmp_path / "train.flist").write_text("\n".join(lines))
    assert read_list(tmp_path / "train.flist", None, Path("link")) == [
        "a.jpg",
        "b.jpg",
        "c.jpg",
        "d.jpg",
        "photos/e.jpg",
        "photos/f.jpg",
    ]
    assert "photos/e.jpg" in read_list(tmp_path / "train.flist", None, Path("photos"))
    assert "f.jpg" in read_list(tmp_path / "train.flist", None, Path("photos"))


def test_a_list_that_is_given_for_an_index_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "train.flist").write_text("/photos/a.jpg\n" * 100)
    with pytest.raises(ValueError, match=r"if it is a list of photographs, with .* --list .*train.flist"):
        Catalog.open(tmp_path / "train.flist")


def test_compressed_shards_are_named(photo_folder: Path, tmp_path: Path) -> None:
    for name in ("a.tar.gz", "b.TGZ", "c.tar.zst"):
        (tmp_path / name).write_bytes(b"\x1f\x8b")
    with pytest.raises(ValueError, match=r"no usable photograph \(a.tar.gz: a compressed tar file: unpack it"):
        Catalog.open(tmp_path)
    (tmp_path / "a.png").write_bytes(encoded(scene(1, 40, 40), "PNG"))
    assert [photo.name for photo in Catalog.open(tmp_path).bad] == ["a.tar.gz", "b.TGZ", "c.tar.zst"]


def test_a_tar_file_beside_its_folder_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.png").write_bytes(encoded(scene(1, 40, 40), "PNG"))
    for name in ("train.tar", "other.tar"):
        with tarfile.open(tmp_path / name, "w") as archive:
            archive.add(tmp_path / "train")
    assert len(Catalog.open(tmp_path)) == 3
    assert caplog.text.count("each photo counts twice") == 1
    assert "train.tar: the folder of its name lies beside it" in caplog.text


def test_engine_data_does_without_torch() -> None:
    """Which takes six times as long to import as all that the command needs."""
    program = "import sys, engine.commands.data; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
