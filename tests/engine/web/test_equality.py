"""The page completes as the engine does without texture, in a real browser: within 2 levels of 255, hole by hole."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from engine.inference.report import Report
from tests.engine.web.conftest import ISOLATED, completed_by_page

MOST = 2
"""Levels of 255 by which any pixel may differ."""


def photo_of(shipped_photos, name, width, height):
    return Image.open(shipped_photos / name).convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


def sky(shipped_photos, width, height):
    """A shade with a bit of noise, and a few things in it that have little contrast."""
    ys, xs = np.mgrid[:height, :width] / max(width, height)
    noise = np.random.default_rng(1).normal(0, 1.5, (height, width, 3))
    shade = np.stack((90 + 30 * ys, 120 + 25 * xs, 170 - 20 * ys), axis=2) + noise
    return Image.fromarray(np.rint(shade).clip(0, 255).astype(np.uint8))


def flat(shipped_photos, width, height):
    """A smooth shade without noise."""
    ys, xs = np.mgrid[:height, :width] / max(width, height)
    return Image.fromarray(np.stack((60 + 90 * ys, 200 - 50 * xs, 30 + 80 * xs * ys), axis=2).astype(np.uint8))


def grey(shipped_photos, width, height):
    return photo_of(shipped_photos, "coffee.png", width, height).convert("L").convert("RGB")


CASES = {
    "a small hole": ("chelsea.png", (300, 240), ["rectangle 120 90 160 125"]),
    "two holes": ("coffee.png", (420, 330), ["rectangle 60 60 95 110", "ellipse 300 200 345 250"]),
    "holes near each other": ("coffee.png", (420, 330), ["rectangle 60 60 75 90", "rectangle 90 66 110 84"]),
    "a hole at the border": ("astronaut.png", (301, 243), ["rectangle 0 80 40 130"]),
    "a hole in a corner, of a photo of odd sides": ("chelsea.png", (333, 251), ["rectangle 280 200 332 250"]),
    "a hole next to the border": ("coffee.png", (310, 250), ["rectangle 120 4 170 40"]),
    "a hole larger than the network's": ("astronaut.png", (512, 512), ["ellipse 150 170 330 360"]),
    "one four times as large": ("coffee.png", (700, 520), ["rectangle 150 80 560 440"]),
    "a thin scratch": ("chelsea.png", (400, 300), ["line 30 40 360 250 2"]),
    "a wire across a large photo": ("astronaut.png", (1400, 900), ["line 0 60 1399 800 9"]),
    "a hole in a smooth shade": (flat, (260, 220), ["rectangle 90 80 150 130"]),
    "a hole in a flat sky": (sky, (400, 300), ["ellipse 150 90 230 170"]),
    "a large hole in a flat sky": (sky, (500, 400), ["rectangle 120 90 330 300"]),
    "a photo without colour": (grey, (300, 240), ["rectangle 120 90 170 150"]),
    "a photo smaller than a window": ("chelsea.png", (70, 50), ["rectangle 30 20 45 35"]),
    "a narrow strip": ("chelsea.png", (200, 37), ["rectangle 80 10 110 25"]),
}


def mask_of(size, shapes):
    mask = Image.new("L", size)
    draw = ImageDraw.Draw(mask)
    for shape in shapes:
        kind, *numbers = shape.split()
        numbers = list(map(int, numbers))
        if kind == "line":
            draw.line(numbers[:4], fill=255, width=numbers[4])
        else:
            getattr(draw, kind)(numbers, fill=255)
    return mask


TEXTURED = ("a small hole", "a hole in a flat sky", "a thin scratch", "a hole in a smooth shade")


@pytest.fixture
def page(visit):
    return visit(ISOLATED)


def taken(shipped_photos, case):
    """A case's photo and mask."""
    source, size, shapes = CASES[case]
    photo = source(shipped_photos, *size) if callable(source) else photo_of(shipped_photos, source, *size)
    return photo, mask_of(size, shapes)


@pytest.mark.parametrize("case", CASES)
def test_within_two_levels_of_the_engine(page, completer, shipped_photos, case):
    photo, mask = taken(shipped_photos, case)
    report = Report()
    expected = completer.complete(
        np.asarray(photo), np.asarray(mask) >= 128, dilate=None, texture="none", report=report
    )
    said = completed_by_page(page, photo, mask)
    pixels_HW4 = said["pixels"]
    assert (pixels_HW4[..., 3] == 255).all()  # browsers write no PNG without alpha
    differences = np.abs(pixels_HW4[..., :3].astype(int) - expected)
    changed = np.abs(np.asarray(photo).astype(int) - expected).max(axis=2) > 0
    assert said["widened"] == sorted(report.widened)
    assert differences[~changed & (np.asarray(mask) == 0)].max(initial=0) <= MOST
    assert differences.max() <= MOST, np.argwhere(differences > MOST)[:5]


@pytest.mark.parametrize("case", TEXTURED)
def test_where_texture_is_missing_the_page_says_so(page, completer, shipped_photos, case):
    """Where the engine would draw it."""
    photo, mask = taken(shipped_photos, case)
    report = Report()
    completer.complete(np.asarray(photo), np.asarray(mask) >= 128, dilate=None, report=report)
    notes = [
        note for note in completed_by_page(page, photo, mask)["warnings"] if "does not draw the photo's tex" in note
    ]
    assert len(notes) == (report.texture.get("photo", 0) > 0)


def test_the_time_left_is_told_once_a_window_has_run(page, shipped_photos):
    said = completed_by_page(page, *taken(shipped_photos, "one four times as large"))
    lefts = [step["left"] for step in said["steps"]]
    assert lefts[0] is None
    assert all(left > 0 for left in lefts[1:])
    assert said["steps"][-1]["done"] + 1 == said["steps"][-1]["windows"]
