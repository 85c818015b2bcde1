"""IOPaint's own web client, from its wheel on PyPI, in a real browser against engine-serve --api iopaint.

The wheel is kept in build/, and downloaded where it is not there. Screenshots are left in build/screenshots/.
"""

import base64
import hashlib
import json
import re
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tyro
from PIL import Image, ImageOps
from playwright.sync_api import expect

from engine.commands.serve import ServeConfig
from tests.engine.serve.conftest import BUILD, NEEDS_CHROMIUM, screenshot, serving
from tests.engine.serve.test_api import WRITERS

pytestmark = NEEDS_CHROMIUM

WHEEL = BUILD / "iopaint" / "IOPaint-1.6.0-py3-none-any.whl"
SHA256 = "b38c6987a27ddd995da60ea7e24e033ff3326b6d3082ed11966b009faf89a878"
SURVIVED = re.compile("Failed to load resource: (.* status of 4|net::ERR_FAILED)")
"""What the browser itself says in its console: of /inputimage and /socket.io/, which are not here, of refusals, and of
what a test does not answer."""


@pytest.fixture(scope="module")
def built_page(tmp_path_factory):
    """The folder with IOPaint's built page."""
    if not WHEEL.exists():
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "1", "iopaint==1.6.0"]
        got = subprocess.run([*words, "--dest", WHEEL.parent], capture_output=True, text=True, check=False)
        if got.returncode:
            pytest.skip(f"IOPaint 1.6.0 is not to be had: {got.stderr.strip().splitlines()[-1:]}")
    assert hashlib.sha256(WHEEL.read_bytes()).hexdigest() == SHA256
    folder = tmp_path_factory.mktemp("wheel")
    zipfile.ZipFile(WHEEL).extractall(folder)
    return folder / "iopaint" / "web_app"


@pytest.fixture(scope="module")
def server(weights, built_page, tmp_path_factory):
    options = ("--api", "iopaint", "--page", str(built_page), "--max-pixels", "32000")
    with serving(weights, tmp_path_factory.mktemp("temporary"), *options) as running:
        yield running


@pytest.fixture
def page(browser, server):
    """IOPaint's page; fails the test if the page had errors or asked anyone else."""
    context, wrong = browser.new_context(viewport={"width": 1100, "height": 760}), []
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on(
        "console",
        lambda said: said.type == "error" and not SURVIVED.match(said.text) and wrong.append(said.text),
    )
    elsewhere = re.compile(f"^(?!{re.escape(server.address)}|blob:{re.escape(server.address)}|data:)")
    opened.on("request", lambda request: elsewhere.match(request.url) and wrong.append(request.url))
    opened.goto(server.address)
    yield opened
    context.close()
    assert wrong == []


def opened(page, path, size):
    page.locator("input[type=file]").first.set_input_files(path)
    expect(page.get_by_text(f"{size[0]}x{size[1]}", exact=True)).to_be_visible()
    expect(page.locator("canvas")).to_have_count(2)
    page.wait_for_function("(width) => document.querySelector('canvas').width === width", arg=size[0])


def painted(page, start, end):
    """The (request's fields, response) of a stroke between two points of the photo, which are sent as it ends."""
    canvas = page.locator("canvas").first.bounding_box()
    with page.expect_response("**/api/v1/inpaint") as answered:
        page.mouse.move(canvas["x"] + start[0], canvas["y"] + start[1])
        page.mouse.down()
        page.mouse.move(canvas["x"] + end[0], canvas["y"] + end[1], steps=5)
        page.mouse.up()
    return answered.value.request.post_data_json, answered.value


def from_url(url):
    return Image.open(BytesIO(base64.b64decode(url.partition(",")[2])))


def mask_sent(fields):
    """The mask of a request as black and white, and the colours of its opaque pixels."""
    sent = from_url(fields["mask"])
    samples_HW4 = np.asarray(sent)
    mask = sent.convert("RGB").convert("L").point(lambda value: 255 * (value > 127))
    return mask, {tuple(samples_HW4[80, x]) for x in range(200)}


