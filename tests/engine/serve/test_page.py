"""The page in a real browser: Debian's Chromium, without a window, driven by Playwright.

Screenshots are left in build/screenshots/.
"""

import base64
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.engine.serve.conftest import NEEDS_CHROMIUM, mask_of, screenshot, serving

pytestmark = NEEDS_CHROMIUM

KEEP_MASKS = """
window.masks = [];
const plain = window.fetch;
window.fetch = (path, options) => {
  if (options?.body && path.includes("/completions?")) window.masks.push([path, options.body]);
  return plain(path, options);
};
"""
"""Playwright does not show the bodies of requests that are blobs."""

READ_MASK = """async ([number, name]) => {
  const [path, body] = window.masks.at(number);
  const blob = body instanceof FormData ? body.get(name) : body;
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return [path, btoa(String.fromCharCode(...bytes))];
}"""

INKS = """() => {
  const canvas = document.getElementById("mask");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const found = new Set();
  for (let at = 0; at < data.length; at += 4)
    if (data[at + 3] === 255) found.add(data[at] > data[at + 2] ? "hole" : "avoided");
  return [...found];
}"""

DROP = """([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const dropped = new DataTransfer();
  dropped.items.add(new File([bytes], name));
  return dropped;
}"""


@pytest.fixture
def visit(browser: Browser, server):
    """Opens the page in a window like this; fails the test if the page had errors or asked anyone else."""
    contexts, wrong = [], []

    def call(width=1100, height=760, **options) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.add_init_script(KEEP_MASKS)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        elsewhere = re.compile(f"^(?!{re.escape(server.address)}|blob:|data:)")
        page.on("request", lambda request: elsewhere.match(request.url) and wrong.append(request.url))
        page.goto(server.address)
        return page

    yield call
    for context in contexts:
        context.close()
    assert wrong == []


def says(page, text):
    expect(page.locator("#status")).to_contain_text(text, timeout=30_000)


def drop(page, path):
    content = base64.b64encode(path.read_bytes()).decode()
    page.dispatch_event("main", "drop", {"dataTransfer": page.evaluate_handle(DROP, [path.name, content])})


def opened(page, path):
    page.set_input_files("#file", path)
    says(page, "Paint over what should go")
    return page


def paint(page, *places):
    """Drags over the stage, through places given as shares of it."""
    box = page.locator("#stage").bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


def complete(page):
    page.click("#complete")
    says(page, "Completed in")


def mask_sent(page, size, number=-1, name="mask"):
    """The whole mask of a completion, or that of what it avoids, from the box that the page has sent."""
    path, content = page.evaluate(READ_MASK, [number, name])
    x, y = (int(re.search(rf"[?&]{name}=(\d+)", path)[1]) for name in "xy")
    mask = Image.new("L", size)
    mask.paste(Image.open(BytesIO(base64.b64decode(content))), (x, y))
    return mask


def downloaded(page):
    with page.expect_download() as download:
        page.click("#download")
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def shown(page):
    """The photo as the page shows it, without what is painted, after what it has to draw is drawn."""
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    url = page.evaluate("() => document.getElementById('photo').toDataURL()")
    return Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")


def test_drop_paint_complete_download(visit, command, photo):
    page = visit()
    screenshot(page, "empty")
    drop(page, photo)
    says(page, "200 × 160 pixels")
    paint(page, (0.45, 0.4), (0.5, 0.45), (0.5, 0.6))
    paint(page, (0.6, 0.3), (0.61, 0.31))
    screenshot(page, "painted")
    complete(page)
    screenshot(page, "completed")
    mask = mask_sent(page, (200, 160))
    assert 0.01 < np.mean(np.asarray(mask) >= 128) < 0.3
    name, content = downloaded(page)
    assert name == "photo.completed.png"
    assert content == command(photo, mask)
    page.click("#compare")
    expect(page.locator("#divider")).to_be_focused()
    screenshot(page, "compared")


def test_the_result_shows_on_the_page(visit, photo):
    page = opened(visit(), photo)
    before = shown(page)
    paint(page, (0.45, 0.4), (0.55, 0.6))
    assert shown(page) == before
    complete(page)
    after = shown(page)
    assert after != before
    page.click("#undo")
    assert shown(page) == before
    page.click("#redo")
    assert shown(page) == after
    page.click("#compare")
    page.locator("#divider").fill("0")
    assert shown(page) == after
    page.locator("#divider").fill("1")
    assert shown(page) == before


