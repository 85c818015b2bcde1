"""The cache of exports and engines: two processes at once, killed builds, damage, other keys, the limit."""

import errno
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.cache import cache_folder
from engine.inference.graphs import engine_cache
from engine.inference.graphs.engine_cache import entries, entry_path, fetch, is_cached, peek, store, trim
from tests.conftest import files_of_at_most

KEY = {"kind": "test", "version": "10.1", "gpu": "L4"}
CONTENT = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ENGINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def never() -> bytes:
    raise AssertionError("built although it is cached")


def test_built_once(folder):
    assert not is_cached(KEY)
    assert fetch(KEY, lambda: CONTENT) == CONTENT
    assert is_cached(KEY)
    assert fetch(KEY, never) == CONTENT
    assert [(entry.key, entry.path.parent) for entry in entries()] == [(KEY, folder)]


@pytest.mark.parametrize("changed", [{"version": "10.2"}, {"gpu": "T4"}])
def test_another_version_or_gpu_is_another_entry(changed):
    fetch(KEY, lambda: CONTENT)
    assert fetch({**KEY, **changed}, lambda: b"other") == b"other"
    assert fetch(KEY, never) == CONTENT


def flip(content: bytes) -> bytes:
    return content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (flip, "it is damaged"),
        (lambda content: content[:-1], "it is damaged"),
        (lambda content: b"", "made for something else"),
        (lambda content: content.replace(b"10.1", b"10.0"), "made for something else"),
    ],
    ids=["flipped", "cut", "empty", "foreign"],
)
def test_a_bad_entry_is_rebuilt_and_said_to_be(damage, reason, caplog):
    fetch(KEY, lambda: CONTENT)
    path = entry_path(KEY)
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert fetch(KEY, lambda: b"rebuilt") == b"rebuilt"
    assert reason in caplog.text
    assert fetch(KEY, never) == b"rebuilt"


def test_an_entry_that_cannot_be_opened_is_rebuilt():
    def refuse(content: bytes) -> None:
        if content == CONTENT:
            raise ValueError("of another version")

    fetch(KEY, lambda: CONTENT)
    assert fetch(KEY, lambda: b"rebuilt", refuse) == b"rebuilt"


def test_a_build_that_fails_leaves_nothing():
    def fail() -> bytes:
        raise ValueError("no engine")

    with pytest.raises(ValueError, match="no engine"):
        fetch(KEY, fail)
    assert not is_cached(KEY)
    assert fetch(KEY, lambda: CONTENT) == CONTENT


PROGRAM = """
import sys, time
from pathlib import Path
from engine.inference.graphs.engine_cache import fetch
def build():
    with open(sys.argv[1], "a") as file:
        file.write("built\\n")
    time.sleep(float(sys.argv[2]))
    return b"content"
assert fetch({"kind": "test"}, build) == b"content"
"""


def start(log: Path, seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(log), str(seconds)], env=os.environ)


