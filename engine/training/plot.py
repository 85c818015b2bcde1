"""The curves of a run as a picture: what `metrics.jsonl` says of losses and validation, over the iterations."""

import json
import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from data.files import write_atomically
from engine.metrics import BETTER

NAME = "metrics.png"
"""The picture's name in the run folder."""

LOGARITHMIC = ("mse", "perceptual", "pattern", "adversarial", "discriminator")
"""The losses whose scale may be logarithmic: the others are logarithms or shares."""

NOT_DRAWN = ("iteration", "phase", "iterations/s", "images/s", "waiting")
"""The fields of a row that are neither a loss nor a judgement."""

WIDTH, HEIGHT = 720, 260
"""Of a panel, in pixels."""

LEGEND = 30
"""Height of the line that names the phases."""

LEFT, RIGHT, TOP, BOTTOM = 76, 14, 34, 28
"""Margins around the curve."""

LOG_RANGE = 8.0
"""The largest over the smallest value from which on a scale is logarithmic, if all are above 0."""

SMOOTHED = 100
"""Points from which on a mean over a twentieth of them is drawn on top of the curve."""

BLACK, GREY, PALE, BLUE = (30, 30, 30), (120, 120, 120), (225, 225, 225), (180, 90, 20)
"""BGR, as all colours here."""

GROUNDS = {"completion": (255, 255, 255), "discriminator": (228, 240, 250), "joint": (240, 246, 232)}
"""The ground that each phase has."""


class Curve(NamedTuple):
    """The values of one metric and the iterations that they belong to, as float64 of one length."""

    name: str
    iteration_P: np.ndarray
    value_P: np.ndarray


