"""Checkpoints on disk: which files are checkpoints, which of them are damaged, and which are somebody else's."""

import logging
from pathlib import Path

import pytest
import torch

from engine.training.checkpoint import checkpoints, load_newest, save_checkpoint


def test_damaged_checkpoints_are_passed_over(tmp_path, caplog):
    for iteration in (1, 2, 3):
        save_checkpoint(tmp_path, iteration, {"iteration": iteration}, keep=3)
    newest, middle, _ = checkpoints(tmp_path)
    newest.write_bytes(newest.read_bytes()[:100])
    middle.write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        path, state = load_newest(tmp_path)
    assert state["iteration"] == 1
    assert path.name == "00000001.pt"
    assert caplog.text.count("passing over") == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["00000001.pt", "00000002.damaged", "00000003.damaged"]


def test_a_checkpoint_with_a_few_other_bytes_in_it_is_damaged(tmp_path, caplog):
    """As a disk changes them in time: the file has its length, and torch.load opens it."""
    for iteration in (1, 2):
        save_checkpoint(tmp_path, iteration, {"iteration": iteration, "weights": torch.rand(10_000)}, keep=2)
    newest = checkpoints(tmp_path)[0]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert load_newest(tmp_path)[1]["iteration"] == 1
    assert "checksum" in caplog.text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_a_checkpoint_that_the_system_does_not_let_be_read_stays(tmp_path, monkeypatch, error):
    """It may be as good as ever: another user's, or behind a network that is down."""
    for iteration in (1, 2):
        save_checkpoint(tmp_path, iteration, {"iteration": iteration}, keep=2)

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("engine.training.checkpoint.ZipFile", refuse)
    with pytest.raises(OSError, match=f"{error.strerror}.*00000002.pt"):
        load_newest(tmp_path)
    assert names(tmp_path) == ["00000001.pt", "00000002.pt"]


def test_files_of_other_names_are_neither_read_nor_deleted(tmp_path):
    mine = ["00000000-good.pt", "00000009_best.pt", "7.pt"]
    for name in mine:
        (tmp_path / name).write_text("mine")
    for iteration in (1, 2, 100_000_000):
        save_checkpoint(tmp_path, iteration, {"iteration": iteration}, keep=1)
    path, state = load_newest(tmp_path)
    assert (path.name, state["iteration"]) == ("100000000.pt", 100_000_000)
    assert names(tmp_path) == sorted([*mine, "100000000.pt"])


@pytest.mark.parametrize("content", [{"weights": torch.zeros(3)}, [1, 2], Path])
def test_a_file_of_a_checkpoint_s_name_that_is_none_is_refused_and_stays(tmp_path, content):
    save_checkpoint(tmp_path, 1, {"iteration": 1}, keep=2)
    torch.save(content, tmp_path / "00000002.pt")
    with pytest.raises(ValueError, match=r"00000002.pt is no checkpoint of engine-train; move it"):
        load_newest(tmp_path)
    assert names(tmp_path) == ["00000001.pt", "00000002.pt"]
