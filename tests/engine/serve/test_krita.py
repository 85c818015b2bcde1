"""Krita's plug-in, in Krita: what it adds to an image is what engine-infer completes, and else it says why not."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from engine.commands.serve import ServeConfig, installed
from tests.engine.serve.conftest import BUILD, free_port, is_let_go, mask_of

NEEDED = ("krita", "kritarunner", "xvfb-run", "xauth")
MISSING = [program for program in NEEDED if shutil.which(program) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"not on the PATH: {MISSING}: apt-get install {' '.join(NEEDED[::2])}"
)

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[3]
SECONDS = 300
"""For a hanging Krita; it takes a few."""
SIZE = WIDTH, HEIGHT = 200, 160
HOLE = (60, 40, 30, 26)
FAILS = "echo engine-serve: it has no weights; echo; exit 1"


def in_krita(home, words, **environment):
    """Run a program of Krita's on a display of its own, with a home of its own; what it said."""
    home.mkdir(exist_ok=True)
    mine = {"HOME": str(home), "XDG_DATA_HOME": str(home / "share"), "XDG_CONFIG_HOME": str(home), "LC_ALL": "C.UTF-8"}
    mine["TMPDIR"] = str(home)  # where Krita leaves files
    screen = ["xvfb-run", "--auto-servernum", "--server-args", "-screen 0 1400x900x24"]
    with subprocess.Popen(
        [*screen, *words],
        env=os.environ | mine | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            return process.communicate(timeout=SECONDS)[0]
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def install(monkeypatch, home, weights, port):
    """The folder of the plug-in, which starts a server like that of the tests."""
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "share"))
    options = ["--port", str(port), "--weights", str(weights), "--runtime", "torch"]
    said = installed(ServeConfig(install_plugin="krita", port=port), ["--install-plugin", "krita", *options])
    assert said.startswith(f"Written: {home}/share/krita/pykrita/glcic_engine; ")
    return home / "share" / "krita" / "pykrita"


