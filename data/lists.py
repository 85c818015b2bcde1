"""The lists that data sets bring: one photo a line, then perhaps numbers.

Places365's `places365_train_standard.txt` has "/a/airfield/00000001.jpg 0" (the number is a class), CelebA's
`list_eval_partition.txt` has "000001.jpg 0" (0 train, 1 validation, 2 test), the CSV that Kaggle made of it a header
and commas; an `.flist` has paths as they are on the machine where it was written.
"""

import logging
import os
import re
from pathlib import Path

from data.headers import SUFFIXES
from data.scan import sort_key

log = logging.getLogger(__name__)

_PHOTO = rf"(?:{'|'.join(map(re.escape, sorted(SUFFIXES, reverse=True)))})"
_ROW = re.compile(
    rf'"?(?P<name>.+?{_PHOTO})"?(?:[\s,;]+-?[\d.]+)*?(?:[\s,;]+(?P<number>-?[\d.]+))?[\s,;]*', re.IGNORECASE
)
"""A photo and numbers, of which the last one counts, apart by spaces, tabs, commas or semicolons."""
_ODD_ROW = re.compile(r"(?P<name>.+?)(?:\s+(?P<number>-?\d+))?\s*")
"""The same of a photo with an ending of its own."""

MOST_HEADINGS = 2
"""CelebA's lists begin with the number of photos and the names of the columns."""


def read_list(path: Path, number: int | None = None, folder: Path = Path()) -> list[str]:
    """The names in a list, sorted as a catalog is; with `number`, only those whose line ends in it.

    They are paths under `folder`: absolute ones that lie in it are taken relative to it, and so are those that begin
    with its own name as it is given. Headings are left out, which a warning says. ValueError if there are no names.
    """
    under = _Folder(folder)
    # Windows' editors begin a file with a mark (BOM) that would be part of the first name.
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    rows = [_ROW.fullmatch(line) or _ODD_ROW.fullmatch(line) for line in lines if line]
    rows = rows[_headings(path, [row.re is _ROW for row in rows if row], [row[0] for row in rows if row]) :]
    names = [under.relative(row["name"]) for row in rows if row and (number is None or row["number"] == str(number))]
    if not names:
        wanted = "" if number is None else f" with the number {number}"
        raise ValueError(f"{path} lists no photo{wanted}: it should have lines such as 'folder/photo.jpg 0'")
    return sorted(names, key=sort_key)


def _headings(path: Path, is_photo: list[bool], lines: list[str]) -> int:
    """The number of lines before the first photo, if that comes soon: they are headings."""
    first = is_photo.index(True) if True in is_photo else 0
    if not 0 < first <= MOST_HEADINGS:
        return 0
    log.warning("%s: taken for headings, and left out: %s", path, "; ".join(repr(line) for line in lines[:first]))
    return first


class _Folder:
    """The folder that listed names are under."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.absolute = {f"{root.rstrip('/')}/" for root in (os.path.abspath(folder), os.path.realpath(folder))}
        self.own = f"{os.path.normpath(folder)}/"

    def relative(self, name: str) -> str:
        """The path under the folder that a list means by `name`."""
        path = os.path.normpath(name)
        for root in self.absolute:
            if path.startswith(root):
                return path.removeprefix(root)
        if path.startswith(self.own) and not os.path.lexists(self.folder / path):
            return path.removeprefix(self.own)
        return path.lstrip("/")
