"""The page in a real browser: what is open survives a reload, until it is closed."""

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.engine.serve.conftest import NEEDS_CHROMIUM
from tests.engine.serve.pages import INKS, THING, complete, downloaded, mask_sent, on_stage, opened, paint, says, shown

pytestmark = NEEDS_CHROMIUM

COUNTS = """async () => {
  const database = await new Promise((resolve) => {
    indexedDB.open("glcic-engine").onsuccess = (event) => resolve(event.target.result);
  });
  const counts = await Promise.all(["photos", "pictures", "steps"].map((name) => new Promise((resolve) => {
    database.transaction(name).objectStore(name).count().onsuccess = (event) => resolve(event.target.result);
  })));
  database.close();
  return counts;
}"""


def wait_until_kept(page):
    page.evaluate("async () => (await import('/keep.js')).allWritten()")


def reload(page):
    wait_until_kept(page)
    page.reload()
    says(page, "as you left")


def test_a_photo_its_strokes_and_its_completions_are_there_after_a_reload(visit, command, photo, tmp_path):
    image = Image.open(photo)
    image.paste((200, 40, 30), THING)
    image.save(tmp_path / "thing.png")
    page = opened(visit(), tmp_path / "thing.png")
    page.keyboard.press("n")
    paint(page, *on_stage(page, (20, 20), (30, 20)))
    page.keyboard.press("s")
    paint(page, *on_stage(page, (60, 42), (130, 100)))
    says(page, "Selected")
    complete(page)
    mask, avoid = (mask_sent(page, (200, 160), name=name) for name in ("mask", "avoid"))
    avoid.save(tmp_path / "avoid.png")
    expected = [command(tmp_path / "thing.png", mask, avoid=tmp_path / "avoid.png", seed=seed) for seed in (0, 1)]
    page.click("#another")
    says(page, "variant 2")
    page.keyboard.press("s")
    page.keyboard.press("r")
    paint(page, *on_stage(page, (150, 20), (170, 40)))
    page.click("#grow")
    seen, painted = shown(page), page.evaluate("() => document.getElementById('mask').toDataURL()")
    reload(page)
    assert shown(page) == seen
    assert page.evaluate("() => document.getElementById('mask').toDataURL()") == painted
    for what in ("Growing", "Stroke", "Completion"):
        page.keyboard.press("Control+z")
        says(page, f"{what} undone")
    page.keyboard.press("Control+Shift+z")
    says(page, "Completion redone")
    assert downloaded(page)[1] == expected[1]  # for which the photo is sent again, and completed twice
    page.keyboard.press("Control+z")
    assert downloaded(page)[1] == expected[0] != expected[1]
    page.click("#another")
    says(page, "variant 3")  # and none that was seen already
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    says(page, "Completion undone")
    page.keyboard.press("Control+z")
    says(page, "Selection undone")
    page.keyboard.press("Control+Shift+z")
    shown(page)
    assert set(page.evaluate(INKS)) == {"hole", "avoided"}
    complete(page)
    np.testing.assert_array_equal(np.asarray(mask_sent(page, (200, 160))), np.asarray(mask))


def test_closing_a_photo_takes_it_out_of_the_browser(visit, photo, thing):
    page = visit()
    page.set_input_files("#file", [photo, thing])
    says(page, "Paint over what should go")
    paint(page, (0.45, 0.4), (0.55, 0.6))
    complete(page)
    page.keyboard.press("PageDown")
    says(page, "thing.png, 2 of 2")
    reload(page)
    expect(page.locator("#photo-name")).to_contain_text("thing.png")
    labels = [button.get_attribute("aria-label") for button in page.locator("#thumbnails button").all()]
    assert labels == ["photo.png, completed", "thing.png"]
    page.click("#close")
    says(page, "photo.png, 1 of 1")
    wait_until_kept(page)
    assert page.evaluate(COUNTS) == [1, 2, 1]
    page.click("#close")
    page.click("#close-dialog button[value=close]")
    expect(page.locator("#welcome")).to_be_visible()
    wait_until_kept(page)
    assert page.evaluate(COUNTS) == [0, 0, 0]
    page.reload()
    opened(page, photo)


def test_what_is_downloaded_is_known_to_be_after_a_reload(visit, photo):
    page = opened(visit(), photo)
    paint(page, (0.45, 0.4), (0.55, 0.6))
    complete(page)
    downloaded(page)
    reload(page)
    page.click("#close")  # does not ask
    expect(page.locator("#welcome")).to_be_visible()


def test_a_second_tab_keeps_nothing_and_says_so(visit, photo, thing):
    page = opened(visit(), photo)
    wait_until_kept(page)
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("alert")).to_contain_text("Another tab has the photos")
    opened(other, thing)
    paint(other, (0.45, 0.4), (0.55, 0.6))
    asked = []
    other.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    other.close(run_before_unload=True)
    page.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    assert page.evaluate(COUNTS) == [1, 0, 1]


@pytest.mark.parametrize("breaks", ["open", "put"])
def test_a_browser_that_cannot_keep_says_so_and_the_page_works(visit, photo, breaks):
    page = visit()
    page.add_init_script({
        "open": "IDBFactory.prototype.open = () => { throw new Error('no room') }",
        "put": "IDBObjectStore.prototype.put = () => { throw new Error('no room') }",
    }[breaks])  # fmt: skip
    page.reload()
    if breaks == "put":
        page.set_input_files("#file", photo)
    expect(page.get_by_role("alert")).to_contain_text("This browser keeps no more (no room)")
    if breaks == "open":
        opened(page, photo)
    paint(page, (0.45, 0.4), (0.55, 0.6))
    complete(page)
    assert downloaded(page)[1]