def test_what_becomes_transparent_shows_so_on_the_page(visit, photo, tmp_path):
    """A yellow caption over nothing is gone, and not only its colour."""
    image = Image.open(photo).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 200, 100))
    image.paste((255, 255, 0, 255), (90, 60, 110, 70))
    image.save(tmp_path / "sprite.png")
    page = opened(visit(), tmp_path / "sprite.png")
    yellow = (255, 255, 0)
    assert yellow in (colour for _, colour in shown(page).getcolors(1 << 24))
    paint(page, (0.42, 0.41), (0.58, 0.41))
    complete(page)
    assert yellow not in (colour for _, colour in shown(page).getcolors(1 << 24))


def test_undo_redo_erase_and_completing_the_result_again(visit, command, photo, tmp_path):
    page = opened(visit(), photo)
    expect(page.locator("#undo")).to_be_disabled()
    paint(page, (0.3, 0.3), (0.35, 0.35))
    page.keyboard.press("Control+z")
    expect(page.locator("#complete")).to_be_disabled()
    page.keyboard.press("Control+Shift+z")
    complete(page)
    first = mask_sent(page, (200, 160))
    page.keyboard.press("r")
    paint(page, (0.6, 0.5), (0.7, 0.7))
    page.keyboard.press("e")
    paint(page, (0.6, 0.5), (0.7, 0.5))
    page.keyboard.press("Control+Enter")
    expect(page.locator("#complete")).to_be_disabled()
    says(page, "Completed in")
    second = mask_sent(page, (200, 160))
    assert {0, 255} <= set(np.unique(np.asarray(second)))
    once = tmp_path / "once.png"
    once.write_bytes(command(photo, first))
    assert downloaded(page)[1] == command(once, second)
    for _ in range(3):
        page.keyboard.press("Control+z")
    assert downloaded(page)[1] == once.read_bytes()


def test_what_was_done_to_the_mask_is_said(visit, photo, tmp_path):
    """By how much it was widened, and that a rim of what was painted over is left outside of it."""
    page = opened(visit(), photo)
    corners = (0.4, 0.4), (0.6, 0.6)
    page.keyboard.press("r")
    paint(page, *corners)
    complete(page)
    says(page, "widened by 4 pixels.")
    left, top, right, bottom = mask_sent(page, (200, 160)).getbbox()
    image = Image.open(photo)
    image.paste((30, 200, 60), (left - 7, top - 7, right + 7, bottom + 7))
    image.save(tmp_path / "thing.png")
    opened(page, tmp_path / "thing.png")
    paint(page, *corners)
    complete(page)
    says(page, "Note: what is just outside the mask looks unlike what is further away: widen by 8? (--mask-dilate 12).")


def test_another_completion_of_the_same_hole(visit, command, photo, client):
    page = opened(visit(), photo)
    expect(page.locator("#another")).to_be_disabled()
    before = shown(page)
    paint(page, (0.45, 0.4), (0.55, 0.6))
    complete(page)
    first, mask = shown(page), mask_sent(page, (200, 160))
    page.click("#another")
    says(page, "variant 2")
    second = shown(page)
    assert len({image.tobytes() for image in (before, first, second)}) == 3
    assert mask_sent(page, (200, 160)) == mask
    assert downloaded(page)[1] == command(photo, mask, seed=1)
    page.keyboard.press("a")
    says(page, "variant 3")
    assert downloaded(page)[1] == command(photo, mask, seed=2)
    page.click("#compare")
    page.locator("#divider").fill("1")
    assert shown(page) == before
    page.keyboard.press("c")
    page.keyboard.press("Control+z")
    assert shown(page) == second
    page.keyboard.press("Control+z")
    assert shown(page) == first
    page.click("#another")
    says(page, "variant 4")  # and none that was seen already
    name = re.search(r"photos/([\w-]+)/", page.evaluate("() => window.masks[0][0]"))[1]
    assert client.delete(f"/photos/{name}").status_code == 204
    assert downloaded(page)[1] == command(photo, mask, seed=3)
    paint(page, (0.6, 0.3), (0.61, 0.31))
    expect(page.locator("#another")).to_be_disabled()  # what is painted is to be completed first


