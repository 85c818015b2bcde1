"""bench/shadows.py: the made-up shadows that the engine's are judged by."""

import sys

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from bench.shadows import SEEN, cases, main


def test_a_shadow_takes_its_share_of_the_light_beside_the_thing() -> None:
    grey_HW3 = np.full((160, 160, 3), 188, np.uint8)  # half of the light, in sRGB
    made = list(cases([grey_HW3, np.zeros_like(grey_HW3)], 5))
    assert len(made) == 5
    for case in made:  # all on the grey one: nobody sees a shadow on black
        assert not (case.shadow_HW & case.painted_HW).any()
        core_HW = cv2.erode(case.shadow_HW.view(np.uint8), np.ones((11, 11), np.uint8)) > 0
        untouched_HW = cv2.dilate((case.shadow_HW | case.painted_HW).view(np.uint8), np.ones((31, 31), np.uint8)) == 0
        np.testing.assert_array_equal(case.shaded_HW3[untouched_HW], grey_HW3[untouched_HW])
        np.testing.assert_array_equal(case.plain_HW3[untouched_HW], grey_HW3[untouched_HW])
        if core_HW.any():
            light = (case.shaded_HW3[core_HW].mean() / 255) ** 2.2 / (188 / 255) ** 2.2
            assert abs(1 - light - case.strength) < 0.06
        assert np.abs(case.shaded_HW3.astype(int) - case.plain_HW3)[case.shadow_HW].mean() > SEEN / 2


def test_the_table(tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for number, image in enumerate((skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea())):
        Image.fromarray(image).resize((128, 128)).save(tmp_path / f"{number}.png")
    monkeypatch.setattr(sys, "argv", ["shadows", str(tmp_path), "--number", "4"])
    main()
    printed = capsys.readouterr().out
    assert "| ground all | 4 |" in printed
    monkeypatch.setattr(sys, "argv", ["shadows", str(tmp_path / "nothing")])
    with pytest.raises(SystemExit):
        main()
    assert "has too few photos" in capsys.readouterr().err
