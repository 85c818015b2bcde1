"""The page in a real browser: keyboard, mouse, pen and touch, large and small windows, light and dark."""

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.engine.serve.conftest import NEEDS_CHROMIUM, screenshot
from tests.engine.serve.pages import complete, mask_sent, opened, says, shown

pytestmark = NEEDS_CHROMIUM


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
    expect(page.locator("#clear-areas")).to_be_enabled()
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