def test_texture_is_not_taken_from_what_is_painted_so(visit, command, photo, tmp_path):
    page = opened(visit(), photo)
    page.keyboard.press("n")
    paint(page, (0.3, 0.3), (0.4, 0.7))
    expect(page.locator("#complete")).to_be_disabled()  # this is no hole
    page.keyboard.press("b")
    paint(page, (0.45, 0.4), (0.55, 0.6))
    screenshot(page, "avoided")
    complete(page)
    mask, avoid = (mask_sent(page, (200, 160), name=name) for name in ("mask", "avoid"))
    assert not (np.asarray(mask) & np.asarray(avoid))[:, :80].any()
    assert np.asarray(avoid).any()
    avoid.save(tmp_path / "avoid.png")
    expected = command(photo, mask, avoid=tmp_path / "avoid.png")
    assert downloaded(page)[1] == expected != command(photo, mask)

    page.click("#another")
    says(page, "variant 2")
    assert mask_sent(page, (200, 160), name="avoid") == avoid  # it is kept
    page.keyboard.press("x")
    says(page, "from everywhere again")
    expect(page.locator("#clear-avoided")).to_be_hidden()
    page.keyboard.press("Control+z")
    says(page, "Clearing undone")
    expect(page.locator("#clear-avoided")).to_be_visible()
    page.click("#clear-avoided")
    page.click("#another")
    says(page, "variant 3")
    assert downloaded(page)[1] == command(photo, mask, seed=2)


def test_both_kinds_of_strokes_are_seen_undone_and_erased(visit, photo):
    page = opened(visit(), photo)

    def inks():
        """What is painted, by its colour."""
        shown(page)
        return set(page.evaluate(INKS))

    paint(page, (0.45, 0.3), (0.55, 0.3))
    page.click('[data-tool="avoid"]')
    paint(page, (0.45, 0.7), (0.55, 0.7))
    assert inks() == {"hole", "avoided"}
    page.keyboard.press("Control+z")
    assert inks() == {"hole"}
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("e")
    paint(page, (0.4, 0.7), (0.6, 0.7))
    assert inks() == {"hole"}
    page.keyboard.press("n")
    paint(page, (0.45, 0.7), (0.55, 0.7))
    assert inks() == {"hole", "avoided"}  # over what was erased
    complete(page)
    assert inks() == {"avoided"}
    page.keyboard.press("?")
    expect(page.locator("#help-dialog")).to_contain_text("another completion of the same hole")


THING = (70, 50, 120, 90)
"""The left, top, right and bottom of what `thing` has on its flat ground."""


@pytest.fixture
def thing(tmp_path):
    """A flat photo of 200x160 with a rectangle of colour on it."""
    image = Image.new("RGB", (200, 160), (90, 100, 110))
    image.paste((200, 40, 30), THING)
    image.save(tmp_path / "thing.png")
    return tmp_path / "thing.png"


def on_stage(page, *points):
    """Shares of the stage at which these points of a photo of 200x160 are, when all of it is shown."""
    box = page.locator("#stage").bounding_box()
    scale = min((box["width"] - 32) / 200, (box["height"] - 32) / 160, 4)
    return [(0.5 + scale * (x - 100) / box["width"], 0.5 + scale * (y - 80) / box["height"]) for x, y in points]


def test_select_paints_over_the_thing_in_a_box(visit, command, thing):
    page = opened(visit(), thing)
    page.click('[data-tool="select"]')
    expect(page.locator('[data-tool="select"]')).to_have_attribute("aria-pressed", "true")
    paint(page, *on_stage(page, (60, 42), (130, 100)))
    says(page, "Selected")
    screenshot(page, "selected")
    complete(page)
    mask = mask_sent(page, (200, 160))
    np.testing.assert_array_equal(np.asarray(mask), np.asarray(mask_of((200, 160), THING)))
    content = downloaded(page)[1]
    assert content == command(thing, mask)
    samples_HW3 = np.asarray(Image.open(BytesIO(content)))
    left, top, right, bottom = THING
    assert np.ptp(samples_HW3[top:bottom, left:right].astype(int) - (90, 100, 110)) < 60  # it is gone
    for x, y in ((60, 42), (129, 42), (60, 99), (129, 99)):
        assert tuple(samples_HW3[y, x]) == (90, 100, 110)