def shown(page):
    """The pixels that the page shows."""
    url = page.locator("canvas").first.evaluate("(canvas) => canvas.toDataURL()")
    return np.asarray(from_url(url).convert("RGB"))


def waited_for(page, expected_HW3, within=0):
    """True once the page shows these pixels, False after half a minute."""
    for _ in range(600):
        if np.abs(shown(page).astype(int) - expected_HW3).max() <= within:
            return True
        page.wait_for_timeout(50)
    return False


def downloaded(page):
    with page.expect_download() as download:
        page.locator("button:has(svg.lucide-download)").click()
    return Path(download.value.path()).read_bytes()


def test_open_paint_complete(page, command, photo, tmp_path):
    opened(page, photo, (200, 160))
    before_HW3 = np.asarray(Image.open(photo))
    assert waited_for(page, before_HW3)
    fields, answer = painted(page, (70, 60), (110, 90))
    assert answer.status == 200
    assert (answer.headers["content-type"], answer.headers["x-seed"]) == ("image/png", "0")
    mask, colours = mask_sent(fields)
    assert {(0, 0, 0, 0), (0xFF, 0xCC, 0x00, 0xBB)} <= {(r, g - g % 4, b, a) for r, g, b, a in colours}
    assert from_url(fields["image"]).size == (200, 160)
    once = tmp_path / "once.png"
    once.write_bytes(command(photo, mask))
    after_HW3 = np.asarray(Image.open(once))
    assert waited_for(page, after_HW3)
    screenshot(page, "iopaint")
    assert downloaded(page) == once.read_bytes()
    mask_HW, changed_HW = np.asarray(mask) > 0, (after_HW3 != before_HW3).any(2)
    assert changed_HW[mask_HW].mean() > 0.9
    far_HW = np.ones_like(mask_HW)
    ys, xs = np.nonzero(mask_HW)
    far_HW[ys.min() - 4 : ys.max() + 5, xs.min() - 4 : xs.max() + 5] = False  # by which the hole was widened
    assert not changed_HW[far_HW].any()

    again, _ = painted(page, (140, 40), (150, 45))  # is made on top of it
    twice = command(once, mask_sent(again)[0])
    assert waited_for(page, np.asarray(Image.open(BytesIO(twice))))
    assert downloaded(page) == twice


def test_the_guides_commands(built_page, monkeypatch):
    guide = (BUILD.parent / "docs" / "operations.md").read_text()
    (download,) = re.findall(r"^\$ pip download (.*?) && python -m (zipfile -e \S+) (\S+)$", guide, re.MULTILINE)
    assert download[:2] == ("--no-deps iopaint==1.6.0", f"zipfile -e {WHEEL.name}")
    (words,) = re.findall(r"^\$ (engine-serve --api.*)$", guide, re.MULTILINE)
    wheel = built_page.parents[1]
    (wheel / download[2]).symlink_to(wheel)
    monkeypatch.chdir(wheel)
    config = tyro.cli(ServeConfig, args=words.split()[1:])
    assert (config.api, config.page.resolve()) == ("iopaint", built_page)


def test_a_jpeg_on_its_side(page, command, photo, tmp_path):
    path = tmp_path / "photo.jpg"
    WRITERS["photo.jpeg"](Image.open(photo), path)
    assert Image.open(path).size == (160, 200)
    opened(page, path, (200, 160))
    fields, answer = painted(page, (70, 60), (110, 90))
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    assert base64.b64decode(fields["image"].partition(",")[2]) == path.read_bytes()
    expected = command(path, mask_sent(fields)[0])
    upright = ImageOps.exif_transpose(Image.open(BytesIO(expected)))
    assert waited_for(page, np.asarray(upright), within=8)  # another decoder
    assert downloaded(page) == expected


