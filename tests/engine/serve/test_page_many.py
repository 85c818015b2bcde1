"""The page in a real browser: several photos and folders, all completed, downloaded as a zip, and closed."""

import re
import shutil
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.engine.serve.conftest import NEEDS_CHROMIUM, mask_of, screenshot
from tests.engine.serve.pages import complete, downloaded, on_stage, opened, paint, says, shown

pytestmark = NEEDS_CHROMIUM

HELD = """async () => {
  const { desk } = await import("/desk.js");
  return desk.photos.map((photo) => [
    ...photo.history.everyCompletion.map(({ picture }) => picture !== null),
    ...photo.history.everyStroke.filter(({ png, shape }) => png || shape).map(({ shape }) => shape !== null),
  ]);
}"""
"""What of each photo is decoded."""


@pytest.fixture
def three(tmp_path, shipped_photos):
    """Three photos of 200x160, of which one is a JPEG."""
    paths = [tmp_path / "photos" / name for name in ("a.png", "b.jpg", "c.png")]
    paths[0].parent.mkdir()
    for number, path in enumerate(paths):
        image = Image.open(shipped_photos / "astronaut.png").convert("RGB")
        image.crop((150, 60 * number, 350, 60 * number + 160)).save(path)
    return paths


def thumbnail(page, number):
    return page.locator("#thumbnails button").nth(number)


def rectangle(page, *corners):
    page.keyboard.press("r")
    paint(page, *on_stage(page, *corners))


def zipped(page):
    """The files of the zip that is downloaded, by name."""
    with page.expect_download() as download:
        page.click("#download-all")
    assert download.value.suggested_filename == "photos.completed.zip"
    with zipfile.ZipFile(Path(download.value.path())) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_several_photos_are_completed_and_downloaded_with_their_masks(visit, command, three):
    page = visit()
    page.set_input_files("#file", three)
    says(page, "Paint over what should go")
    expect(page.locator("#thumbnails button")).to_have_count(3)
    expect(page.locator("#complete-all")).to_be_disabled()
    rectangle(page, (60, 40), (90, 70))
    page.keyboard.press("PageDown")
    says(page, "b.jpg, 2 of 3")
    rectangle(page, (100, 90), (130, 120))
    expect(thumbnail(page, 0)).to_have_attribute("aria-label", "a.png, painted")
    expect(thumbnail(page, 1)).to_have_attribute("aria-current", "true")
    expect(page.locator("#thumbnails canvas")).to_have_count(3)
    screenshot(page, "several")
    page.click("#complete-all")
    says(page, "Completed 2 photos")
    expect(thumbnail(page, 0)).to_have_attribute("aria-label", "a.png, completed")
    expect(thumbnail(page, 2)).to_have_attribute("aria-label", "c.png")
    files = zipped(page)
    assert list(files) == ["a.completed.png", "a.mask.png", "b.completed.jpg", "b.mask.png"]
    for path, box in zip(three, ((60, 40, 90, 70), (100, 90, 130, 120)), strict=False):
        mask = Image.open(BytesIO(files[f"{path.stem}.mask.png"])).convert("L")
        np.testing.assert_array_equal(np.asarray(mask), np.asarray(mask_of((200, 160), box)))
        assert files[f"{path.stem}.completed{path.suffix}"] == command(path, mask)


def test_what_was_done_to_a_photo_is_there_when_one_comes_back(visit, three):
    """And little of it is held while another shows."""
    page = visit()
    page.set_input_files("#file", three)
    says(page, "Paint over what should go")
    rectangle(page, (60, 40), (90, 70))
    complete(page)
    rectangle(page, (100, 60), (110, 70))
    page.click("#grow")
    after, expected = shown(page), page.evaluate("() => document.getElementById('mask').toDataURL()")
    assert page.evaluate(HELD) == [[True, True], [], []]
    thumbnail(page, 2).click()
    says(page, "c.png, 3 of 3")
    expect(page.locator("#undo")).to_be_disabled()
    assert page.evaluate(HELD) == [[False, False], [], []]
    page.keyboard.press("PageUp")
    says(page, "b.jpg, 2 of 3")
    page.keyboard.press("PageUp")
    says(page, "a.png, 1 of 3")
    assert shown(page) == after
    assert page.evaluate("() => document.getElementById('mask').toDataURL()") == expected
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    says(page, "Completion undone")
    assert shown(page) != after


