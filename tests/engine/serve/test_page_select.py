"""The page in a real browser: selecting a thing by what is drawn around it."""

import re
from io import BytesIO

import cv2
import numpy as np
from PIL import Image
from playwright.sync_api import expect

from tests.engine.inference.masks.made_shadows import overlap, with_shadow
from tests.engine.serve.conftest import NEEDS_CHROMIUM, mask_of, screenshot
from tests.engine.serve.pages import INKS, THING, complete, downloaded, mask_sent, on_stage, opened, paint, says, shown

pytestmark = NEEDS_CHROMIUM


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


def test_an_outline_selects_the_thing_in_it_and_not_beside_it(visit, thing, tmp_path):
    image = Image.open(thing)
    image.paste((20, 200, 90), (130, 50, 150, 90))
    image.save(tmp_path / "two.png")
    page = opened(visit(), tmp_path / "two.png")
    page.click('[data-tool="lasso"]')
    around = [(64, 44), (124, 42), (126, 96), (90, 100), (62, 94)]
    stage = page.locator("#stage").bounding_box()
    first, *others = (
        (stage["x"] + x * stage["width"], stage["y"] + y * stage["height"]) for x, y in on_stage(page, *around)
    )
    page.mouse.move(*first)
    page.mouse.down()
    for place in others:
        page.mouse.move(*place, steps=4)
    shown(page)
    screenshot(page, "outlining")
    assert page.evaluate(INKS) != []
    page.mouse.up()
    says(page, "Selected")
    np.testing.assert_array_equal(painted_HW(page), np.asarray(mask_of((200, 160), THING)) > 0)
    page.click("#subtract")
    paint(page, *on_stage(page, *around))
    says(page, "Subtracted")
    expect(page.locator("#undo")).to_be_enabled()
    page.keyboard.press("Control+z")
    says(page, "Selection undone")
    paint(page, (0.001, 0.3), (0.002, 0.5), (0.003, 0.3))  # beside the photo
    expect(page.get_by_role("alert")).to_contain_text("The outline encloses nothing of the photo")
    page.click("#subtract")
    page.keyboard.press("Control+z")
    page.locator("#stage").focus()
    for key in [*["Shift+ArrowLeft", "Shift+ArrowUp"] * 3, "Enter"]:  # from the middle of the photo
        page.keyboard.press(key)
    says(page, "Outline begun")
    for way, steps in (("Right", 5), ("Down", 4), ("Left", 5), ("Up", 3)):
        for _ in range(steps):
            page.keyboard.press(f"Shift+Arrow{way}")
    page.keyboard.press("Enter")
    says(page, "Selected")
    np.testing.assert_array_equal(painted_HW(page), np.asarray(mask_of((200, 160), THING)) > 0)


def painted_HW(page):
    """What is painted, as it is sent when it is completed."""
    complete(page)
    mask_HW = np.asarray(mask_sent(page, (200, 160))) >= 128
    page.keyboard.press("Control+z")
    return mask_HW


def test_selections_and_rectangles_take_away(visit, thing):
    """With Alt, or until the button is pressed again; and the other way round with both."""
    page = opened(visit(), thing)
    expect(page.locator("#subtract")).to_be_disabled()  # of the brush
    page.keyboard.press("r")
    paint(page, *on_stage(page, (40, 30), (150, 120)))
    page.click('[data-tool="select"]')
    page.click("#subtract")
    expect(page.locator("#subtract")).to_have_attribute("aria-pressed", "true")
    paint(page, *on_stage(page, (60, 42), (130, 100)))
    says(page, "Subtracted")
    screenshot(page, "subtracted")
    around_HW = np.asarray(mask_of((200, 160), (40, 30, 150, 120))) > np.asarray(mask_of((200, 160), THING))
    np.testing.assert_array_equal(painted_HW(page), around_HW)
    page.keyboard.press("r")
    page.keyboard.down("Alt")
    paint(page, *on_stage(page, (90, 60), (100, 70)))
    page.keyboard.up("Alt")
    around_HW[60:70, 90:100] = True  # as the button is pressed still
    np.testing.assert_array_equal(painted_HW(page), around_HW)
    page.keyboard.press("d")
    expect(page.locator("#subtract")).to_have_attribute("aria-pressed", "false")
    page.keyboard.down("Alt")
    paint(page, *on_stage(page, (40, 30), (150, 120)))
    page.keyboard.up("Alt")
    paint(page, *on_stage(page, (10, 10), (20, 20)))
    np.testing.assert_array_equal(painted_HW(page), np.asarray(mask_of((200, 160), (10, 10, 20, 20))) > 0)


