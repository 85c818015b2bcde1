"""The page in a real browser: a photo painted on, completed, compared, completed again and downloaded."""

import re

import numpy as np
from PIL import Image
from playwright.sync_api import expect

from tests.engine.serve.conftest import NEEDS_CHROMIUM, screenshot
from tests.engine.serve.pages import INKS, complete, downloaded, drop, mask_sent, opened, paint, says, shown

pytestmark = NEEDS_CHROMIUM


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


def test_a_key_shows_the_photo_as_it_was_while_it_is_held(visit, photo):
    page = opened(visit(), photo)
    page.keyboard.down("v")
    expect(page.locator("#comparison")).to_be_hidden()  # there is no after yet
    page.keyboard.up("v")
    before = shown(page)
    paint(page, (0.45, 0.4), (0.55, 0.6))
    complete(page)
    after = shown(page)
    paint(page, (0.6, 0.3), (0.61, 0.31))
    page.keyboard.down("v")
    assert shown(page) == before
    assert page.evaluate(INKS) == []
    expect(page.locator(".before")).to_be_visible()
    expect(page.locator(".after")).to_be_hidden()
    page.keyboard.up("v")
    assert shown(page) == after
    assert page.evaluate(INKS) == ["hole"]
    page.keyboard.press("c")
    expect(page.locator("#divider")).to_be_visible()
    page.keyboard.down("v")
    assert shown(page) == before
    page.evaluate("dispatchEvent(new Event('blur'))")  # the window loses the keyboard, and the key goes up unheard
    expect(page.locator("#divider")).to_be_visible()
    page.keyboard.up("v")


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
    expect(page.locator("#clear-areas")).to_be_disabled()
    page.keyboard.press("Control+z")
    says(page, "Clearing undone")
    expect(page.locator("#clear-areas")).to_be_enabled()
    page.click("#clear-areas")
    page.click("#another")
    says(page, "variant 3")
    assert downloaded(page)[1] == command(photo, mask, seed=2)


def test_texture_is_taken_from_what_is_painted_so_alone(visit, command, photo, tmp_path):
    page = opened(visit(), photo)
    page.keyboard.press("f")
    paint(page, (0.6, 0.15), (0.75, 0.15), (0.75, 0.3), (0.6, 0.3), (0.7, 0.2))
    paint(page, (0.65, 0.7), (0.75, 0.75))
    expect(page.locator("#complete")).to_be_disabled()  # this is no hole
    page.click('[data-tool="eraser"]')
    paint(page, (0.62, 0.68), (0.78, 0.77))
    page.keyboard.press("b")
    paint(page, (0.42, 0.4), (0.46, 0.55))
    screenshot(page, "sampled")
    complete(page)
    mask, sample = (mask_sent(page, (200, 160), name=name) for name in ("mask", "sample"))
    sample.save(tmp_path / "sample.png")
    expected = command(photo, mask, sample=tmp_path / "sample.png")
    assert downloaded(page)[1] == expected != command(photo, mask)
    page.keyboard.press("Control+z")
    page.click('[data-tool="eraser"]')
    page.keyboard.press("]")
    page.locator("#size").fill("90")
    paint(page, (0.6, 0.1), (0.8, 0.1), (0.8, 0.3), (0.6, 0.3), (0.65, 0.7))
    complete(page)  # with nothing that is left of where to sample, from everywhere
    assert downloaded(page)[1] == command(photo, mask_sent(page, (200, 160)))


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
