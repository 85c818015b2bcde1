"""Packing into WebDataset shards."""

import fcntl
import os
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import webdataset

from data.catalog import Catalog
from data.shards import Packing, member_name, pack
from tests.data.made_photos import encoded, scene, with_orientation, write_photos


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_photos(tmp_path / "photos", 12, size=(700, 520))  # some 1.2 MB
    return tmp_path / "photos"


def test_shards_hold_the_photos_byte_for_byte(folder: Path, tmp_path: Path) -> None:
    catalog = Catalog.open(folder)
    done: list[int] = []
    assert pack(catalog, tmp_path / "out", Packing(shard_megabytes=1), progress=done.append) == []
    shards = Catalog.open(tmp_path / "out")
    assert sum(done) == len(shards) == len(catalog)
    assert len(shards.shards) == -(-int(catalog.columns["length"].sum()) // 10**6) > 1
    assert [shards.read(i) for i in range(len(shards))] == [catalog.read(i) for i in range(len(catalog))]


def test_webdataset_reads_them(folder: Path, tmp_path: Path) -> None:
    (folder / "dots.in.its.name.png").write_bytes(encoded(scene(1, 90, 80), "PNG"))
    catalog = Catalog.open(folder)
    pack(catalog, tmp_path / "out", Packing(shard_megabytes=1))
    urls = sorted(str(path) for path in (tmp_path / "out").glob("*.tar"))
    samples = list(webdataset.WebDataset(urls, shardshuffle=False, empty_check=False))
    photos = [next(value for key, value in sample.items() if key in ("jpg", "png")) for sample in samples]
    assert photos == [catalog.read(i) for i in range(len(catalog))]
    assert len({sample["__key__"] for sample in samples}) == len(catalog)


def test_a_packing_that_was_stopped_goes_on(folder: Path, tmp_path: Path) -> None:
    catalog, out = Catalog.open(folder), tmp_path / "out"

    def stop(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(catalog, out, Packing(shard_megabytes=1), threads=1, progress=stop)
    for late in sorted(out.glob("*.tar"))[1:]:
        late.unlink()
    (first,) = out.glob("*.tar")
    before = first.stat().st_mtime_ns
    pack(catalog, out, Packing(shard_megabytes=1))
    assert first.stat().st_mtime_ns == before
    assert len(Catalog.open(out)) == len(catalog)
    assert not list(out.glob(".*.tmp"))


def test_what_a_killed_packing_left_is_removed(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    left = out / ".photos-000007.tar.1234567.tmp"
    left.write_bytes(b"half a shard")
    at_work = os.open(out, os.O_RDONLY)
    fcntl.flock(at_work, fcntl.LOCK_SH)  # as another packing into the same folder has it
    pack(Catalog.open(folder), out, Packing())
    assert left.exists()
    os.close(at_work)
    pack(Catalog.open(folder), out, Packing())
    assert not left.exists()


def test_the_lock_is_held_while_packing(folder: Path, tmp_path: Path) -> None:
    def look(count: int) -> None:
        other = os.open(tmp_path / "out", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)

    pack(Catalog.open(folder), tmp_path / "out", Packing(), progress=look)


def test_another_packing_is_refused_its_folder(folder: Path, tmp_path: Path) -> None:
    pack(Catalog.open(folder), tmp_path / "out", Packing())
    with pytest.raises(ValueError, match="another packing"):
        pack(Catalog.open(folder), tmp_path / "out", Packing(shorter_edge=100))


@pytest.mark.parametrize("orientation", [1, 6])
def test_large_photos_are_shrunk_upright(tmp_path: Path, orientation: int) -> None:
    photo_HW3 = scene(0, 600, 400)
    (tmp_path / "in").mkdir()
    data = encoded(photo_HW3, quality=95, exif=with_orientation(orientation))
    (tmp_path / "in" / "photo.jpg").write_bytes(data)
    (tmp_path / "in" / "small.png").write_bytes(encoded(scene(1, 90, 80), "PNG"))
    pack(Catalog.open(tmp_path / "in"), tmp_path / "out", Packing(shorter_edge=100))
    packed = Catalog.open(tmp_path / "out")
    assert packed.size(0) == ((150, 100) if orientation == 1 else (100, 150))
    assert packed.read(1) == encoded(scene(1, 90, 80), "PNG")
    small_HW3 = cv2.imdecode(np.frombuffer(packed.read(0), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    expected_HW3 = cv2.resize(photo_HW3, (150, 100), interpolation=cv2.INTER_AREA)
    if orientation == 6:
        expected_HW3 = np.rot90(expected_HW3, -1)
    assert np.abs(small_HW3.astype(int) - expected_HW3).mean() < 4


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000", "PPM"])
def test_formats_that_go_by_another_name_come_out_again(tmp_path: Path, kind: str) -> None:
    (tmp_path / "in").mkdir()
    for number, name in enumerate(("a.jpg", "b.PNG", "c.webp", "d.avif", "e")):
        (tmp_path / "in" / name).write_bytes(encoded(scene(number, 90, 80), kind))
    catalog = Catalog.scanned(tmp_path / "in", sorted(os.listdir(tmp_path / "in")))  # as of a list
    assert pack(catalog, tmp_path / "out", Packing()) == []
    packed = Catalog.open(tmp_path / "out")
    assert [packed.read(i) for i in range(len(packed))] == [catalog.read(i) for i in range(5)]


def test_damaged_photos_are_left_out_and_named(folder: Path, tmp_path: Path) -> None:
    data = encoded(scene(0, 200, 150))
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    bad = pack(Catalog.open(folder), tmp_path / "out", Packing())
    assert [(photo.name, photo.reason) for photo in bad] == [("cut.jpg", "cut short: its end is missing")]
    assert len(Catalog.open(tmp_path / "out")) == 12


def test_a_photo_that_changed_since_it_was_indexed_is_left_out(folder: Path, tmp_path: Path) -> None:
    """Shrunk to the shape that the index says, it would come out distorted."""
    catalog = Catalog.open(folder)
    (folder / catalog.name(2)).write_bytes(encoded(scene(0, 400, 900)))
    (bad,) = pack(catalog, tmp_path / "out", Packing(shorter_edge=100))
    assert bad.name == catalog.name(2)
    assert bad.reason.startswith("400x900 pixels, but")


def test_impossible_packings_are_refused() -> None:
    with pytest.raises(ValueError, match="shard_megabytes >= 1"):
        Packing(shard_megabytes=0)
    with pytest.raises(ValueError, match="shorter_edge >= 1"):
        Packing(shorter_edge=0)


def test_photos_are_not_packed_among_themselves(folder: Path) -> None:
    names = sorted(folder.iterdir())
    with pytest.raises(ValueError, match="is the folder of the photos"):
        pack(Catalog.open(folder), folder, Packing())
    with pytest.raises(ValueError, match=r"is inside .*pack into a folder outside"):
        pack(Catalog.open(folder), folder / "packed" / "small", Packing())
    assert sorted(folder.iterdir()) == names


def test_shards_inside_a_folder_of_photos_are_not_the_photos_again(folder: Path, tmp_path: Path) -> None:
    pack(Catalog.open(folder), tmp_path / "out", Packing())
    before = Catalog.open(folder)
    (tmp_path / "out").rename(folder / "out")
    assert len(Catalog.open(folder)) == len(before)
    assert len(Catalog.open(folder / "out")) == len(before)


def test_member_names_have_one_dot_and_fit_a_tar_header() -> None:
    name = member_name(12, "a folder/b.c.d/" + "x" * 200 + ".v2.jpeg", "jpg")
    assert name.count(".") == 1
    assert len(name) < 100
    assert name.startswith("000000012-")


def test_members_are_regular_files(folder: Path, tmp_path: Path) -> None:
    pack(Catalog.open(folder), tmp_path / "out", Packing())
    (shard,) = (tmp_path / "out").glob("*.tar")
    with tarfile.open(shard) as archive:
        assert all(member.isfile() and member.mode == 0o644 for member in archive)