class Scale(NamedTuple):
    """From a value to its place between 0 and 1."""

    low: float
    high: float
    is_log: bool

    def place(self, value: np.ndarray | float) -> Any:
        """0 for the lowest value that is shown, and 1 for the highest."""
        if self.is_log:
            return (np.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (np.asarray(value) - self.low) / (self.high - self.low)


def plot(folder: Path) -> Path:
    """Draw the metrics of the run in `folder` and return the picture's path.

    ValueError if there are none, OSError if the picture cannot be written.
    """
    rows = metrics_of(folder)
    curves = curves_of(rows)
    if not curves:
        raise ValueError(f"{folder / 'metrics.jsonl'} has no losses yet: wait until the run has reported some")
    phases = phases_of(rows)
    last = max(float(row["iteration"]) for row in rows)
    panels = [panel(curve, phases, last) for curve in curves]
    if len(panels) % 2 and len(panels) > 1:
        panels.append(np.full_like(panels[0], 255))
    columns = 2 if len(panels) > 1 else 1
    lines = [np.concatenate(panels[n : n + columns], axis=1) for n in range(0, len(panels), columns)]
    path = folder / NAME
    lines.insert(0, legend(phases, lines[0].shape[1]))
    write_atomically(path, cv2.imencode(".png", np.concatenate(lines))[1].tobytes())
    return path


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    """The rows of the run's metrics; a last one that is still being written is left out. ValueError if there is none.

    A run that goes on may write rows that are there already again: of two of the same iteration, the later counts.
    """
    file = folder / "metrics.jsonl"
    if not file.is_file():
        raise ValueError(f"{folder} has no metrics.jsonl: give the run folder of engine-train, such as runs/lite")
    rows = []
    for line in file.read_bytes().splitlines():
        try:
            row = json.loads(line)
            float(row["iteration"])
        except (ValueError, KeyError, TypeError):
            continue
        rows.append(row)
    if not rows:
        raise ValueError(f"{file} has no row yet: wait until the run has reported some")
    return sorted(rows, key=lambda row: row["iteration"])


def curves_of(rows: Sequence[dict[str, Any]]) -> list[Curve]:
    """A curve for each loss and judgement, in the order in which they came up; values that are not finite are gaps."""
    found: dict[str, dict[float, float]] = {}
    for row in rows:
        for name, value in row.items():
            if name not in NOT_DRAWN and isinstance(value, int | float) and math.isfinite(value):
                found.setdefault(name, {})[row["iteration"]] = value
    ordered = sorted(found.items(), key=lambda item: item[0].startswith("validation/"))
    return [Curve(name, np.array([*points], float), np.array([*points.values()])) for name, points in ordered]


def phases_of(rows: Sequence[dict[str, Any]]) -> list[tuple[str, float, float]]:
    """The phases in their order: name, first and last iteration of those that were reported."""
    phases: list[tuple[str, float, float]] = []
    for phase, members in groupby(rows, key=lambda row: str(row.get("phase", ""))):
        reported = [float(row["iteration"]) for row in members]
        begun = phases[-1][2] if phases else 0.0  # the report before it was the last one of the phase before
        phases.append((phase, begun, reported[-1]))
    return phases


def legend(phases: Sequence[tuple[str, float, float]], width: int) -> np.ndarray:
    """A line with the name of each phase on its ground (LEGEND x width x 3, BGR)."""
    picture_HW3 = np.full((LEGEND, width, 3), 255, np.uint8)
    for n, phase in enumerate(dict.fromkeys(phase for phase, *_ in phases)):
        corner = LEFT + 150 * n, 6
        cv2.rectangle(picture_HW3, corner, (corner[0] + 130, LEGEND - 4), GROUNDS.get(phase, PALE), -1)
        cv2.rectangle(picture_HW3, corner, (corner[0] + 130, LEGEND - 4), GREY, 1)
        write(picture_HW3, f"{phase} phase", (corner[0] + 6, LEGEND - 11), BLACK)
    return picture_HW3


def panel(curve: Curve, phases: Sequence[tuple[str, float, float]], last: float) -> np.ndarray:
    """A picture of one curve (HEIGHT x WIDTH x 3, BGR) with its scales, on the grounds of the phases."""
    picture_HW3 = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    across, scale = Scale(0.0, max(last, 1.0), False), scale_of(curve.value_P, curve.name in LOGARITHMIC)
    for phase, begun, ended in phases:
        x0, x1 = (LEFT + round(wide * float(across.place(end))) for end in (begun, ended))
        cv2.rectangle(picture_HW3, (x0, TOP), (x1, TOP + high), GROUNDS.get(phase, PALE), -1)
        if begun:
            cv2.line(picture_HW3, (x0, TOP), (x0, TOP + high), GREY, 1)
    for value in ticks(scale):
        y = TOP + high - round(high * float(scale.place(value)))
        cv2.line(picture_HW3, (LEFT, y), (LEFT + wide, y), PALE, 1)
        write(picture_HW3, f"{value:.4g}", (LEFT - 6, y + 4), BLACK, from_right=True)
    for value in ticks(across):
        x = LEFT + round(wide * float(across.place(value)))
        cv2.line(picture_HW3, (x, TOP + high), (x, TOP + high + 4), BLACK, 1)
        write(picture_HW3, f"{value:,.0f}", (x, TOP + high + 18), BLACK, from_right=value > 0.9 * last)
    draw(picture_HW3, curve, across, scale)
    cv2.rectangle(picture_HW3, (LEFT, TOP), (LEFT + wide, TOP + high), BLACK, 1)
    notes = [BETTER.get(curve.name.removeprefix("validation/"), "")] + ["log scale"] * scale.is_log
    said = ", ".join(note for note in notes if note)
    write(picture_HW3, curve.name + (f" ({said})" if said else ""), (LEFT, TOP - 10), BLACK, size=0.5)
    return picture_HW3


def draw(picture_HW3: np.ndarray, curve: Curve, across: Scale, scale: Scale) -> None:
    """The curve: pale, with its running mean on top, where it has many points."""
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    x_P = LEFT + wide * across.place(curve.iteration_P)
    lines = [(curve.value_P, BLUE, 2)]
    if len(x_P) >= SMOOTHED:
        lines = [(curve.value_P, (230, 195, 160), 1), (running_mean(curve.value_P, len(x_P) // 20), BLUE, 2)]
    for value_P, colour, thickness in lines:
        y_P = TOP + high * (1 - scale.place(value_P))
        points_P2 = np.round(np.stack([x_P, y_P], axis=1)).astype(np.int32)
        cv2.polylines(picture_HW3, [points_P2], False, colour, thickness, cv2.LINE_AA)
        if len(points_P2) < SMOOTHED:
            for x, y in points_P2.tolist():
                cv2.circle(picture_HW3, (x, y), 3, colour, -1, cv2.LINE_AA)


def running_mean(value_P: np.ndarray, reach: int) -> np.ndarray:
    """The mean of each value and those up to `reach` before and after it, of as many as there are."""
    total_P = np.concatenate(([0.0], np.cumsum(value_P)))
    place_P = np.arange(len(value_P))
    first_P, end_P = np.maximum(place_P - reach, 0), np.minimum(place_P + reach + 1, len(value_P))
    return (total_P[end_P] - total_P[first_P]) / (end_P - first_P)


def scale_of(value_P: np.ndarray, may_be_log: bool) -> Scale:
    """A scale that shows all values: logarithmic for those of several orders of magnitude, where it may be."""
    low, high = float(value_P.min()), float(value_P.max())
    if may_be_log and low > 0 and high / low >= LOG_RANGE:
        return Scale(low / 1.1, high * 1.1, True)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return Scale(low - margin, high + margin, False)


def ticks(scale: Scale) -> Iterator[float]:
    """Round values on a scale: 1, 2 and 5 times powers of ten where it is logarithmic, else four to ten steps."""
    low, high = scale.low, scale.high
    if scale.is_log:
        factors = (1, 2, 5) if high / low < 200 else (1,)
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        yield from (tick for power in powers for factor in factors if low <= (tick := factor * 10.0**power) <= high)
        return
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    yield from (step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1))


def write(
    picture_HW3: np.ndarray,
    text: str,
    place: tuple[int, int],
    colour: tuple[int, int, int],
    size: float = 0.4,
    from_right: bool = False,
) -> None:
    """A line of text whose left end is at `place`, or its right one."""
    x = place[0] - cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0] * from_right
    cv2.putText(picture_HW3, text, (x, place[1]), cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
