"""GIMP's plug-in, in GIMP 3 where there is one: what it adds to an image is what engine-infer completes."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from engine.commands.serve import ServeConfig, installed
from tests.engine.serve.conftest import free_port, is_let_go, mask_of

GIMP = shutil.which("gimp-console-3.0")
pytestmark = pytest.mark.skipif(GIMP is None, reason="no gimp-console-3.0 on the PATH: Debian 13 has GIMP 3")

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[3]
SECONDS = 300
"""For a hanging GIMP."""
SIZE = WIDTH, HEIGHT = 200, 160
HOLE = (60, 40, 30, 26)
SMALL, LARGE = (40, 20, 100, 90), (-50, -40, 300, 260)


def cases(folder, photo):
    """The photos, and what is done with each."""
    rng = np.random.default_rng(0)
    deep_HW3 = np.asarray(Image.open(photo))[..., ::-1] * np.uint16(257)
    cv2.imwrite(str(folder / "deep.png"), np.minimum(deep_HW3, 65000) + rng.integers(0, 200, deep_HW3.shape, np.uint16))
    sprite = Image.open(photo).convert("RGBA")
    sprite.paste((255, 0, 255, 0), (0, 0, WIDTH, 80))
    sprite.paste((255, 255, 0, 255), (62, 42, 88, 60))
    sprite.save(folder / "sprite.png")
    for name, (_, _, width, height) in {"small": SMALL, "large": LARGE}.items():
        colours_HW3 = cv2.resize(rng.integers(0, 256, (9, 10, 3), np.uint8), (width, height))
        np.dstack((colours_HW3, np.full((height, width), 255, np.uint8))).tofile(folder / f"{name}.samples")
    for name, other in {
        "plain": {},
        "deep": {"photo": str(folder / "deep.png")},
        "soft": {"feather": 6},
        "small": {"layer": {"samples": str(folder / "small.samples"), "box": SMALL}},
        "large": {"layer": {"samples": str(folder / "large.samples"), "box": LARGE}},
        "sprite": {"photo": str(folder / "sprite.png")},
        "nothing": {"selected": []},
        "everything": {"selected": [(0, 0, WIDTH, HEIGHT)]},
    }.items():
        yield {"name": name, "photo": str(photo), "selected": [HOLE], **other}


@pytest.fixture(scope="module")
def ran(weights, shipped_photos, tmp_path_factory):
    """The folder with what GIMP has left of each case, and the port of the server that the plug-in has started."""
    folder = tmp_path_factory.mktemp("gimp")
    photo = folder / "photo.png"
    Image.open(shipped_photos / "astronaut.png").convert("RGB").crop((150, 0, 350, 160)).save(photo)
    plugins = folder / "GIMP" / "3.0" / "plug-ins"
    plugins.mkdir(parents=True)
    port = free_port()
    options = ["--port", str(port), "--weights", str(weights), "--runtime", "torch"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        said = installed(ServeConfig(install_plugin="gimp", port=port), ["--install-plugin", "gimp", *options])
    assert said.startswith(f"Written: {plugins / 'glcic_engine'}; ")
    (folder / "cases.json").write_text(json.dumps(list(cases(folder, photo))))
    script = folder / "in_gimp.py"
    shutil.copy(HERE / "in_gimp.py", script)
    program = f"exec(open({str(script)!r}).read())"
    words = [GIMP, "--no-interface", "--batch-interpreter", "python-fu-eval", "--batch", program, "--quit"]
    mine = {
        "FOLDER": str(folder),
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        words, env=os.environ | mine, capture_output=True, text=True, check=False, timeout=SECONDS, cwd=folder
    )
    assert (folder / "results.json").exists(), done
    return folder, port


@pytest.fixture
def results(ran):
    return json.loads((ran[0] / "results.json").read_text())


@pytest.fixture
def samples(ran):
    def read(name, of):
        dtype = np.uint16 if name == "deep" and of != "selection" else np.uint8
        return np.fromfile(ran[0] / f"{name}.{of}", dtype).reshape(HEIGHT, WIDTH, -1)

    return read


@pytest.fixture
def expected(command, samples, tmp_path):
    """What engine-infer makes of the layer that GIMP had, and of what was selected in it by half or more."""

    def call(name):
        before_HW4 = samples(name, "before")
        order = [2, 1, 0, 3] if before_HW4[..., 3].min() == 0 else [2, 1, 0]
        cv2.imwrite(str(tmp_path / "layer.png"), before_HW4[..., order])
        mask = Image.fromarray((samples(name, "selection")[..., 0] >= 128) * np.uint8(255))
        content = command(tmp_path / "layer.png", mask)
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)[..., order]

    return call


@pytest.mark.parametrize("name", ["plain", "soft", "small", "large", "deep"])
def test_the_new_layer_is_what_was_completed(results, samples, expected, name):
    result, before_HW4, after_HW4 = results[name], samples(name, "before"), samples(name, "after")
    below = "layer" if name in ("small", "large") else result["below"]
    assert result == {"problem": None, "added": [f"{below}, completed"], "below": below}
    changed_HW = after_HW4[..., 3] == np.iinfo(after_HW4.dtype).max
    assert changed_HW.any()
    assert not after_HW4[~changed_HW, 3].any()
    seen_HW3 = np.where(changed_HW[..., None], after_HW4, before_HW4)[..., :3]
    there_HW = before_HW4[..., 3] > 0
    np.testing.assert_array_equal(seen_HW3[there_HW], expected(name)[..., :3][there_HW])


def test_gimp_has_the_samples_of_the_file(ran, samples):
    np.testing.assert_array_equal(samples("plain", "before")[..., :3], np.asarray(Image.open(ran[0] / "photo.png")))
    selected_HW = samples("plain", "selection")[..., 0]
    np.testing.assert_array_equal(selected_HW, np.asarray(mask_of(SIZE, (60, 40, 90, 66))))


def test_where_transparency_is_completed_the_new_layer_is_whole(results, samples, expected):
    assert results["sprite"]["problem"] is None
    after_HW4, expected_HW4 = samples("sprite", "after"), expected("sprite")
    np.testing.assert_array_equal(after_HW4[..., 3], expected_HW4[..., 3])
    seen_HW = after_HW4[..., 3] > 0
    np.testing.assert_array_equal(after_HW4[seen_HW], expected_HW4[seen_HW])


@pytest.mark.parametrize(
    ("name", "problem"),
    [("nothing", "Nothing is selected by half or more"), ("everything", "the mask covers the whole")],
)
def test_what_cannot_be_removed_is_told_and_nothing_is_added(results, name, problem):
    assert results[name]["added"] == []
    assert problem in results[name]["problem"]


def test_the_server_that_the_plugin_has_started_ends_with_gimp(ran):
    assert (ran[0] / "GIMP" / "3.0" / "plug-ins" / "glcic_engine" / "server.log").exists()
    assert is_let_go(ran[1])
