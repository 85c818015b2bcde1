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
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from data.cache import cache_folder
from data.files import write_atomically

log = logging.getLogger(__name__)

Key = dict[str, str | int]
"""Everything that decides the content: hashes, versions, device, shapes, precision."""

SIZE_LIMIT = 8 << 30
"""Bytes in all; the entries unused for longest go first."""

LONGEST_WRITE = 3600
"""Seconds after which a file that was to become an entry is taken for one of a process that was killed."""


class Entry(NamedTuple):
    """One entry of the cache."""

    path: Path
    key: Key
    size: int


def fetch(key: Key, build: Callable[[], bytes], check: Callable[[bytes], object] = lambda content: None) -> bytes:
    """The cached content for `key`, or that of `build()`, which is then cached.

    `check(content)` raises ValueError if the content cannot be used; the entry is then rebuilt. Where the cache cannot
    be written, the content is built for this process alone, and a warning says so.
    """
    path = entry_path(key)
    try:
        lock = hold_lock(path)
    except OSError as error:  # what is in it may be read nevertheless
        content = peek(key, check)
        if content is None:
            warn_unwritable(error)
            content = build()
        return content
    with lock:
        content = peek(key, check)
        if content is None:
            content = build()
            write_entry(path, key, content)
    return content


def store(key: Key, content: bytes) -> None:
    """Put `content` into the cache, in place of what is there for `key`; a warning if the cache cannot be written."""
    path = entry_path(key)
    try:
        lock = hold_lock(path)
    except OSError as error:
        warn_unwritable(error)
        return
    with lock:
        write_entry(path, key, content)


def peek(key: Key, check: Callable[[bytes], object] = lambda content: None) -> bytes | None:
    """The content for `key` if there is one that passes `check`; of one that cannot be used, a warning says why."""
    path = entry_path(key)
    if not is_cached(key):
        return None
    try:
        content = read_entry(path, key)
        check(content)
    except (ValueError, OSError) as error:
        log.warning("%s is not used: %s", path, error)
        return None
    with suppress(OSError):  # another user's, or removed since
        os.utime(path)
    return content


def is_cached(key: Key) -> bool:
    """True if there is an entry for `key`; it may turn out to be damaged."""
    try:
        return os.path.exists(entry_path(key))  # Path.exists raises PermissionError where the folder is another user's
    except OSError:
        return False


def entry_path(key: Key) -> Path:
    """Where the entry for `key` is, if there is one."""
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:20]
    return cache_folder() / f"{key['kind']}-{name}.entry"


def read_entry(path: Path, key: Key) -> bytes:
    """The content of an entry. ValueError if it is cut off, damaged or another key's, OSError if it cannot be read."""
    head, _, rest = path.read_bytes().partition(b"\n")
    digest, _, content = rest.partition(b"\n")
    if head.decode(errors="replace") != json.dumps(key, sort_keys=True):
        raise ValueError("it was made for something else")
    if digest.decode(errors="replace") != hashlib.sha256(content).hexdigest():
        raise ValueError("it is damaged")
    return content


def write_entry(path: Path, key: Key, content: bytes) -> None:
    """Whole or not at all, and make room; a warning if the cache cannot be written. The entry's lock must be held."""
    head = f"{json.dumps(key, sort_keys=True)}\n{hashlib.sha256(content).hexdigest()}\n"
    try:
        write_atomically(path, head.encode() + content)
        trim(path.parent, keep=path)
    except OSError as error:
        warn_unwritable(error)


def warn_unwritable(error: OSError) -> None:
    """Warn that what has been built is lost with this process."""
    log.warning("the cache %s cannot be written (%s): set ENGINE_CACHE to a folder that can", cache_folder(), error)


def hold_lock(path: Path) -> BinaryIO:
    """The entry's lock, once no other process has it; closing it frees it, and so does the process's end.

    OSError if the cache cannot be written, or is on a file system without locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_suffix(".lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.warning("another process builds this entry of the cache; waiting for it")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def entries() -> list[Entry]:
    """The cache's entries, last used first; files that are no entries, or cannot be read, are left out."""
    found = []
    for path, status in last_used_first(cache_folder()):
        try:
            with open(path, "rb") as file:
                key = json.loads(file.readline())
        except (ValueError, OSError):
            continue
        if isinstance(key, dict):
            found.append(Entry(path, key, status.st_size))
    return found


def last_used_first(folder: Path) -> list[tuple[Path, os.stat_result]]:
    """The entries' files, without those that another process removes meanwhile."""
    found = []
    for path in folder.glob("*.entry"):
        with suppress(FileNotFoundError):
            found.append((path, path.stat()))
    return sorted(found, key=lambda file: file[1].st_mtime, reverse=True)


def trim(folder: Path, keep: Path, limit: int = SIZE_LIMIT) -> None:
    """Remove the entries unused for longest until the rest has at most `limit` bytes, and what killed writes have left.

    `keep` stays. OSError if a file cannot be removed.
    """
    for path in folder.glob(".*.entry.*.tmp"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > LONGEST_WRITE:
                path.unlink()
    total = 0
    for path, status in sorted(last_used_first(folder), key=lambda file: file[0] != keep):
        total += status.st_size
        if total > limit and path != keep:
            log.info("%s is removed: the cache has a limit of %d bytes", path, limit)
            path.unlink(missing_ok=True)
