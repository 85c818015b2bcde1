"""The lists that data sets bring: one photo a line, then perhaps a number.

Places365's `places365_train_standard.txt` has "/a/airfield/00000001.jpg 0" (the number is a class), CelebA's
`list_eval_partition.txt` has "000001.jpg 0" (0 train, 1 validation, 2 test).
"""

import re
from pathlib import Path

from data.scan import sort_key


def read_list(path: Path, number: int | None = None) -> list[str]:
    """The names in a list, sorted as a catalog is; with `number`, only those whose line ends in it.

    ValueError if there are none.
    """
    names = []
    # Windows' editors begin a file with a mark (BOM) that would be part of the first name.
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        name, value = line.strip(), ""
        if numbered := re.fullmatch(r"(.+?)\s+(-?\d+)", name):
            name, value = numbered.groups()
        if name and (number is None or value == str(number)):
            names.append(name.lstrip("/"))
    if not names:
        wanted = "" if number is None else f" with the number {number}"
        raise ValueError(f"{path} lists no photo{wanted}: it should have lines such as 'folder/photo.jpg 0'")
    return sorted(names, key=sort_key)
