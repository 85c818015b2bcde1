"""What is left to do, against the rules of folders; and that it takes no memory to know."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.cluster.sources import Source
from engine.cluster.staging import Places
from engine.cluster.stores import open_store
from engine.cluster.survey import survey
from engine.cluster.todo import Listing, ToDo
from engine.inference.folders.jobs import Job, find_jobs
from engine.inference.folders.mask_sources import files_for

PARTS = {
    "folder": ("", "day/", "day/night/", "Day/", "a.mask/"),
    "name": ("a", "A", "b.c", "ü 1", ".hidden", "a.completed", "z_mask", "ab"),
    "mark": ("", "", "", ".mask", "_mask", "_mask001", "-MASK"),
    "ending": (".jpg", ".png", ".JPG", ".tif", ".json", ".bmp", ".txt", ".jpg.json", ""),
}


def made_up(folder: Path, seed: int, files: int) -> None:
    """Empty files of names that could be photos, masks, results and others."""
    random = np.random.default_rng(seed)
    for _ in range(files):
        name = "".join(parts[random.integers(len(parts))] for parts in PARTS.values())
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_dir():
            file.touch()


def surveyed(photos: Path, masks: Path | None) -> dict[str, ToDo]:
    with Listing() as listing:
        listing.add_photos(open_store(photos).listed(), sidecars=masks is None)
        if masks:
            listing.add_masks(open_store(masks).listed())
        listing.settle()
        todo = list(listing.to_do())
        assert listing.left() == listing.count() == len(todo)
        return {photo.name: photo for photo in todo}


@pytest.mark.parametrize("seed", range(20))
def test_the_photos_and_masks_are_those_of_folders(seed, tmp_path):
    made_up(tmp_path / "photos", seed, 60)
    made_up(tmp_path / "masks", seed + 1000, 120)
    jobs, _ = find_jobs((tmp_path / "photos",), tmp_path / "out")
    for masks in (None, tmp_path / "masks"):
        todo = surveyed(tmp_path / "photos", masks)
        assert set(todo) == {job.name.as_posix() for job in jobs}
        for job in jobs:
            photo = todo[job.name.as_posix()]
            found = [file.relative_to(masks or tmp_path / "photos").as_posix() for file in files_for(masks, job)]
            assert set(found) <= set(photo.masks), (job.name, photo)
            assert found or not picked(photo, job, masks, tmp_path / "staged"), (job.name, photo)
            assert picked(photo, job, masks, tmp_path / "staged") == found


def picked(photo: ToDo, job: Job, masks: Path | None, staged: Path) -> list[str]:
    """Of the files that could be a photo's masks, those that the rules pick where nothing else lies."""
    own = staged / str(len(list(staged.iterdir()) if staged.is_dir() else []))
    for name in (*photo.masks, *(() if masks else (photo.name,))):
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).touch()
    own.mkdir(parents=True, exist_ok=True)
    there = Job(own / photo.name if masks is None else job.photo, job.name, job.out, alone=photo.alone)
    return [file.relative_to(own).as_posix() for file in files_for(own if masks else None, there)]


def test_what_is_done_is_subtracted_and_what_failed_is_wanted():
    with Listing() as listing:
        listing.add_photos([["a.png", "b.png", "d/c.png", "done/a.png", "e.gif"]], without=("done/",))
        listing.add_results([["b.png", "report.parquet/x.parquet"]])
        listing.settle()
        assert [photo.name for photo in listing.to_do()] == ["a.png", "d/c.png"]
        assert listing.passed_over == {".gif": 1}
        listing.want(["b.png", "d/c.png"])
        assert [photo.name for photo in listing.to_do(wanted_alone=True)] == ["d/c.png"]
        assert (listing.left(), listing.left(wanted_alone=True)) == (2, 1)


PROGRAM = """
import re, sys
from pathlib import Path
from engine.cluster import todo
from engine.cluster.todo import Listing
todo.CACHE = 4
count = int(sys.argv[1])
pieces = lambda ending: ([f"photos of a day/{n + k:09}{ending}" for k in range(1000)] for n in range(0, count, 1000))
with Listing() as listing:
    listing.add_photos(pieces(".jpg"))
    listing.add_masks(pieces(".png"))
    listing.add_results(names[::2] for names in pieces(".jpg"))
    listing.settle()
    assert sum(len(photo.masks) for photo in listing.to_do()) == listing.left() == count // 2
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
"""
"""Linux begins `ru_maxrss` with what the process had that started this one."""


def test_a_full_disk_is_told_in_a_line(tmp_path):
    for number in range(2000):
        (tmp_path / f"{number:04}.jpg").touch()
    places = Places((Source(tmp_path),), None, tmp_path / "out")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (0, 64 << 10):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        try:
            with pytest.raises(OSError, match="names of the photos cannot be kept in"), survey(places):
                pass
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with survey(places) as listing:
        assert listing.left() == 2000


def test_memory_does_not_follow_the_number_of_names():
    """docs/measurements.md has ten million. In KiB; the first fills the database's cache already."""
    peaks = [
        int(subprocess.run([sys.executable, "-c", PROGRAM, str(count)], capture_output=True, check=True).stdout)
        for count in (50_000, 250_000)
    ]
    assert peaks[1] - peaks[0] < 12 << 10, peaks


def test_a_mask_is_found_in_a_real_photo_folder(tmp_path):
    """The names that are surveyed are those that can be opened."""
    (tmp_path / "p").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "p" / "x.png")
    Image.new("L", (4, 4)).save(tmp_path / "p" / "x.mask.png")
    assert surveyed(tmp_path / "p", None) == {"x.png": ToDo("x.png", ("x.mask.png",), True, "x.png", "x.png")}
