"""python -m tests.engine.cluster.many_names COUNT DESK WEIGHTS CACHE: a run on a cluster among so many names.

The photos and masks in DESK are there, and as many more as are made up, all of which have a result. Prints the summary,
and the most memory that the command's own process had, in MB. With 10,000,000 it takes some minutes.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from engine.cluster import todo
from engine.cluster.stores import Folder
from engine.commands.start import infer

ENDINGS = {"photos": ".jpg", "masks": ".png", "done": ".jpg"}


def main(count: int, desk: Path, weights: Path, cache: int) -> None:
    there, todo.CACHE = Folder.listed, cache

    def listed(store: Folder, depth: int | None = None) -> Iterator[list[str]]:
        for begin in range(0, count, 1000):
            numbers = range(begin, min(count, begin + 1000))
            yield [f"photos of a day/{number:012}{ENDINGS[store.path.name]}" for number in numbers]
        yield from there(store, depth)

    Folder.listed = listed
    words = [desk / "photos", "--mask", desk / "masks", "--out", desk / "done", "--weights", weights]
    sys.argv = ["engine-infer", *map(str, words), "--cluster", "local", "--actors", "1"]
    try:
        infer()
    finally:
        (peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        print(int(peak.split()[1]) // 1000)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
