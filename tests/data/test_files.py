"""Files are whole or not there, whoever writes them."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from data.catalog import Catalog
from data.files import replacing, write_atomically
from data.shards import Packing, pack
from tests.conftest import files_of_at_most
from tests.data.made_photos import write_photos


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    write_photos(tmp_path / "photos", 2)
    return Catalog.open(tmp_path / "photos")


WRITERS: dict[str, tuple[str, Callable[[Catalog, Path], object]]] = {
    "bytes": ("file", lambda catalog, path: write_atomically(path, b"new")),
    "index": ("photos.index", lambda catalog, path: catalog.save(path)),
    "plan": ("packing.json", lambda catalog, path: pack(catalog, path.parent, Packing())),
}
every_writer = pytest.mark.parametrize(("name", "write"), WRITERS.values(), ids=[*WRITERS])


@every_writer
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    catalog: Catalog, tmp_path: Path, name: str, write: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out" / name
    write(catalog, path)
    for other in path.parent.iterdir():
        if other != path:
            other.unlink()
    before = path.read_bytes()

    def disk_full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match=f"No space left.*{name}"):
        write(catalog, path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_disk_that_is_full_while_an_index_is_written(catalog: Catalog, tmp_path: Path) -> None:
    with files_of_at_most(100), pytest.raises(OSError, match=r"File too large: .*photos\.index"):
        catalog.save(tmp_path / "out" / "photos.index")
    assert not list((tmp_path / "out").glob("*"))


def test_a_shard_that_fails_is_not_there(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(catalog, tmp_path, Packing())
    (tmp_path / "photos-000000.tar").unlink()
    monkeypatch.setattr("data.shards._content", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pack(catalog, tmp_path, Packing())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["packing.json", "photos"]


@every_writer
def test_files_get_the_usual_permissions(catalog: Catalog, tmp_path: Path, name: str, write: Callable) -> None:
    (tmp_path / "plain").write_bytes(b"")
    write(catalog, tmp_path / "a" / "new" / "folder" / name)
    written = tmp_path / "a" / "new" / "folder" / name
    assert written.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_is_replaced_hands_on_its_permissions(tmp_path: Path) -> None:
    private = tmp_path / "private.png"
    private.write_bytes(b"old")
    private.chmod(0o600)
    write_atomically(private, b"new")
    assert (private.read_bytes(), private.stat().st_mode & 0o777) == (b"new", 0o600)


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_one(there: bool, tmp_path: Path) -> None:
    target, link = tmp_path / "folder" / "target.png", tmp_path / "link.png"
    link.symlink_to(Path("folder") / "target.png")
    if there:
        write_atomically(target, b"old")
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_names_as_long_as_can_be(tmp_path: Path) -> None:
    path = tmp_path / ("漢" * 83 + ".png")
    write_atomically(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_write_left_is_used_again_and_not_left(tmp_path: Path) -> None:
    path, seen = tmp_path / "a.png", []
    program = "import os, sys; from pathlib import Path; from data.files import replacing\n"
    program += "with replacing(Path(sys.argv[1])) as half: half.write_bytes(b'half'); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    (left,) = tmp_path.iterdir()
    with replacing(path) as temporary:
        seen.append(temporary.read_bytes())
        assert temporary == left
        write_atomically(path, b"by another at the same time")
        assert temporary.exists()
        temporary.write_bytes(b"new")
    assert (path.read_bytes(), seen) == (b"new", [b""])
    assert [*tmp_path.iterdir()] == [path]


def test_files_of_the_temporary_name_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with replacing(path) as temporary:
        temporary.write_bytes(b"")
    (tmp_path / "other").write_bytes(b"kept")
    temporary.symlink_to(tmp_path / "other")
    write_atomically(path, b"new")
    assert (path.read_bytes(), (tmp_path / "other").read_bytes()) == (b"new", b"kept")


def test_where_there_are_no_locks_files_are_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    write_atomically(tmp_path / "a.png", b"new")
    assert (tmp_path / "a.png").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
