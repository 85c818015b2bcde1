"""The page in a real browser: odd files, a server that forgets or asks for a token, cancelling, the API's page."""

import re

from PIL import Image
from playwright.sync_api import expect

from tests.engine.serve.conftest import NEEDS_CHROMIUM, screenshot, serving
from tests.engine.serve.pages import complete, downloaded, mask_sent, opened, paint, says

pytestmark = NEEDS_CHROMIUM


def test_the_api_is_described(visit):
    page = visit()
    page.goto(f"{page.url}api.html")
    expect(page.locator("#operations")).to_contain_text("Mask of where texture may not be taken from")
    expect(page.locator("#operations")).to_contain_text("file · Of the photo's size")
    screenshot(page, "api")


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