def test_a_selection_is_a_stroke_to_undo_erase_and_paint_on(visit, thing):
    page = opened(visit(), thing)
    page.keyboard.press("s")
    box = on_stage(page, (60, 42), (130, 100))
    paint(page, *box)
    says(page, "Selected")
    page.keyboard.press("Control+z")
    says(page, "Selection undone")
    expect(page.locator("#complete")).to_be_disabled()
    shown(page)
    assert page.evaluate(INKS) == []
    page.keyboard.press("Control+Shift+z")
    shown(page)
    assert page.evaluate(INKS) == ["hole"]
    page.keyboard.press("e")
    paint(page, *on_stage(page, (95, 50), (95, 90)))
    page.keyboard.press("b")
    paint(page, *on_stage(page, (160, 70), (165, 70)))
    complete(page)
    mask_HW = np.asarray(mask_sent(page, (200, 160))) >= 128
    assert [mask_HW[70, x] for x in (72, 95, 118, 160, 125)] == [True, False, True, True, False]


def test_the_box_of_a_selection_is_seen_while_it_is_drawn(visit, thing):
    page = opened(visit(), thing)
    page.click('[data-tool="select"]')
    stage = page.locator("#stage").bounding_box()
    points = on_stage(page, (60, 42), (130, 100))
    first, last = ((stage["x"] + x * stage["width"], stage["y"] + y * stage["height"]) for x, y in points)
    page.mouse.move(*first)
    page.mouse.down()
    page.mouse.move(*last, steps=5)
    shown(page)
    screenshot(page, "selecting")
    assert page.evaluate(INKS) != []
    page.keyboard.press("Escape")
    page.mouse.up()
    shown(page)
    assert page.evaluate(INKS) == []
    expect(page.locator("#undo")).to_be_disabled()


def test_a_selection_by_touch_by_a_pen_and_by_the_keyboard(visit, thing):
    page = opened(visit(has_touch=True), thing)
    device = page.context.new_cdp_session(page)
    stage = page.locator("#stage").bounding_box()
    points = on_stage(page, (60, 42), (130, 100))
    first, last = ((stage["x"] + x * stage["width"], stage["y"] + y * stage["height"]) for x, y in points)
    page.keyboard.press("s")
    for kind, places in (("touchStart", [first]), ("touchMove", [last]), ("touchEnd", [])):
        touched = {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in places]}
        device.send("Input.dispatchTouchEvent", touched)
    says(page, "Selected")
    page.keyboard.press("Control+z")
    says(page, "Selection undone")
    for kind, (x, y) in (("mousePressed", first), ("mouseMoved", last), ("mouseReleased", last)):
        event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"}
        device.send("Input.dispatchMouseEvent", event)
    says(page, "Selected")
    page.keyboard.press("Control+z")
    says(page, "Selection undone")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
        page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Enter")
    says(page, "First corner")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")
    says(page, "Selected")


def test_a_box_with_nothing_in_it_is_said_and_the_photo_sent_again(visit, thing, client):
    page = opened(visit(), thing)
    page.click('[data-tool="select"]')
    with page.expect_request(re.compile("/select")) as asked:
        paint(page, *on_stage(page, (140, 20), (180, 60)))
    expect(page.get_by_role("alert")).to_contain_text("nothing in it differs from what is around it")
    assert "--" not in page.inner_text("#alert")
    expect(page.locator("#undo")).to_be_disabled()
    name = re.search(r"photos/([\w-]+)/", asked.value.url)[1]
    assert client.delete(f"/photos/{name}").status_code == 204
    paint(page, *on_stage(page, (60, 42), (130, 100)))
    says(page, "Selected")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_the_api_is_described(visit):
    page = visit()
    page.goto(f"{page.url}api.html")
    expect(page.locator("#operations")).to_contain_text("Mask of where texture may not be taken from")
    expect(page.locator("#operations")).to_contain_text("file, required · Of the photo's size")
    screenshot(page, "api")


