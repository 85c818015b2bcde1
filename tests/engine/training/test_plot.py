"""The picture of a run's curves."""

import json

import cv2
import numpy as np
import pytest

from engine.commands import train as command
from engine.commands.train import to_plot
from engine.training.plot import BLUE, curves_of, metrics_of, phases_of, plot, running_mean, scale_of, ticks
from engine.training.trainer import train


def rows(count: int) -> list[dict]:
    """Of two phases, with a loss that falls by three orders of magnitude and another that is negative."""
    found = []
    for n in range(1, count + 1):
        phase = "completion" if n <= count // 2 else "joint"
        found.append({"iteration": n, "phase": phase, "mse": 10 ** (-3 * n / count), "log_mse": -n, "waiting": 0.1})
    return found


def write(folder, rows):
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("count", [1, 2, 30, 500])
def test_a_picture_has_a_panel_for_each_curve(tmp_path, count):
    judged = {"iteration": count, "phase": "joint", "validation/psnr_hole": 20.0, "validation/sharpness": float("nan")}
    write(tmp_path, [*rows(count), judged])
    path = plot(tmp_path)
    picture_HW3 = cv2.imread(str(path))
    assert (path, picture_HW3.shape) == (tmp_path / "metrics.png", (30 + 2 * 260, 2 * 720, 3))
    drawn = (np.abs(picture_HW3.astype(int) - BLUE) < 40).all(axis=2)
    panels = [drawn[y : y + 260, x : x + 720].sum() for y in (30, 290) for x in (0, 720)]
    assert [inked > 10 for inked in panels] == [True, True, True, False]  # mse, log_mse, PSNR, and an empty place


def test_a_curve_lies_where_its_values_are(tmp_path):
    """From the lower left to the upper right, in a picture of one panel."""
    write(tmp_path, [{"iteration": n, "phase": "joint", "psnr": n} for n in range(1, 11)])
    drawn = (np.abs(cv2.imread(str(plot(tmp_path))).astype(int) - BLUE) < 40).all(axis=2)
    y_P, x_P = np.nonzero(drawn)
    assert np.corrcoef(x_P, y_P)[0, 1] < -0.99


def test_scales_are_logarithmic_where_values_span_orders_of_magnitude():
    logarithmic, plain, negative = (scale_of(np.array(values), True) for values in ([1, 500.0], [1.0, 3], [-2.0, 100]))
    assert [scale.is_log for scale in (logarithmic, plain, negative)] == [True, False, False]
    assert list(ticks(logarithmic)) == [1, 10, 100]
    assert list(ticks(plain)) == [1, 1.5, 2, 2.5, 3]
    assert np.isclose(logarithmic.place(500.0) + logarithmic.place(1.0), 1)
    assert not scale_of(np.array([1, 500.0]), False).is_log
    assert list(ticks(scale_of(np.array([7.0]), True))), "one value has a scale, too"


def test_a_running_mean_is_of_the_values_that_there_are():
    assert running_mean(np.array([1.0, 2, 6, 3]), 1).tolist() == [1.5, 3, 11 / 3, 4.5]


def test_a_line_that_is_not_whole_is_left_out_and_phases_follow_each_other(tmp_path):
    write(tmp_path, rows(4))
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"iteration": 5, "pha')
    found = metrics_of(tmp_path)
    assert phases_of(found) == [("completion", 0, 2), ("joint", 2, 4)]
    assert [(curve.name, len(curve.value_P)) for curve in curves_of(found)] == [("mse", 4), ("log_mse", 4)]


def test_the_command_draws_what_a_training_left(tiny, monkeypatch, capsys):
    config = tiny()
    outcome = train(config)
    command.tell(outcome, config, [])
    said = capsys.readouterr().out
    assert f"engine-train --plot {config.run_folder}\n  tensorboard --logdir {config.run_folder}\n" in said
    monkeypatch.setattr("sys.argv", ["engine-train", "--plot", str(config.run_folder)])
    command.main()
    assert capsys.readouterr().out == f"{config.run_folder / 'metrics.png'}\n"


@pytest.mark.parametrize(
    ("content", "said"), [(None, "has no metrics.jsonl: give the run folder"), ("", "no row yet: wait until")]
)
def test_a_folder_without_metrics_is_an_error_in_a_line(tmp_path, monkeypatch, content, said):
    if content is not None:
        (tmp_path / "metrics.jsonl").write_text(content)
    monkeypatch.setattr("sys.argv", ["engine-train", "--plot", str(tmp_path)])
    with pytest.raises(SystemExit, match=rf"engine-train: {tmp_path}.*{said}"):
        command.main()


def test_what_does_not_go_with_a_plot_is_refused():
    assert to_plot(["--preset", "lite"]) is None
    with pytest.raises(ValueError, match="leave out --preset lite"):
        to_plot(["--plot", "runs/lite", "--preset", "lite"])
    with pytest.raises(ValueError, match="--plot names no run folder"):
        to_plot(["--plot"])
