"""Exported graphs and built engines on disk, under ~/.cache/glcic-engine: never a wrong one, never half of one.

An entry is one file: its key as a line of JSON, the SHA-256 of the content as a line, and the content. It is used only
if the key is the one asked for, the content has that hash, and whoever needs it can open it; otherwise it is rebuilt.
One process builds an entry while the others wait for it; a process that is killed leaves no lock and no entry.
"""

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from data.files import write_atomically

log = logging.getLogger(__name__)

Key = dict[str, str | int]
"""Everything that decides the content: hashes, versions, device, shapes, precision."""

SIZE_LIMIT = 8 << 30
"""Bytes in all; the entries unused for longest go first."""


class Entry(NamedTuple):
    """What is in the cache."""

    path: Path
    key: Key
    size: int


def cache_folder() -> Path:
    """`$ENGINE_CACHE`, else glcic-engine in the user's folder of caches."""
    if chosen := os.environ.get("ENGINE_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "glcic-engine"


def fetch(key: Key, build: Callable[[], bytes], check: Callable[[bytes], object] = len) -> bytes:
    """The cached content for `key`, or that of `build()`, which is then cached.

    `check(content)` raises ValueError if the content cannot be used; the entry is then rebuilt. Where the cache cannot
    be written, the content is built for this process alone, and a warning says so.
    """
    path = entry_path(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("wb")
    except OSError as error:
        log.warning("the cache %s cannot be written (%s): set ENGINE_CACHE to a folder that can", path.parent, error)
        return build()
    with lock, locked(lock.fileno()):
        if path.exists():
            try:
                content = read_entry(path, key)
                check(content)
            except ValueError as error:
                log.warning("%s is rebuilt: %s", path, error)
            else:
                os.utime(path)
                return content
        for left_over in path.parent.glob(f".{path.name}.*.tmp"):  # of a build that was killed: the lock is ours
            left_over.unlink()
        content = build()
        write_entry(path, key, content)
    trim(path.parent, keep=path)
    return content


def store(key: Key, content: bytes) -> None:
    """Put `content` into the cache, in place of what is there for `key`. OSError if the cache cannot be written."""
    path = entry_path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("wb") as lock, locked(lock.fileno()):
        write_entry(path, key, content)
    trim(path.parent, keep=path)


def peek(key: Key) -> bytes | None:
    """The content for `key` if there is one to be used."""
    path = entry_path(key)
    try:
        return read_entry(path, key) if path.exists() else None
    except ValueError as error:
        log.warning("%s is not used: %s", path, error)
        return None


def is_cached(key: Key) -> bool:
    """Whether there is an entry for `key`; it may turn out to be damaged."""
    return entry_path(key).exists()


def entry_path(key: Key) -> Path:
    """Where the entry for `key` is, if there is one."""
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:20]
    return cache_folder() / f"{key['kind']}-{name}.entry"


def read_entry(path: Path, key: Key) -> bytes:
    """The content of an entry. ValueError if it is cut off, damaged or another key's."""
    head, _, rest = path.read_bytes().partition(b"\n")
    digest, _, content = rest.partition(b"\n")
    if head.decode(errors="replace") != json.dumps(key, sort_keys=True):
        raise ValueError("it was made for something else")
    if digest.decode(errors="replace") != hashlib.sha256(content).hexdigest():
        raise ValueError("it is damaged")
    return content


def write_entry(path: Path, key: Key, content: bytes) -> None:
    """Whole or not at all."""
    head = f"{json.dumps(key, sort_keys=True)}\n{hashlib.sha256(content).hexdigest()}\n"
    write_atomically(path, head.encode() + content)


@contextmanager
def locked(descriptor: int) -> Iterator[None]:
    """Hold the file's lock; the kernel frees it if the process dies."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.warning("another process builds this entry of the cache; waiting for it")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield


def entries() -> list[Entry]:
    """What is in the cache, last used first; files that are no entries are left out."""
    found = []
    for path in sorted(cache_folder().glob("*.entry"), key=lambda path: path.stat().st_mtime, reverse=True):
        with open(path, "rb") as file:
            try:
                key = json.loads(file.readline())
            except ValueError:
                continue
        found.append(Entry(path, key, path.stat().st_size))
    return found


def trim(folder: Path, keep: Path, limit: int = SIZE_LIMIT) -> None:
    """Remove the entries unused for longest until the rest has at most `limit` bytes; `keep` stays."""
    total = 0
    for path in sorted(folder.glob("*.entry"), key=lambda path: (path != keep, -path.stat().st_mtime)):
        total += path.stat().st_size
        if total > limit and path != keep:
            log.info("%s is removed: the cache has a limit of %d bytes", path, limit)
            path.unlink(missing_ok=True)
