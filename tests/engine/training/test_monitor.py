"""What a run says of itself, on a terminal and elsewhere."""

import cv2
import numpy as np
import pytest

from engine.training.monitor import Monitor
from tests.conftest import files_of_at_most

LOSSES = {"mse": 0.1, "adversarial": 0.2, "discriminator": 0.3, "iterations/s": 1, "images/s": 96, "waiting": 0.1}


@pytest.mark.parametrize(
    ("seconds", "left"),
    [(3723.4, "left 1:02:03\n"), (50, "left 0:00:50\n"), (2 * 86_400 + 3723.4, "left 2 days, 1:02:03\n")],
)
def test_the_time_left_is_that_of_as_many_iterations_again(tmp_path, capsys, monkeypatch, seconds, left):
    """However long it took to the first: compiling, and starting the loader, come once."""
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with Monitor(tmp_path, total=23, start=2) as monitor:
        now += 100_000
        monitor.finished(3)
        now += seconds
        monitor.finished(13)
        monitor.metrics(13, "completion", {"mse": 0.5})
    assert capsys.readouterr().out.endswith(f" 13/23  mse 0.5  {left}")


def test_one_iteration_is_too_few_to_tell_the_time_left(tmp_path, capsys):
    with Monitor(tmp_path, total=20, start=0) as monitor:
        monitor.finished(1)
        monitor.metrics(1, "completion", {"mse": 0.5})
    assert capsys.readouterr().out.endswith(" 1/20  mse 0.5\n")


def test_a_terminal_of_80_columns_shows_bar_count_and_time_left_and_all_losses(tmp_path, capsys, monkeypatch):
    """Also where reports are minutes apart."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    now = 1000.0
    monitor = Monitor(tmp_path, total=500_000, start=0)
    monkeypatch.setattr("engine.training.monitor.time.monotonic", lambda: now)
    monitor.finished(1)
    for iteration in (200_001, 400_001):
        now += 80_000
        monitor.metrics(iteration, "discriminator", LOSSES)
    capsys.readouterr()
    monitor.console.no_color = True
    monitor.console.print(monitor.progress.get_renderable())
    first, *rest = capsys.readouterr().out.splitlines()
    assert "━" in first
    assert "400001/500000" in first
    assert "left 11:06:40" in first  # 99,999 iterations at 0.4 s
    assert all(name in " ".join(rest) for name in LOSSES)


def test_reports_that_cannot_be_written_are_told_and_do_not_end_the_run(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("engine.training.monitor.open_tensorboard", lambda folder, start: None)
    noise = np.random.default_rng(0).integers(0, 256, (32, 96, 3), np.uint8)
    with Monitor(tmp_path, total=20, start=0) as monitor:
        monitor.last_line = np.inf  # standard output is a file here, too
        with files_of_at_most(100):
            monitor.picture(1, noise)
            monitor.metrics(1, "completion", dict.fromkeys(map(str, range(30)), 1.0))
        assert not list((tmp_path / "pictures").iterdir())
        told = [record.getMessage() for record in caplog.records]
        assert [line.startswith("a report is left out: ") for line in told] == [True, True]
        assert "pictures/00000001.png" in told[0]
        monitor.picture(1, noise)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "pictures" / "00000001.png"))[..., ::-1], noise)