def cases(folder, server, photo, started):
    """The photos, and what is done with each."""
    rng = np.random.default_rng(0)
    image = Image.open(photo)
    deep_HW3 = np.asarray(image)[..., ::-1] * np.uint16(257) + rng.integers(0, 200, (HEIGHT, WIDTH, 3), np.uint16)
    cv2.imwrite(str(folder / "deep.png"), np.minimum(deep_HW3, 65000))
    sprite = image.convert("RGBA")
    sprite.paste((255, 0, 255, 0), (0, 0, WIDTH, 80))
    sprite.paste((255, 255, 0, 255), (62, 42, 88, 60))
    sprite.save(folder / "sprite.png")
    profile = Path(shutil.which("krita") or "").parents[1] / "share/color/icc/krita/ClayRGB-elle-V2-g22.icc"
    image.save(folder / "profile.png", icc_profile=profile.read_bytes())
    veil = image.convert("RGBA")
    veil.putalpha(100)
    veil.save(folder / "veil.png")
    small, large = (40, 20, 100, 90), (-50, -40, 300, 260)
    for name, (_, _, width, height) in {"small": small, "large": large}.items():
        blocks = rng.integers(0, 256, (height // 10, width // 10, 3), np.uint8)
        colours_HW3 = cv2.resize(blocks, (width, height), interpolation=cv2.INTER_LINEAR)
        opaque_HW1 = np.full((height, width, 1), 255, np.uint8)
        np.concatenate((colours_HW3, opaque_HW1), 2).tofile(folder / f"{name}.samples")
    token = folder / "token"
    token.write_text("secret")
    settings = {"address": server.address.rstrip("/"), "token_file": str(token), "start": [], "folder": str(folder)}
    (folder / "server.json").write_text(json.dumps(settings))
    (folder / "nowhere.json").write_text(json.dumps(settings | {"address": f"http://127.0.0.1:{free_port()}"}))
    broken = {"address": f"http://127.0.0.1:{free_port()}", "start": ["sh", "-c", FAILS]}
    (folder / "broken.json").write_text(json.dumps(settings | broken))
    usual = {"photo": str(photo), "settings": str(folder / "server.json"), "selected": [(*HOLE, 255)]}
    off = {"settings": str(folder / "nowhere.json")}
    for name, other in {
        "cancelled": {"settings": str(started), "cancel": True},
        "started": {"settings": str(started)},
        "plain": {},
        "deep": {"photo": str(folder / "deep.png")},
        "profile": {"photo": str(folder / "profile.png")},
        "soft": {"selected": [(*HOLE, 255)], "feather": 6},
        "at the edge": {"selected": [(180, 130, 60, 60, 255)]},
        "small": {"layer": {"samples": str(folder / "small.samples"), "box": small}},
        "small, at its edge": {
            "layer": {"samples": str(folder / "small.samples"), "box": small},
            "selected": [(120, 60, 40, 20, 255)],
        },
        "large": {"layer": {"samples": str(folder / "large.samples"), "box": large}},
        "group": {"group": True},
        "sprite": {"photo": str(folder / "sprite.png")},
        "veil": {"photo": str(folder / "veil.png")},
        "nothing": {"selected": [], **off},
        "too soft": {"selected": [(*HOLE, 127)], **off},
        "beside": {"selected": [(220, 10, 30, 30, 255)], **off},
        "grey": {"convert": ("GRAYA", "U8"), **off},
        "float": {"convert": ("RGBA", "F32"), **off},
        "nowhere": off,
        "broken": {"settings": str(folder / "broken.json")},
        "everything": {"selected": [(0, 0, WIDTH, HEIGHT, 255)]},
    }.items():
        yield {"name": name, **usual, **other}


@pytest.fixture(scope="module")
def ran(server, weights, shipped_photos, tmp_path_factory):
    """The folder with what Krita has left of each case, and the port of the server that the plug-in has started."""
    folder = tmp_path_factory.mktemp("krita")
    photo = folder / "photo.png"
    Image.open(shipped_photos / "astronaut.png").convert("RGB").crop((150, 0, 350, 160)).save(photo)
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        plugins = install(patch, folder / "home", weights, port)
    asked = list(cases(folder, server, photo, plugins / "glcic_engine" / "server.json"))
    (folder / "cases.json").write_text(json.dumps(asked))
    words = ["kritarunner", "-s", "in_krita", "-f", "main"]
    paths = f"{plugins}:{HERE}:{ROOT}"
    said = in_krita(folder / "home", words, FOLDER=str(folder), PYTHONPATH=paths)
    assert (folder / "results.json").exists(), said
    return folder, port


@pytest.fixture
def results(ran):
    return json.loads((ran[0] / "results.json").read_text())


@pytest.fixture
def samples(ran):
    """What Krita had: samples red first, or the selection."""

    def read(name, of, dtype=np.uint8):
        flat = np.fromfile(ran[0] / f"{name}.{of}", np.uint8 if of == "selection" else dtype)
        return flat.reshape(HEIGHT, WIDTH) if of == "selection" else flat.reshape(HEIGHT, WIDTH, 4)[..., [2, 1, 0, 3]]

    return read


@pytest.fixture
def expected(command, samples, tmp_path):
    """What engine-infer makes of the layer that Krita had, and of what was selected in it by half or more."""

    def call(name, dtype=np.uint8):
        before_HW4 = samples(name, "before", dtype)
        order = [2, 1, 0, 3] if before_HW4[..., 3].min() < np.iinfo(dtype).max else [2, 1, 0]
        cv2.imwrite(str(tmp_path / "layer.png"), before_HW4[..., order])
        mask = Image.fromarray((samples(name, "selection") >= 128) * np.uint8(255))
        decoded = cv2.imdecode(np.frombuffer(command(tmp_path / "layer.png", mask), np.uint8), cv2.IMREAD_UNCHANGED)
        return decoded[..., order[:3]] if decoded.shape[2] == 3 else decoded[..., [2, 1, 0, 3]]

    return call


COMPLETED = ["plain", "started", "soft", "at the edge", "small", "large", "group", "deep", "profile"]


@pytest.mark.parametrize("name", COMPLETED)
def test_the_new_layer_is_what_was_completed(results, samples, expected, name):
    """The completed pixels, opaque, and nothing elsewhere."""
    dtype = np.uint16 if name == "deep" else np.uint8
    result, before_HW4, after_HW4 = results[name], samples(name, "before", dtype), samples(name, "after", dtype)
    assert (result["problem"], len(result["added"])) == (None, 1)
    assert result["space"] == ["RGBA", "U16" if name == "deep" else "U8", True]
    below = "layer" if name in ("small", "large", "group") else "Background"
    assert (result["added"], result["above"]) == ([f"{below}, completed"], below)
    changed_HW = after_HW4[..., 3] == np.iinfo(dtype).max
    assert changed_HW.any()
    assert not after_HW4[~changed_HW, 3].any()
    seen_HW3 = np.where(changed_HW[..., None], after_HW4, before_HW4)[..., :3]
    expected_HWC = expected(name, dtype)
    there_HW = before_HW4[..., 3] > 0
    np.testing.assert_array_equal(seen_HW3[there_HW], expected_HWC[..., :3][there_HW])
    assert there_HW[changed_HW].all()


def test_krita_has_the_samples_of_the_file(ran, samples):
    """No profile has come between."""
    photo_HW3 = np.asarray(Image.open(ran[0] / "photo.png"))
    for name in ("plain", "profile"):
        np.testing.assert_array_equal(samples(name, "before")[..., :3], photo_HW3)
    deep_HW3 = cv2.imread(str(ran[0] / "deep.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    np.testing.assert_array_equal(samples("deep", "before", np.uint16)[..., :3], deep_HW3)


def test_a_soft_selection_counts_from_its_half_on(samples):
    selected_HW = samples("soft", "selection")
    assert ((selected_HW > 0) & (selected_HW < 255)).sum() > 500
    hard_HW = np.asarray(mask_of(SIZE, (60, 40, 90, 66)))
    assert abs((selected_HW >= 128).sum() - (hard_HW > 0).sum()) < 100
    changed_HW = samples("soft", "after")[..., 3] > 0
    assert not changed_HW[selected_HW == 0].all()


@pytest.mark.parametrize("name", ["sprite", "veil", "small, at its edge"])
def test_where_transparency_is_completed_the_new_layer_is_whole(results, samples, expected, name):
    result = results[name]
    below = result["above"]
    assert result["notes"][-1] == f"The new layer is a whole one, as transparency was completed: hide '{below}' below."
    after_HW4, expected_HW4 = samples(name, "after"), expected(name)
    np.testing.assert_array_equal(after_HW4[..., 3], expected_HW4[..., 3])
    seen_HW = after_HW4[..., 3] > 0
    np.testing.assert_array_equal(after_HW4[seen_HW], expected_HW4[seen_HW])


NOTHING = "Nothing is selected on the canvas, by half or more: select what is to be removed."


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nothing", NOTHING),
        ("too soft", NOTHING),
        ("beside", NOTHING),
        (
            "grey",
            "The layer 'Background' is GRAYA of U8, and only RGB of 8 or 16 bits is completed: convert it in Layer",
        ),
        (
            "float",
            "The layer 'Background' is RGBA of F32, and only RGB of 8 or 16 bits is completed: convert it in Layer",
        ),
        ("nowhere", "engine-serve does not answer at http://127.0.0.1:"),
        ("broken", "engine-serve: it has no weights"),
        ("everything", "the mask"),
        ("cancelled", None),
    ],
)
def test_what_cannot_be_removed_is_told_and_nothing_is_added(results, name, problem):
    result = results[name]
    assert result["added"] == []
    assert result["problem"] is problem or result["problem"].startswith(problem)


def test_the_server_that_the_plugin_has_started_ends_with_krita(ran):
    assert is_let_go(ran[1])


def test_the_menu_of_krita_and_its_undo(weights, shipped_photos, tmp_path, monkeypatch):
    """Krita itself, with the plug-in ticked in its settings; a picture of its window is left in build/screenshots/."""
    photo, home = tmp_path / "photo.png", tmp_path / "home"
    Image.open(shipped_photos / "rocket.jpg").convert("RGB").crop((200, 0, 600, 427)).save(photo)
    plugins = install(monkeypatch, home, weights, free_port())
    (plugins / "driver").mkdir()
    shutil.copy(HERE / "in_krita_window.py", plugins / "driver" / "__init__.py")
    ours = (plugins / "glcic_engine.desktop").read_text()
    (plugins / "driver.desktop").write_text(ours.replace("=glcic_engine\n", "=driver\n"))
    (home / "kritarc").write_text("[python]\nenable_glcic_engine=true\nenable_driver=true\n")
    screenshots = BUILD / "screenshots"
    screenshots.mkdir(parents=True, exist_ok=True)
    said = in_krita(
        home,
        ["krita", "--nosplash", str(photo)],
        FOLDER=str(tmp_path),
        SCREENSHOT=str(screenshots / "krita.png"),
        PYTHONPATH=str(ROOT),
    )
    assert (tmp_path / "seen.json").exists(), said
    seen = json.loads((tmp_path / "seen.json").read_text())
    below, above = "Background", "Background, completed"
    assert seen == {
        "text": "Remove what is selected",
        "nothing selected": ["Nothing is selected on the canvas, by half or more: select what is to be removed."],
        "removed": [below, above],
        "undone": [below],
        "redone": [below, above],
    }