def test_what_is_painted_grows_and_shrinks_by_pixels(visit, thing):
    page = opened(visit(), thing)
    expect(page.locator("#grow")).to_be_disabled()
    page.keyboard.press("r")
    paint(page, *on_stage(page, (60, 40), (100, 80)))
    paint(page, *on_stage(page, (0, 120), (30, 160)))  # in the photo's corner
    before_HW = painted_HW(page)
    page.fill("#grow-by", "7")
    page.press("#grow-by", "1")  # types, and is no shortcut of the view
    page.fill("#grow-by", "7")
    page.click("#grow")
    says(page, "Grown by 7 pixels")
    y_HW, x_HW = np.mgrid[-7:8, -7:8]
    disc_HW = (y_HW**2 + x_HW**2 <= 49).astype(np.uint8)
    grown_HW = painted_HW(page)
    np.testing.assert_array_equal(grown_HW, cv2.dilate(before_HW.view(np.uint8), disc_HW) > 0)
    page.click("#shrink")
    says(page, "Shrunk by 7 pixels")
    np.testing.assert_array_equal(painted_HW(page), cv2.erode(grown_HW.view(np.uint8), disc_HW) > 0)
    page.keyboard.press("Control+z")
    says(page, "Shrinking undone")
    np.testing.assert_array_equal(painted_HW(page), grown_HW)
    page.keyboard.press("Control+z")
    says(page, "Growing undone")
    np.testing.assert_array_equal(painted_HW(page), before_HW)
    page.fill("#grow-by", "30")
    page.locator("#stage").focus()
    page.keyboard.press("k")
    says(page, "Nothing would be left by 30 pixels")
    np.testing.assert_array_equal(painted_HW(page), before_HW)


def test_the_shadow_of_what_is_painted_is_painted_over_too(visit, tmp_path):
    """By one key, and undone by one."""
    samples_HW3, thing_HW, shadow_HW = with_shadow(200, 0.5)
    Image.fromarray(samples_HW3[:160]).save(tmp_path / "shaded.png")  # of the size that `on_stage` knows
    page = opened(visit(), tmp_path / "shaded.png")
    expect(page.locator("#shadow")).to_be_disabled()
    page.keyboard.press("s")
    paint(page, *on_stage(page, (60, 60), (120, 122)))
    says(page, "Selected")
    page.click("#shadow")
    says(page, "Painted over its shadow, too")
    screenshot(page, "shadow")
    both_HW = painted_HW(page)
    assert overlap(both_HW, (thing_HW | shadow_HW)[:160]) > 0.8
    page.keyboard.press("Control+z")
    says(page, "Shadow undone")
    alone_HW = painted_HW(page)
    assert overlap(alone_HW, thing_HW[:160]) > 0.9
    page.locator("#stage").focus()
    page.keyboard.press("w")
    says(page, "Painted over its shadow, too")
    np.testing.assert_array_equal(painted_HW(page), both_HW)


def test_no_shadow_is_said_and_nothing_painted(visit, thing):
    page = opened(visit(), thing)
    page.keyboard.press("r")
    paint(page, *on_stage(page, *(THING[:2], THING[2:])))
    page.keyboard.press("w")
    expect(page.get_by_role("alert")).to_contain_text("no shadow was found beside what is painted: paint it, too")
    page.keyboard.press("Control+z")
    says(page, "Stroke undone")
    expect(page.locator("#undo")).to_be_disabled()