def test_a_folder_without_its_masks_and_results(visit, command, three, tmp_path):
    folder = tmp_path / "trip"
    (folder / "day 2").mkdir(parents=True)
    shutil.copy(three[0], folder / "10.png")
    shutil.copy(three[2], folder / "day 2" / "10.png")
    shutil.copy(three[1], folder / "9.jpg")
    shutil.copy(three[0], folder / "10.mask.png")
    shutil.copy(three[0], folder / "9.completed.jpg")
    (folder / "notes.txt").write_text("Dear all,")
    page = visit()
    page.set_input_files("#folder", folder)
    says(page, "3 files are no photo, and left out.")
    labels = [button.get_attribute("aria-label") for button in page.locator("#thumbnails button").all()]
    assert labels == ["trip/9.jpg", "trip/10.png", "trip/day 2/10.png"]
    rectangle(page, (60, 40), (90, 70))
    thumbnail(page, 2).click()
    says(page, "3 of 3")
    rectangle(page, (60, 40), (90, 70))
    page.click("#complete-all")
    says(page, "Completed 2 photos")
    files = zipped(page)
    assert list(files) == [
        "trip/9.completed.jpg",
        "trip/9.mask.png",
        "trip/day 2/10.completed.png",
        "trip/day 2/10.mask.png",
    ]
    assert files["trip/9.completed.jpg"] == command(folder / "9.jpg", mask_of((200, 160), (60, 40, 90, 70)))


def test_a_folder_and_a_photo_are_dropped(visit, three, tmp_path):
    """By the browser itself, which gives the page the folder and what is in it."""
    (tmp_path / "trip" / "day").mkdir(parents=True)
    shutil.copy(three[1], tmp_path / "trip" / "day" / "b.jpg")
    shutil.copy(three[2], tmp_path / "trip" / "c.png")
    (tmp_path / "trip" / ".c.png").write_text("hidden")
    page = visit()
    device = page.context.new_cdp_session(page)

    def drop(*paths):
        dragged = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            device.send("Input.dispatchDragEvent", {"type": kind, "x": 500, "y": 300, "data": dragged})

    drop(three[0], tmp_path / "trip")
    says(page, "1 file is no photo, and left out.")
    labels = [button.get_attribute("aria-label") for button in page.locator("#thumbnails button").all()]
    assert labels == ["a.png", "trip/c.png", "trip/day/b.jpg"]
    (tmp_path / "empty").mkdir()
    drop(tmp_path / "empty")
    expect(page.get_by_role("alert")).to_contain_text("There is no photo in what was chosen")


def test_photos_that_fail_say_why_and_the_others_are_completed(visit, three, tmp_path):
    letter = tmp_path / "photos" / "0.png"
    letter.write_text("Dear all,")
    page = visit()
    page.set_input_files("#file", [*three, letter])
    expect(page.get_by_role("alert")).to_contain_text("cannot read the photo 0.png: it is no picture")
    expect(page.locator("#thumbnails button")).to_have_count(3)
    page.keyboard.press("-")
    rectangle(page, (-5, -5), (205, 165))
    thumbnail(page, 1).click()
    says(page, "2 of 3")
    rectangle(page, (60, 40), (90, 70))
    page.click("#complete-all")
    expect(page.get_by_role("alert")).to_contain_text("1 of 2 photos failed; the first is a.png: ")
    expect(page.get_by_role("alert")).to_contain_text("covers the whole photo")
    assert thumbnail(page, 0).get_attribute("data-state") == "failed"
    expect(thumbnail(page, 1)).to_have_attribute("aria-label", "b.jpg, completed")
    thumbnail(page, 0).click()
    expect(page.get_by_role("alert")).to_contain_text("a.png: the mask covers the whole photo")
    screenshot(page, "failed")
    page.keyboard.press("Control+z")
    rectangle(page, (60, 40), (90, 70))
    complete(page)
    assert thumbnail(page, 0).get_attribute("data-state") == "completed"


