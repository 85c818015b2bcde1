"""Two trainings in one folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.training.run_lock import only_run_in
from engine.training.trainer import train

HOLD = """
import os, sys, time
from pathlib import Path
from engine.training.run_lock import only_run_in
with only_run_in(Path(sys.argv[1])):
    if not os.fork():  # as a loader's worker is
        time.sleep(100)
    print("held", flush=True)
    time.sleep(100)
"""


def test_a_second_training_in_a_run_folder_is_refused_until_the_first_has_ended(tiny):
    """Killed, too, and whatever its workers do."""
    folder = tiny().run_folder
    words = [sys.executable, "-c", HOLD, str(folder)]
    first = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    strays = folder / "checkpoints" / ".00000004.pt.1.tmp"  # what it is writing
    strays.parent.mkdir()
    strays.touch()
    try:
        with pytest.raises(ValueError, match=rf"another training runs in {folder}: .* --out"):
            train(tiny())
        assert [path.name for path in strays.parent.iterdir()] == [strays.name]
        assert not (folder / "options.json").exists()
        first.kill()
        first.wait()
        train(tiny())
    finally:
        os.killpg(first.pid, signal.SIGKILL)
    assert [path.name for path in strays.parent.iterdir()] == ["00000012.pt"]


@pytest.mark.parametrize("wrong", [{"init": Path("nowhere")}, {"photos": Path("nowhere")}])
def test_a_start_that_fails_leaves_nothing_behind(tiny, tmp_path, wrong):
    out = tmp_path / "runs" / "mine"
    with pytest.raises(ValueError, match="nowhere"):
        train(tiny(out=out, **wrong))
    assert not out.parent.exists()
    out.parent.mkdir()
    out.mkdir()
    with pytest.raises(ValueError, match="nowhere"):
        train(tiny(out=out, **wrong))
    assert out.exists(), "it was there before"


def test_a_run_that_fails_after_it_has_begun_keeps_what_it_has_left(tmp_path):
    def fail():
        with only_run_in(tmp_path / "run"):
            (tmp_path / "run" / "metrics.jsonl").touch()
            raise OSError("no more room")

    with pytest.raises(OSError, match="no more room"):
        fail()
    assert (tmp_path / "run" / "metrics.jsonl").exists()


def test_where_there_are_no_locks_a_training_runs_and_says_so(tmp_path, monkeypatch, caplog):
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.lockf", refuse)
    with only_run_in(tmp_path / "run"):
        pass
    assert "has no locks" in caplog.text


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    Path(tmp_path, "file").touch()
    with pytest.raises(ValueError, match=r"cannot write into the run folder.*--out"), only_run_in(tmp_path / "file"):
        pass
