"""The page with other weights than the engine's own: a learned fill, another halo, windows of a wide network."""

from pathlib import Path

import numpy as np
import pytest

from engine.inference.completer import Completer
from engine.web.site import find_onnxruntime_web, write_site
from tests.engine.inference.conftest import random_network
from tests.engine.serve.conftest import NEEDS_CHROMIUM
from tests.engine.web.conftest import completed_by_page
from tests.engine.web.test_equality import MOST, taken

pytestmark = [NEEDS_CHROMIUM, pytest.mark.slow]

NETWORK = random_network(4, fill="learned")


@pytest.fixture(scope="module")
def site(onnxruntime_web, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("host") / "some" / "where" / "site"
    write_site(NETWORK, find_onnxruntime_web(onnxruntime_web), out)
    return out


def test_a_learned_fill(visit, shipped_photos):
    completer = Completer.of(NETWORK, "torch", "fp32", "cpu")
    page = visit()
    for case in ("a hole in a corner, of a photo of odd sides", "a narrow strip"):
        photo, mask = taken(shipped_photos, case)
        expected = completer.complete(np.asarray(photo), np.asarray(mask) >= 128, dilate=None, texture="none")
        pixels_HW3 = completed_by_page(page, photo, mask)["pixels"][..., :3]
        assert np.abs(pixels_HW3.astype(int) - expected).max() <= MOST


def test_windows_are_no_larger_than_a_wide_network_has_room_for(visit):
    """Of any width there is at least the smallest window, and a mask is covered by windows within the limit."""
    plan = """async ([width, side]) => {
      const { Network } = await import("./completion/network.js");
      const { planWindows } = await import("./completion/windows.js");
      const { emptyMask } = await import("./completion/grid.js");
      const { limit } = new Network({ base_width: width, halo: 152 });
      const mask = emptyMask(side, side);
      for (let y = 300; y < side - 300; y++) mask.data.fill(1, y * side + 300, (y + 1) * side - 300);
      return [limit, planWindows(mask, 152, limit)];
    }"""
    page = visit()
    for width in (16, 64, 256):
        limit, windows = page.evaluate(plan, [width, 1203])
        left_HW = np.zeros((1203, 1203), bool)
        left_HW[300:-300, 300:-300] = True
        for window in windows:
            outer, region = window["outer"], window["region"]
            assert (outer["bottom"] - outer["top"]) * (outer["right"] - outer["left"]) <= limit
            left_HW[region["top"] : region["bottom"], region["left"] : region["right"]] = False
        assert not left_HW.any()