def test_two_processes_at_once_build_once(tmp_path):
    log = tmp_path / "log"
    both = [start(log, 1), start(log, 1)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert log.read_text() == "built\n"


def test_a_killed_build_leaves_no_lock_and_no_entry(tmp_path, folder):
    log = tmp_path / "log"
    killed = start(log, 600)
    while not log.exists():
        assert killed.poll() is None
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait(60)
    assert start(log, 0).wait(60) == 0
    assert log.read_text() == "built\nbuilt\n"


def test_what_killed_writes_have_left_is_removed(folder):
    """Even if the entry is never asked for again; but not what another process may be writing now."""
    folder.mkdir()
    old, new, foreign = folder / ".test-1.entry.1.tmp", folder / ".test-2.entry.2.tmp", folder / ".photo.png.3.tmp"
    for path in (old, new, foreign):
        path.write_bytes(b"half an ")
    for path in (old, foreign):
        os.utime(path, (time.time() - 4000,) * 2)
    fetch(KEY, lambda: CONTENT)
    assert [path.exists() for path in (old, new, foreign)] == [False, True, True]


def test_the_limit_takes_what_was_used_longest_ago(folder):
    for age, version in enumerate(("new", "middle", "old")):
        fetch({**KEY, "version": version}, lambda: CONTENT)
        os.utime(entry_path({**KEY, "version": version}), (1e9 - age, 1e9 - age))
    size = entries()[0].size
    trim(folder, keep=entry_path({**KEY, "version": "old"}), limit=2 * size + size // 2)
    assert {entry.key["version"] for entry in entries()} == {"new", "old"}


def test_entries_that_other_processes_remove_meanwhile_are_no_error(folder):
    """A link to nowhere is listed like a file that is gone when it is looked at."""
    folder.mkdir()
    (folder / "test-gone.entry").symlink_to("nowhere")
    (folder / ".test-gone.entry.1.tmp").symlink_to("nowhere")
    assert fetch(KEY, lambda: CONTENT) == CONTENT
    trim(folder, keep=entry_path(KEY), limit=1)
    assert [entry.key for entry in entries()] == [KEY]


def unwritable(case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make the cache, which may be filled, one that cannot be written."""
    if case == "lock":
        path = entry_path(KEY).with_suffix(".lock")
        path.unlink(missing_ok=True)
        path.mkdir(parents=True)
    elif case == "no locks":  # as some network file systems

        def refuse(*_: object) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr(engine_cache.fcntl, "flock", refuse)
    else:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("ENGINE_CACHE", str(tmp_path / {"file": "file", "below a file": "file/cache"}[case]))


@pytest.mark.parametrize("case", ["lock", "no locks", "file", "below a file"])
def test_a_cache_that_cannot_be_written_is_done_without(case, monkeypatch, tmp_path, caplog):
    unwritable(case, monkeypatch, tmp_path)
    with caplog.at_level(logging.WARNING):
        assert fetch(KEY, lambda: CONTENT) == CONTENT
        assert "set ENGINE_CACHE to a folder that can" in caplog.text
        caplog.clear()
        store(KEY, CONTENT)
    assert "set ENGINE_CACHE to a folder that can" in caplog.text
    assert (is_cached(KEY), peek(KEY), entries()) == (False, None, [])


@pytest.mark.parametrize("case", ["lock", "no locks"])
def test_a_cache_that_cannot_be_written_is_read(case, monkeypatch, tmp_path, caplog):
    fetch(KEY, lambda: CONTENT)
    unwritable(case, monkeypatch, tmp_path)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(engine_cache.os, "utime", refuse)  # as for an entry that is another user's
    assert fetch(KEY, never) == CONTENT
    assert not caplog.records


def test_a_folder_with_too_long_a_name_is_no_error(monkeypatch):
    """Path.exists raises the system's error for it, as it does for a folder of another user."""
    monkeypatch.setenv("ENGINE_CACHE", "n" * 300)
    assert not is_cached(KEY)
    assert fetch(KEY, lambda: CONTENT) == CONTENT


@pytest.mark.parametrize("put", [lambda: fetch(KEY, lambda: CONTENT), lambda: store(KEY, CONTENT)])
def test_a_full_disk_loses_the_entry_and_not_the_content(put, folder, caplog):
    with caplog.at_level(logging.WARNING), files_of_at_most(1_000):
        assert put() in (CONTENT, None)
    assert "cannot be written ([Errno 27] File too large" in caplog.text
    assert [path.suffix for path in folder.iterdir()] == [".lock"]


def test_files_that_are_no_entries_are_not_listed(folder):
    fetch(KEY, lambda: CONTENT)
    for number, line in enumerate((b"[1, 2]\n", b"{\n", b"\xff\n", b"")):
        (folder / f"{number}.entry").write_bytes(line)
    (folder / "folder.entry").mkdir()
    assert [entry.key for entry in entries()] == [KEY]


def test_where_it_is(monkeypatch):
    monkeypatch.delenv("ENGINE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/glcic-engine")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/somebody"))
    assert cache_folder() == Path("/home/somebody/.cache/glcic-engine")


def test_without_a_home_folder_nothing_is_cached_and_the_remedy_is_named(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    for name in ("ENGINE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert not engine_cache.is_cached({"kind": "onnx"})
    with pytest.raises(OSError, match="set ENGINE_CACHE to a folder"):
        engine_cache.fetch({"kind": "onnx"}, lambda: b"")
