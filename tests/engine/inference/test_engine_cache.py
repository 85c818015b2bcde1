"""The cache of exports and engines: two processes at once, killed builds, damage, other keys, the limit."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.inference import engine_cache
from engine.inference.engine_cache import entries, entry_path, fetch, is_cached, trim

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
from engine.inference.engine_cache import fetch
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
    left_over = folder / f".{entry_path({'kind': 'test'}).name}.{killed.pid}.tmp"
    left_over.write_bytes(b"half an ")  # as it would be, had it been killed while writing
    assert start(log, 0).wait(60) == 0
    assert log.read_text() == "built\nbuilt\n"
    assert not left_over.exists()


def test_the_limit_takes_what_was_used_longest_ago(folder):
    for age, version in enumerate(("new", "middle", "old")):
        fetch({**KEY, "version": version}, lambda: CONTENT)
        os.utime(entry_path({**KEY, "version": version}), (1e9 - age, 1e9 - age))
    size = entries()[0].size
    trim(folder, keep=entry_path({**KEY, "version": "old"}), limit=2 * size + size // 2)
    assert {entry.key["version"] for entry in entries()} == {"new", "old"}


def test_a_cache_that_cannot_be_written_is_done_without(monkeypatch, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ENGINE_CACHE", str(tmp_path / "file" / "cache"))
    with caplog.at_level(logging.WARNING):
        assert fetch(KEY, lambda: CONTENT) == CONTENT
    assert "set ENGINE_CACHE to a folder that can" in caplog.text


def test_where_it_is(monkeypatch):
    monkeypatch.delenv("ENGINE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert engine_cache.cache_folder() == Path("/somewhere/glcic-engine")
