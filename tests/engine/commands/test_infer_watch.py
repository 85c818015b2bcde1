"""engine-infer --watch: photos that arrive in a folder are completed once each, and what failed once it is mended."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.inference.folders import watching
from engine.inference.folders.jobs import find_jobs

WORDS = [sys.executable, "-m", "engine.commands.infer", "--watch", "--json"]


def put(folder: Path, name: str, masked: bool = True, written: float = 0) -> Path:
    """A photo, and its mask beside it, last written so many seconds ago."""
    photo, mask = folder / f"{name}.png", folder / f"{name}.mask.png"
    Image.fromarray(np.full((40, 50, 3), 120, np.uint8)).save(photo)
    if masked:
        mask_HW = np.zeros((40, 50), np.uint8)
        mask_HW[10:20, 15:30] = 255
        Image.fromarray(mask_HW).save(mask)
    for file in (photo, mask):
        if file.exists():
            os.utime(file, (time.time() - written,) * 2)
    return photo


def test_photos_are_completed_as_they_arrive(tmp_path, weights):
    photos, done = tmp_path / "photos", tmp_path / "done"
    photos.mkdir()
    put(photos, "first")
    words = [*WORDS, str(photos), "--out", str(done), "--weights", str(weights)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        assert "waiting for photos in" in process.stderr.readline()

        def outcome() -> tuple[str, str]:
            told = json.loads(process.stdout.readline())
            return Path(told["photo"]).stem, told["status"]

        assert outcome() == ("first", "completed")
        put(photos, "second", masked=False)
        assert outcome() == ("second", "failed")
        (photos / "sub").mkdir()
        put(photos / "sub", "third")
        assert outcome() == ("third", "completed")
        put(photos, "second")
        assert outcome() == ("second", "completed")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
        assert process.stdout.read() == ""
    assert sorted(file.relative_to(done).as_posix() for file in done.rglob("*.*")) == [
        "first.png", "second.png", "sub/third.png",
    ]  # fmt: skip


def test_what_is_being_copied_is_waited_for(tmp_path, monkeypatch):
    """Each turn is one look at the folder."""
    turns = iter([{("added", "young.png")}, set(), set()])
    monkeypatch.setattr("watchfiles.watch", lambda *folders, **options: turns)
    put(tmp_path, "old", written=5)
    young = put(tmp_path, "young", written=0)
    lists = watching.arriving(lambda: find_jobs((tmp_path,), None)[0], [tmp_path], None)
    assert [job.photo.stem for job in next(lists)] == ["old"]
    for file in (young, young.with_name("young.mask.png")):
        os.utime(file, (time.time() - 5,) * 2)
    assert [job.photo.stem for job in next(lists)] == ["young"]  # and not "old" again, which has left no result
    assert list(lists) == []


def test_two_photos_of_one_name_end_nothing(tmp_path, monkeypatch, caplog):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        put(folder, "same", written=5)
    lists = watching.arriving(lambda: find_jobs(tuple(folders), tmp_path / "out")[0], folders, None)

    def removed():
        yield {("added", "a.png")}
        (folders[1] / "same.png").unlink()
        yield {("deleted", "same.png")}

    monkeypatch.setattr("watchfiles.watch", lambda *folders, **options: removed())
    assert [job.photo for job in next(lists)] == [folders[0] / "same.png"]
    assert "2 of the photos would be written to" in caplog.text


@pytest.mark.parametrize(("words", "status", "said"), [
    (["--overwrite"], 2, "--watch and --overwrite are both given"),
    (["--side-by-side", "three.png"], 1, "--side-by-side is one picture"),
    (["photo.png"], 1, "--watch waits for photos in folders, and photo.png is none"),
    (["--mask", "nowhere"], 1, "--mask is nowhere, and nothing is there: make the folder first"),
])  # fmt: skip
def test_options_that_do_not_go_with_it(tmp_path, weights, words, status, said):
    words = [*WORDS, str(tmp_path), *words, "--weights", str(weights)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == status
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_a_folder(weights):
    ended = subprocess.run([*WORDS, "--weights", str(weights)], capture_output=True, text=True, check=False)
    assert ended.stderr == "engine-infer: --watch waits for photos in folders, and none is named\n"
