"""What a run says of itself where the output is no terminal."""

import pytest

from engine.training.monitor import Monitor


@pytest.mark.parametrize(
    ("seconds", "left"),
    [(3723.4, "left 1:02:03\n"), (50, "left 0:00:50\n"), (2 * 86_400 + 3723.4, "left 2 days, 1:02:03\n")],
)
def test_the_time_left_is_that_of_as_many_iterations_again(tmp_path, capsys, monkeypatch, seconds, left):
    monitor = Monitor(tmp_path, total=20, start=0)
    monkeypatch.setattr("time.monotonic", lambda: monitor.started + seconds)
    with monitor:
        monitor.metrics(10, "completion", {"mse": 0.5})
    assert capsys.readouterr().out.endswith(f" 10/20  mse 0.5  {left}")
