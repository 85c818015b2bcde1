"""Where photos, masks and results are: a folder, or a place in an object store (s3://bucket/photos, gs://bucket/photos).

Three things are asked of it: the names there, a stream of them, the bytes of one, and to put the bytes of one, whole or
not at all. Each is one request; of names, one for a thousand.
"""

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from data.files import write_atomically
from data.scan import is_shard
from engine.cluster.tars import Tar
from engine.packages import import_optional

log = logging.getLogger(__name__)

SERVERS = {"s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), "gs": ("GOOGLE_BASE_URL",)}
"""The kinds of object stores, and the variables that name another server than the usual one, the first that is set."""

AT_ONCE = 1000
"""Names in a piece of a listing: what S3 answers at most."""

PART = 16 << 20
"""Bytes of a large file that are read, and put, at a time."""

PATIENCE = "10 minutes"
"""The longest that one request may take: a photo of a gigabyte over a slow line."""

RETRIES: dict[str, Any] = {"max_retries": 10, "retry_timeout": timedelta(minutes=3)}
"""A store that refuses or breaks off is asked again, after waits of up to 15 s; then the photo fails. An answer that
breaks off is asked for from there on, but for listings, which obstore leaves to `Bucket.listed`."""


class Store(Protocol):
    """A place of files with names: paths with slashes, relative to it."""

    where: str
    """What it is called: a URL, or an absolute folder."""

    def listed(self, depth: int | None = None) -> Iterator[list[str]]:
        """The names of all files below, a piece at a time, in no certain order; none if nothing is there. Those that
        lie more than `depth` folders deep, the place itself among them, may be left out. OSError if that cannot be
        said."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of a file. FileNotFoundError if there is none, OSError if it cannot be read."""
        ...

    def put(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all, in place of one that is there. OSError if it cannot be written."""
        ...

    def called(self, name: str) -> str:
        """The whole name of a file, for people."""
        ...


def url_of(path: Path) -> str | None:
    """The URL that a path of the command line stands for, which has one slash of its two; None of a path on disk."""
    found = re.fullmatch(rf"({'|'.join(SERVERS)}):/+(.+)", path.as_posix())
    return f"{found[1]}://{found[2]}" if found else None


def is_remote(path: Path | None) -> bool:
    """True if this is a place in an object store."""
    return path is not None and url_of(path) is not None


def open_store(path: Path) -> Store:
    """The place that a path of the command line names, or a tar file on disk. ValueError if obstore is missing, or it
    is no such place, or a tar file that is not whole."""
    url = url_of(path)
    if url is None:
        return Tar(path) if is_shard(path.name) and path.is_file() else Folder(path)
    return Bucket(url)


class Folder:
    """A folder on disk, or on one that all machines share."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.where = str(self.path)

    def listed(self, depth: int | None = None) -> Iterator[list[str]]:
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"{self.path} is a file and no folder")
        names: list[str] = []
        for folder, folders, files in os.walk(self.path, onerror=self._left_out, followlinks=True):
            folders[:] = [name for name in folders if not self._leads_back(Path(folder), name)]
            below = os.path.relpath(folder, self.path)
            if depth is not None and len(Path(below).parts) >= depth - 1:
                folders.clear()
            for file in files:
                names.append(file if below == "." else f"{Path(below).as_posix()}/{file}")
                if len(names) == AT_ONCE:
                    yield names
                    names = []
        yield names

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def put(self, name: str, content: bytes) -> None:
        write_atomically(self.path / name, content)

    def called(self, name: str) -> str:
        return str(self.path / name)

    def _leads_back(self, folder: Path, name: str) -> bool:
        """True if a folder is a link to one that it lies in, which would be listed without end; a warning says so."""
        if not os.path.islink(folder / name):
            return False
        target = (folder / name).resolve()
        above = [folder, *folder.parents][: len(folder.relative_to(self.path).parts) + 1]
        if not any(outer.resolve().is_relative_to(target) for outer in above):
            return False
        log.warning("%s: left out, a link back to a folder that it lies in", folder / name)
        return True

    def _left_out(self, error: OSError) -> None:
        """Say that a folder cannot be listed, and go on; OSError if it is the place itself."""
        if error.filename == self.where and not isinstance(error, FileNotFoundError):
            raise error
        if error.filename != self.where:
            log.warning("%s: left out, as it cannot be listed (%s)", error.filename, error.strerror)


class Bucket:
    """A place in an object store, with the credentials and the endpoint that the environment names.

    obstore and not pyarrow: pyarrow's listings come as one list, its reads ask for the size first, and it publishes
    what was written so far when an error leaves the `with` block.
    """

    def __init__(self, url: str) -> None:
        store = import_optional("obstore.store")
        self.where = url.rstrip("/")
        scheme, _, place = self.where.partition("://")
        if not place:
            raise ValueError(f"{url} names no bucket: {scheme}://BUCKET/FOLDER")
        # A server of one's own, on this machine say, may speak HTTP without TLS: who names it so means it.
        named = [os.environ[name] for name in SERVERS[scheme] if name in os.environ]
        options = {"timeout": PATIENCE, "allow_http": any(url.startswith("http://") for url in named[:1])}
        with _told(self.where):
            self.store: Any = store.from_url(self.where, client_options=options, retry_config=RETRIES)

    def listed(self, depth: int | None = None) -> Iterator[list[str]]:
        last, broken = None, 0
        while True:
            try:
                with _told(self.where):
                    for piece in self.store.list(chunk_size=AT_ONCE, offset=last):
                        yield [found["path"] for found in piece]
                        last, broken = piece[-1]["path"], 0
                return
            except OSError as error:  # names come in order, so that what is left follows the last one
                broken += 1
                if broken > RETRIES["max_retries"] or "response body" not in str(error):
                    raise
                time.sleep(0.1 * 2**broken)

    def read(self, name: str) -> bytes:
        with _told(self.called(name)):
            return self.store.get(name).bytes().to_bytes()

    def put(self, name: str, content: bytes) -> None:
        with _told(self.called(name)):
            self.store.put(name, content, use_multipart=False)

    def download(self, name: str, file: Path) -> None:
        """Write the bytes of an object of any size into a file here. Errors as `read`."""
        with _told(self.called(name)), open(file, "wb") as here:
            for piece in self.store.get(name).stream(PART):
                here.write(piece)

    def upload(self, name: str, file: BinaryIO) -> None:
        """Put a file of any size, from where it stands: in parts, if it is large, that become an object together."""
        with _told(self.called(name)):
            self.store.put(name, file, chunk_size=PART, max_concurrency=2)

    def called(self, name: str) -> str:
        return f"{self.where}/{name}"


@contextmanager
def _told(what: str) -> Iterator[None]:
    """obstore's errors, which are pages, become an OSError of one line that names the file."""
    errors = import_optional("obstore.exceptions")
    try:
        yield
    except (FileNotFoundError, errors.NotFoundError) as error:
        raise FileNotFoundError(f"there is nothing at {what}") from error
    except (errors.BaseError, OSError) as error:
        raise OSError(f"{what}: {_in_a_line(str(error))}") from error


def _in_a_line(text: str) -> str:
    """What obstore says, without the stack of its own types; of a page of XML its code and message."""
    code, message = (re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL) for tag in ("Code", "Message"))
    if code and message:
        return f"{code[1]}: {message[1]}"
    line = re.sub(r"\s+", " ", text.partition("\n\nDebug source:")[0]).strip()
    if "169.254.169.254" in line or "metadata" in line.lower():
        line += " (no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or GOOGLE_APPLICATION_CREDENTIALS)"
    return line