def test_a_result_that_cannot_be_had_is_told_and_the_others_are_downloaded(visit, three):
    page = visit()
    page.set_input_files("#file", three[:2])
    says(page, "Paint over what should go")
    rectangle(page, (60, 40), (90, 70))
    thumbnail(page, 1).click()
    says(page, "2 of 2")
    rectangle(page, (60, 40), (90, 70))
    page.click("#complete-all")
    says(page, "Completed 2 photos")
    failing = []  # the photo whose file is asked for first

    def answer(route):
        failing.append(route.request.url)
        if route.request.url == failing[0]:
            route.fulfill(status=503, json={"detail": "out of memory: try again"})
        else:
            route.continue_()

    page.route(re.compile("/completions/1/file"), answer)
    assert list(zipped(page)) == ["b.completed.jpg", "b.mask.png"]
    expect(page.get_by_role("alert")).to_contain_text("1 of 2 photos failed; the first is a.png: out of memory")
    page.click("#close-all")
    expect(page.locator("#close-dialog")).to_contain_text("1 of 2 photos was not downloaded")


def test_cancelling_leaves_the_others_painted(visit, shipped_photos, tmp_path):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        Image.open(shipped_photos / "astronaut.png").resize((1900, 1900)).save(path, compress_level=1)
    page = visit()
    page.set_input_files("#file", paths)
    says(page, "Paint over what should go")
    page.keyboard.press("r")
    paint(page, (0.4, 0.1), (0.6, 0.9))
    page.keyboard.press("PageDown")
    says(page, "2 of 2")
    paint(page, (0.4, 0.1), (0.6, 0.9))
    page.click("#complete-all")
    says(page, "Completing a.png, 1 of 2")
    page.keyboard.press("Escape")
    says(page, "Cancelled")
    assert [thumbnail(page, at).get_attribute("data-state") for at in range(2)] == ["painted", "painted"]


def test_closing_asks_before_work_is_lost(visit, three):
    page = visit()
    page.set_input_files("#file", three)
    says(page, "Paint over what should go")
    rectangle(page, (60, 40), (90, 70))
    page.click("#close")
    expect(page.locator("#close-dialog")).to_contain_text("a.png was not downloaded, and will be gone")
    screenshot(page, "closing")
    page.click("#close-dialog button[value=keep]")
    expect(page.locator("#thumbnails button")).to_have_count(3)
    complete(page)
    page.click("#close")
    page.keyboard.press("Escape")
    assert downloaded(page)[0] == "a.completed.png"
    page.click("#close")  # and it goes
    says(page, "b.jpg, 1 of 2")
    rectangle(page, (60, 40), (90, 70))
    page.click("#close-all")
    expect(page.locator("#close-dialog")).to_contain_text("1 of 2 photos was not downloaded")
    page.click("#close-dialog button[value=close]")
    expect(page.locator("#welcome")).to_be_visible()
    expect(page.locator("#strip")).to_be_hidden()
    opened(page, three[2])
    expect(page.locator("#complete")).to_be_disabled()


def test_several_photos_on_a_phone(visit, three):
    page = visit(360, 640, has_touch=True)
    page.set_input_files("#file", three)
    says(page, "Paint over what should go")
    expect(page.locator("#thumbnails canvas")).to_have_count(3)
    screenshot(page, "phone-several")
    assert page.evaluate("() => document.documentElement.scrollWidth") == 360
    for button in page.locator("#strip .group button").all():
        box = button.bounding_box()
        assert box["width"] >= 38
        assert box["x"] + box["width"] <= 360
    assert page.locator("#stage").bounding_box()["height"] > 180


def test_a_zip_is_what_python_reads(visit):
    page = visit()
    content = page.evaluate("""async () => {
      const { zipOf } = await import("/zip.js");
      const files = [
        { name: "a/Zoë 写真.png", blob: new Blob([new Uint8Array(300000).map((_, at) => (at * at) >> 3)]) },
        { name: "empty", blob: new Blob([]) },
      ];
      const zip = await zipOf(files, new Date(2031, 11, 30, 23, 59, 58));
      return [...new Uint8Array(await zip.arrayBuffer())];
    }""")
    with zipfile.ZipFile(BytesIO(bytes(content))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a/Zoë 写真.png", "empty"]
        assert archive.infolist()[1].date_time == (2031, 12, 30, 23, 59, 58)
        expected = (np.arange(300000, dtype=np.int64) ** 2).astype(np.int32) >> 3
        assert archive.read("a/Zoë 写真.png") == expected.astype(np.uint8).tobytes()
    too_large = """async () => {
      const { zipOf } = await import("/zip.js");
      const large = { size: 3 * 2 ** 30, stream: () => new Blob([]).stream() };
      await zipOf([{ name: "a", blob: large }, { name: "b", blob: large }]);
    }"""
    with pytest.raises(Exception, match=re.escape("The zip would have 6.0 GiB, and 4 is the most")):
        page.evaluate(too_large)