def test_what_is_refused_is_shown(page, photo, tmp_path):
    Image.open(photo).resize((201, 160)).save(tmp_path / "large.png")
    opened(page, tmp_path / "large.png", (201, 160))
    _, answer = painted(page, (70, 60), (110, 90))
    assert answer.status == 413
    expect(page.get_by_text("has 201x160 pixels and the limit is 32000").first).to_be_visible()


def test_its_settings_open_and_strokes_can_be_gathered(page, photo):
    """Its dialogs read more of the server's configuration than the page does as it opens."""
    opened(page, photo, (200, 160))
    page.keyboard.press("s")
    for tab in ("Plugins", "General"):
        page.get_by_text(tab, exact=True).click()
    page.get_by_role("switch").first.click()  # manual inpainting
    page.get_by_text("Ok", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    canvas = page.locator("canvas").first.bounding_box()
    asked = []
    page.on("request", lambda request: "inpaint" in request.url and asked.append(request))
    for x, y in ((50, 50), (130, 110)):
        page.mouse.move(canvas["x"] + x, canvas["y"] + y)
        page.mouse.down()
        page.mouse.move(canvas["x"] + x + 10, canvas["y"] + y, steps=3)
        page.mouse.up()
    with page.expect_response("**/api/v1/inpaint") as answered:
        page.keyboard.press("Shift+R")
    assert answered.value.status == 200
    assert len(asked) == 1
    mask_HW = np.asarray(mask_sent(asked[0].post_data_json)[0])
    assert mask_HW[50, 55] == mask_HW[110, 135] == 255


class Polled:
    """A socket.io server for one client, which holds its requests back until there is something to tell."""

    def __init__(self):
        self.answers = [
            '0{"sid":"one","upgrades":[],"pingInterval":60000,"pingTimeout":60000,"maxPayload":1000000}',
            '40{"sid":"two"}',
        ]
        self.waiting = []

    def answer(self, route):
        if route.request.method == "POST":
            route.fulfill(body="ok")
        elif self.answers:
            route.fulfill(body=self.answers.pop(0))
        else:
            self.waiting.append(route)

    def tell(self, event, data):
        self.waiting.pop().fulfill(body="42" + json.dumps([event, data]))


def comes(page, happened):
    """True once something has happened, False after half a minute."""
    for _ in range(600):
        if happened():
            return True
        page.wait_for_timeout(50)
    return False


@pytest.mark.parametrize(("kind", "shown"), [("inpaint", False), ("diffusers_sd_inpaint", True)])
def test_progress_is_shown_of_diffusion_models_alone(page, photo, kind, shown):
    """Why engine-serve has no /socket.io/: of a network such as ours the client takes what is told, and hides it."""
    polled, asked = Polled(), []

    def as_kind(route):
        told = route.fetch().json()
        for model in told.get("modelInfos", [told]):
            model |= {"model_type": kind, "controlnets": [], "brushnets": []}
        route.fulfill(json=told)

    page.route("**/socket.io/**", polled.answer)
    page.route(re.compile("/api/v1/(server-config|model)$"), as_kind)
    page.route("**/api/v1/inpaint", lambda route: asked.append(route))
    page.reload()
    opened(page, photo, (200, 160))
    canvas = page.locator("canvas").first.bounding_box()
    page.mouse.move(canvas["x"] + 70, canvas["y"] + 60)
    page.mouse.down()
    page.mouse.move(canvas["x"] + 110, canvas["y"] + 90, steps=5)
    page.mouse.up()
    if shown:
        page.keyboard.press("Shift+R")  # it waits for a prompt
    assert comes(page, lambda: asked and polled.waiting)
    polled.tell("diffusion_progress", {"step": 25})
    assert comes(page, lambda: polled.waiting)  # the next request: what was told is taken
    bar = page.get_by_role("progressbar", include_hidden=True)
    expect(bar).to_be_visible() if shown else expect(bar).to_be_hidden()
    expect(page.get_by_text("52%")).to_be_visible(visible=shown)
    asked[0].abort()