def test_by_the_keyboard_alone(visit, photo):
    page = opened(visit(), photo)
    expect(page.locator("#stage")).to_be_focused()
    for key in ("Shift+ArrowLeft", "ArrowUp", "Enter"):  # a dot
        page.keyboard.press(key)
    page.keyboard.press("Control+Enter")
    says(page, "Completed in")
    dot_HW = np.asarray(mask_sent(page, (200, 160))) >= 128
    size = int(page.inner_text("#size-value").split()[0])
    assert dot_HW.sum() == pytest.approx(np.pi * (size / 2) ** 2, rel=0.2)
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    says(page, "First corner")
    for key in ("Shift+ArrowRight", "Shift+ArrowDown", "Enter", "Control+Enter"):
        page.keyboard.press(key)
    says(page, "Completed in")
    mask_HW = np.asarray(mask_sent(page, (200, 160))) >= 128
    rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
    assert mask_HW.sum() == (rows[-1] + 1 - rows[0]) * (columns[-1] + 1 - columns[0]) > dot_HW.sum()
    page.keyboard.press("c")
    expect(page.locator("#comparison")).to_be_visible()
    page.keyboard.press("ArrowRight")
    assert float(page.input_value("#divider")) > 0.5
    page.keyboard.press("Escape")
    expect(page.locator("#comparison")).to_be_hidden()
    size = page.inner_text("#size-value")
    page.keyboard.press("]")
    assert page.inner_text("#size-value") != size
    page.keyboard.press("?")
    expect(page.locator("#help-dialog")).to_be_visible()
    page.locator("#shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("h")
    expect(page.locator('[data-tool="hand"]')).to_have_attribute("aria-pressed", "false")


def test_wheel_zoom_and_pan(visit, photo):
    page = opened(visit(), photo)
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + 500, box["y"] + 300)
    size = int(page.inner_text("#size-value").split()[0])
    page.mouse.wheel(0, -100)
    expect(page.locator("#size-value")).not_to_have_text(f"{size} px")
    whole = shown(page)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    zoomed = shown(page)
    assert zoomed != whole
    page.keyboard.down(" ")
    page.mouse.down()
    page.mouse.move(box["x"] + 550, box["y"] + 320)
    page.mouse.up()
    page.keyboard.up(" ")
    assert shown(page) not in (zoomed, whole)
    expect(page.locator("#complete")).to_be_disabled()  # nothing was painted
    page.keyboard.press("0")
    assert shown(page) == whole


