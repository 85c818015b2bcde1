"""Scaling as pictures: time and memory against a size, both logarithmic, with the exponent that fits them, in words."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

PLOTS = Path(__file__).with_name("plots")
WIDTH, HEIGHT, LEFT, TOP = 320, 220, 70, 30
"""Of a panel's frame, in pixels."""

Points = Sequence[tuple[float, float]]


def exponent(points: Points) -> float:
    """The p for which y = c x^p fits best, by least squares of the logarithms."""
    x, y = np.log(np.asarray(points, float)).T
    return float(np.polyfit(x, y, 1)[0])


def in_words(what: str, size: str, power: float) -> str:
    """'Time grows in proportion to the hole's area (exponent 1.02).'"""
    if power < 0.2:
        how = "hardly depends on"
    elif power < 0.8:
        how = "grows more slowly than"
    elif power <= 1.2:
        how = "grows in proportion to"
    else:
        how = "grows faster than"
    return f"{what} {how} {size} (exponent {power:.2f})."


def draw(name: str, size: str, panels: Mapping[str, Points], folder: Path = PLOTS) -> Path:
    """Write `name`.svg with a panel for each quantity ("seconds", "MB") against `size`."""
    drawn = [panel(number, label, size, points) for number, (label, points) in enumerate(panels.items())]
    width = (WIDTH + LEFT + 20) * len(panels)
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.svg"
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT + TOP + 50}" '
        'font-family="sans-serif" font-size="12" text-anchor="middle">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(drawn)}</svg>\n'
    )
    return path


def panel(number: int, label: str, size: str, points: Points) -> str:
    """Points, the fitted line and a frame whose corners are labelled by the data."""
    logs = np.log10(np.asarray(points, float))
    low, high = logs.min(0) - 0.15, logs.max(0) + 0.15
    power = exponent(points)
    middle = logs.mean(0)
    line = [(x, middle[1] + power * (x - middle[0])) for x in (logs[0, 0], logs[-1, 0])]
    left = number * (WIDTH + LEFT + 20) + LEFT

    def place(x: float, y: float) -> tuple[float, float]:
        right, up = (x - low[0]) / (high[0] - low[0]), (y - low[1]) / (high[1] - low[1])
        return left + WIDTH * right, TOP + HEIGHT * (1 - up)

    marks = []
    for (x, y), (log_x, log_y) in zip(points, logs, strict=True):
        across, down = place(log_x, log_y)
        marks.append(
            f'<circle cx="{across:.1f}" cy="{down:.1f}" r="4"/>'
            f'<text x="{across:.1f}" y="{down - 8:.1f}">{y:.3g}</text>'
            f'<text x="{across:.1f}" y="{TOP + HEIGHT + 16}">{x:.3g}</text>'
        )
    ends = " ".join(f"{across:.1f},{down:.1f}" for across, down in (place(*end) for end in line))
    return (
        f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="grey"/>'
        f'<polyline points="{ends}" fill="none" stroke="grey" stroke-dasharray="4"/>{"".join(marks)}'
        f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 36}">{size}</text>'
        f'<text x="{left + WIDTH / 2}" y="{TOP - 10}">{label}, exponent {power:.2f}</text>'
    )
