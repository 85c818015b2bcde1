"""Tar files as stores: the names and bytes of their members. Nothing is unpacked."""

import os
import stat
import tarfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import NamedTuple

from data.scan import only_zeros


class Member(NamedTuple):
    """A file in a tar file."""

    name: str
    """As it is spelt there."""
    offset: int
    size: int
    refused: str = ""
    """Why it cannot be read; "" if it can."""


class Tar:
    """A tar file on disk as a store that is only read, by several threads at once if need be.

    Its names are those of its members, without "./" at their beginning.
    """

    def __init__(self, file: Path) -> None:
        """ValueError if it is no tar file, damaged, or cut short. OSError if it cannot be read."""
        self.file = file.resolve()
        self.where = str(self.file)
        status = os.stat(self.file)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for who writes into it
            raise ValueError("a folder, a pipe or a device, and no tar file")
        self.version = version_of(status)
        self.members = members_of(self.file, self.version)
        """All of them, in their order."""

    def listed(self, depth: int | None = None) -> Iterator[list[str]]:
        """The names under which files may lie in a folder; see `why_unsafe` for the others."""
        yield [name for name in self.members if not why_unsafe(name)]

    def read(self, name: str) -> bytes:
        """The bytes of a member. ValueError if there is something about it, OSError if it cannot be read."""
        member = self.members[name]
        if member.refused:
            raise ValueError(f"{self.called(name)} {member.refused}")
        with open(self.file, "rb") as file:
            if version_of(os.fstat(file.fileno())) != self.version:
                raise OSError(f"{self.where} has changed while it was read")
            file.seek(member.offset)
            return file.read(member.size)

    def put(self, name: str, content: bytes) -> None:
        raise OSError(f"{self.where} is a tar file, into which nothing is put")

    def called(self, name: str) -> str:
        return f"{self.where}/{name}"


def version_of(status: os.stat_result) -> tuple[int, ...]:
    """Numbers of a file, of which one is another once it was changed or replaced."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@lru_cache(maxsize=2)
def members_of(path: Path, version: tuple[int, ...]) -> dict[str, Member]:
    """The files of a tar file in their order, by their names without "./". Errors as `Tar`.

    `version` is that of the file, which is read again once it has changed.
    """
    found: dict[str, Member] = {}
    links: dict[str, str] = {}
    with open(path, "rb") as file:
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                while member := archive.next():
                    archive.members.clear()  # type: ignore[attr-defined]  # of a kilobyte each
                    if not member.isdir():
                        add_member(member, found, links)
                end = archive.offset
        except tarfile.TarError as error:
            raise ValueError(f"no whole tar file ({error}): make or send it again") from error
        if os.fstat(file.fileno()).st_size <= end:
            raise ValueError(f"cut short at byte {end}, where zeros would end a tar file: send it again")
        if not only_zeros(file.fileno(), end):
            raise ValueError(f"damaged at byte {end}, or another is joined to it by cat: make it again")
    for name, target in links.items():
        if (there := found.get(target)) and not there.refused:
            found[name] = there._replace(name=found[name].name)
    return found


def add_member(member: tarfile.TarInfo, found: dict[str, Member], links: dict[str, str]) -> None:
    """Add what a tar file's header says to the members, and where it links to, if it does."""
    name = member.name.removeprefix("./")
    refused = "" if member.isreg() and not member.issparse() else "is no file of its own"
    if member.islnk() or member.issym():
        links[name] = normpath(member.linkname if member.islnk() else join(dirname(name), member.linkname))
    if name in found:
        links.pop(name, None)
        refused = "is there twice, and which one is meant is not known"
    found[name] = Member(member.name, member.offset_data, member.size, refused)


def why_unsafe(name: str) -> str:
    """Why no file may lie in a folder under the name of a member; "" if it may."""
    if not {"", ".", ".."}.isdisjoint(name.split("/")):
        return "a name with //, . or .. in it, or / at its beginning, may lead elsewhere: rename it"
    return "" if name == printable(name) else "its name is no text in UTF-8: rename it"


def printable(name: str) -> str:
    """A name as text that can be shown and kept, with an escape for each byte that is none."""
    return name.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