def test_two_fingers_zoom_and_a_pen_paints(visit, photo):
    page = opened(visit(has_touch=True), photo)
    whole = shown(page)
    device = page.context.new_cdp_session(page)

    def touch(kind, *places):
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        device.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (400, 300))
    touch("touchMove", (405, 300))
    touch("touchStart", (405, 300), (600, 300))
    for step in range(1, 6):
        touch("touchMove", (405 - 10 * step, 300), (600 + 10 * step, 300))
    touch("touchEnd")
    assert shown(page) != whole
    expect(page.locator("#complete")).to_be_disabled()  # what the first finger began is no stroke
    for kind, x in (("mousePressed", 500), ("mouseMoved", 540), ("mouseReleased", 540)):
        event = {"type": kind, "x": x, "y": 300, "button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"}
        device.send("Input.dispatchMouseEvent", event)
    complete(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(visit, photo, scheme):
    """At 360 px everything is there, large enough for a finger, and can be read; touch paints."""
    page = opened(visit(360, 640, has_touch=True, color_scheme=scheme), photo)
    stage = page.locator("#stage").bounding_box()
    page.click('[data-tool="avoid"]')
    page.touchscreen.tap(stage["x"] + stage["width"] / 4, stage["y"] + stage["height"] / 2)
    expect(page.locator("#clear-avoided")).to_be_visible()
    page.click('[data-tool="brush"]')
    assert page.evaluate("() => document.documentElement.scrollWidth") == 360
    for button in page.locator("button:visible").all():
        box = button.bounding_box()
        assert box["width"] >= 38
        assert box["height"] >= 40
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert button.inner_text().strip() or button.get_attribute("aria-label"), "a button without a name"
    stage = page.locator("#stage").bounding_box()
    page.touchscreen.tap(stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2)
    complete(page)
    screenshot(page, f"phone-{scheme}")
    pairs = ("body, --ink, --ground", "body, --ink, --surface", "body, --muted, --surface", "body, --muted, --ground",
             "body, --on-accent, --accent", "body, --pressed-ink, --pressed", "body, --accent, --surface")  # fmt: skip
    grounds = []
    for pair in pairs:
        _, ink, ground = pair.split(", ")
        colours = [page.evaluate("(name) => getComputedStyle(document.body).getPropertyValue(name)", name)
                   for name in (ink, ground)]  # fmt: skip
        assert contrast(*colours) >= 4.5, pair
        grounds.append(colours[1])
    assert (luminance(grounds[0]) < 0.1) == (scheme == "dark")


def luminance(colour):
    """Relative luminance of #rrggbb, as WCAG defines it."""
    values = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_a_photo_that_browsers_do_not_show(visit, command, photo, tmp_path):
    path = tmp_path / "photo.tif"
    Image.open(photo).save(path)
    page = opened(visit(), path)
    paint(page, (0.45, 0.4), (0.5, 0.5))
    complete(page)
    name, content = downloaded(page)
    assert name == "photo.completed.tif"
    assert content == command(path, mask_sent(page, (200, 160)))


def test_a_photo_that_the_server_has_dropped_is_sent_again(visit, command, photo, client):
    page = opened(visit(), photo)
    paint(page, (0.3, 0.3), (0.35, 0.35))
    complete(page)
    before = downloaded(page)
    name = re.search(r"photos/([\w-]+)/", page.evaluate("() => window.masks[0][0]"))[1]
    assert client.delete(f"/photos/{name}").status_code == 204
    assert downloaded(page) == before


def test_what_goes_wrong_is_said(visit, photo, tmp_path):
    page = visit()
    path = tmp_path / "letter.png"
    path.write_text("Dear all,")
    page.set_input_files("#file", path)
    expect(page.get_by_role("alert")).to_contain_text("cannot read the photo letter.png: it is no picture")
    screenshot(page, "refused")
    opened(page, photo)
    expect(page.get_by_role("alert")).to_be_hidden()
    page.keyboard.press("r")
    page.keyboard.press("-")  # zoomed out, the whole photo can be covered
    paint(page, (0.02, 0.02), (0.98, 0.98))
    page.click("#complete")
    expect(page.get_by_role("alert")).to_contain_text("covers the whole photo")


def test_cancelling(visit, shipped_photos, tmp_path):
    path = tmp_path / "large.png"
    Image.open(shipped_photos / "astronaut.png").resize((1900, 1900)).save(path, compress_level=1)
    page = opened(visit(), path)
    page.keyboard.press("r")
    paint(page, (0.35, 0.1), (0.65, 0.9))  # which takes two seconds
    page.click("#complete")
    says(page, "Completing")
    page.keyboard.press("Escape")
    says(page, "Cancelled")
    expect(page.locator("#complete")).to_be_enabled()


def test_a_server_with_a_token_is_asked_for_it_once(browser, weights, photo, tmp_path):
    (tmp_path / "token").write_text("right")
    (tmp_path / "token").chmod(0o600)
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(30_000)
    with serving(weights, tmp_path, "--token-file", str(tmp_path / "token")) as locked:
        page.goto(locked.address)
        expect(page.locator("#token-dialog")).to_be_visible()
        expect(page.locator("#token-wrong")).to_be_hidden()
        screenshot(page, "token")
        page.fill("#token", "left")
        page.press("#token", "Enter")
        expect(page.locator("#token-wrong")).to_be_visible()
        page.fill("#token", " right ")
        page.press("#token", "Enter")
        expect(page.locator("#token-dialog")).to_be_hidden()
        paint(opened(page, photo), (0.3, 0.3), (0.5, 0.4))
        complete(page)
        assert downloaded(page)[1]
        page.reload()
        opened(page, photo)
        expect(page.locator("#token-dialog")).to_be_hidden()
        assert page.evaluate("[sessionStorage.token, localStorage.token]") == ["right", None]
        other = context.new_page()  # has a session of its own
        other.goto(locked.address)
        expect(other.locator("#token-dialog")).to_be_visible()
        other.press("#token", "Escape")
        expect(other.locator("#alert")).to_contain_text("the token is missing")
        other.goto(f"{locked.address}api.html")
        expect(other.locator("#example")).to_contain_text('-H "Authorization: Bearer $TOKEN"')
    context.close()
