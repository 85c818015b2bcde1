"""The exported page in a real browser: a photo painted on, completed and downloaded, and nothing fetched or sent."""

import base64
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import Error, expect

from engine.inference.alpha import Layers, complete_layers
from engine.inference.completer import CompletionOptions
from engine.inference.holes.mask import prepare_mask
from engine.inference.masks.selection import select_thing
from engine.inference.masks.shadows import shadows_of
from engine.inference.report import Report
from tests.engine.inference.masks.made_shadows import overlap, with_shadow
from tests.engine.serve.conftest import mask_of, screenshot
from tests.engine.serve.pages import THING, complete, downloaded, on_stage, opened, paint, says
from tests.engine.web.conftest import ISOLATED, completed_by_page, file_of

SELECT = """async ([photo, box]) => {
  const server = await import("./server.js");
  const file = new File([Uint8Array.from(atob(photo), (one) => one.charCodeAt(0))], "photo.png");
  const sent = await server.sendPhoto(file);
  const png = await server.select(sent.photo, 0, box);
  return new Uint8Array(await png.arrayBuffer()).reduce((text, byte) => text + String.fromCharCode(byte), "");
}"""

SHADOW = """async ([photo, mask, side]) => {
  const server = await import("./server.js");
  const fileOf = (content) => new File([Uint8Array.from(atob(content), (one) => one.charCodeAt(0))], "photo.png");
  const sent = await server.sendPhoto(fileOf(photo));
  const whole = { x: 0, y: 0, width: side, height: side, png: fileOf(mask) };
  const { png, ...told } = await server.shadow(sent.photo, 0, whole);
  const bytes = new Uint8Array(await png.arrayBuffer());
  return { ...told, png: bytes.reduce((text, byte) => text + String.fromCharCode(byte), "") };
}"""


CANCEL_SHADOW = """async ([photo, mask, side]) => {
  const server = await import("./server.js");
  const fileOf = (content) => new File([Uint8Array.from(atob(content), (one) => one.charCodeAt(0))], "photo.png");
  const sent = await server.sendPhoto(fileOf(photo));
  const cancelling = new AbortController();
  const whole = { x: 0, y: 0, width: side, height: side, png: fileOf(mask) };
  const found = server.shadow(sent.photo, 0, whole, cancelling.signal);
  cancelling.abort();
  return found.then(() => "found", (error) => error.name);
}"""


@pytest.fixture
def photo(shipped_photos, tmp_path):
    """A photo of 200x160 as a PNG."""
    path = tmp_path / "photo.png"
    Image.open(shipped_photos / "astronaut.png").convert("RGB").crop((150, 0, 350, 160)).save(path)
    return path


def is_ready(page):
    expect(page.locator("#runtime")).to_contain_text("The network runs", timeout=60_000)


def paint_the_thing(page):
    left, top, right, bottom = THING
    page.keyboard.press("r")
    paint(page, *on_stage(page, (left, top), (right, bottom)))


def expected_of(completer, photo, mask):
    pixels_HW3, mask_HW = np.asarray(photo), np.asarray(mask) > 0
    return completer.complete(pixels_HW3, mask_HW, dilate=None, texture="none").astype(int)


def test_open_paint_complete_download_without_a_network(visit, completer, photo):
    page = visit()
    is_ready(page)
    screenshot(page, "web-empty")
    page.context.set_offline(True)
    opened(page, photo)
    paint_the_thing(page)
    screenshot(page, "web-painted")
    complete(page)
    says(page, "widened by 4 pixels.")
    screenshot(page, "web-completed")
    name, content = downloaded(page)
    assert name == "photo.completed.png"
    after = np.asarray(Image.open(BytesIO(content)).convert("RGB")).astype(int)
    expected = expected_of(completer, Image.open(photo), mask_of((200, 160), THING))
    assert np.abs(after - expected).max() <= 2
    assert (after != np.asarray(Image.open(photo))).any()


def test_threads_are_those_that_isolation_allows(visit):
    alone, isolated = visit(), visit(ISOLATED)
    is_ready(alone)
    expect(alone.locator("#runtime")).to_contain_text("on one thread of the CPU")
    is_ready(isolated)
    cores = isolated.evaluate("navigator.hardwareConcurrency")
    expect(isolated.locator("#runtime")).to_contain_text(f"on {cores} threads" if cores > 1 else "on one thread")


def test_what_is_not_there_is_neither_shown_nor_done(visit, photo):
    """The photo's texture and a server; what replaces their words is shown."""
    page = visit()
    expect(page.locator("#welcome")).to_contain_text("The photo's texture and noise are not drawn here")
    expect(page.locator("#welcome")).to_contain_text("never leaves your machine")
    expect(page.locator("#welcome")).not_to_contain_text("It is sent to", use_inner_text=True)
    opened(page, photo)
    for id in ("another", "clear-areas"):
        expect(page.locator(f"#{id}")).to_be_hidden()
    for key, tool in (("n", "avoid"), ("f", "sample")):
        page.keyboard.press(key)
        expect(page.locator(f"[data-tool={tool}]")).to_be_hidden()
        expect(page.locator("[data-tool=brush]")).to_have_attribute("aria-pressed", "true")
    paint_the_thing(page)
    complete(page)
    page.keyboard.press("a")
    says(page, "Completed in")
    page.click("#help")
    screenshot(page, "web-help")
    expect(page.locator("#help-dialog")).to_contain_text("grow, shrink what is painted")
    expect(page.locator("#help-dialog")).not_to_contain_text("texture", use_inner_text=True)


@pytest.mark.parametrize("tool", ["s", "l"])
def test_the_thing_in_a_box_or_an_outline_is_painted_over(visit, photo, tmp_path, tool):
    """And not more: beside it, nothing changes. Where there is none, a sentence says so."""
    image = Image.new("RGB", (200, 160), (90, 100, 110))
    image.paste((200, 40, 30), THING)
    image.save(tmp_path / "thing.png")
    page = opened(visit(), tmp_path / "thing.png")
    left, top, right, bottom = THING
    around = [(left - 12, top - 9), (right + 14, top - 12), (right + 9, bottom + 11), (left - 8, bottom + 13)]
    page.keyboard.press(tool)
    paint(page, *on_stage(page, *(around if tool == "l" else around[::2])))
    says(page, "Selected.")
    screenshot(page, f"web-selected-{tool}")
    complete(page)
    after = Image.open(BytesIO(downloaded(page)[1])).convert("RGB")
    assert after.getcolors() == [(200 * 160, (90, 100, 110))]
    paint(page, *on_stage(page, *(around if tool == "l" else around[::2])))
    expect(page.locator("#alert")).to_contain_text("Nothing there differs from what is around it")


@pytest.mark.parametrize("source", ["coffee.png", "chelsea.png"])
def test_what_is_selected_is_what_the_engine_selects(visit, shipped_photos, source):
    """A piece of another photo, with a soft edge: nine tenths of the two masks are the same."""
    image = Image.open(shipped_photos / source).convert("RGB")
    other = Image.open(shipped_photos / "astronaut.png").convert("RGB").resize(image.size)
    blob = Image.new("L", image.size)
    ImageDraw.Draw(blob).ellipse((150, 80, 260, 170), fill=255)
    image.paste(other, (0, 0), blob.filter(ImageFilter.GaussianBlur(1.5)))
    box = (144, 74, 122, 102)
    content = base64.b64encode(file_of(image, "PNG")).decode()
    png = visit().evaluate(SELECT, [content, dict(zip(("x", "y", "width", "height"), box, strict=True))])
    found_HW = np.asarray(Image.open(BytesIO(png.encode("latin-1"))).convert("L")) >= 128
    expected_HW = select_thing(np.asarray(image), box, "the box")
    assert (found_HW & expected_HW).sum() > 0.9 * (found_HW | expected_HW).sum()


def test_a_box_with_next_to_nothing_around_it_selects_nothing(visit, shipped_photos):
    """As in the engine: a smaller copy has nothing of the row that is left."""
    image = Image.open(shipped_photos / "coffee.png").convert("RGB").resize((1500, 1000))
    content = base64.b64encode(file_of(image, "PNG")).decode()
    with pytest.raises(Error, match="Nothing there differs from what is around it; draw closer around the thing"):
        visit().evaluate(SELECT, [content, {"x": 0, "y": 0, "width": 1500, "height": 999}])


@pytest.mark.parametrize(("side", "seen"), [(200, 200), (600, 600), (600, 450)])
def test_the_shadow_is_the_one_that_the_engine_finds(visit, side, seen):
    """As a part of the whole in which its box lies; to the right of what is seen, the photo is transparent."""
    samples_HW3, thing_HW, _ = with_shadow(side, 0.5)
    hidden_HW = np.broadcast_to(np.arange(side) >= seen, thing_HW.shape)
    photo_HW4 = np.dstack((samples_HW3, 255 * ~hidden_HW)).astype(np.uint8)
    contents = [base64.b64encode(file_of(Image.fromarray(one), "PNG")).decode() for one in (photo_HW4, thing_HW)]
    told = visit().evaluate(SHADOW, [*contents, side])
    x, y, width, height = told["box"]
    found_HW = np.zeros(thing_HW.shape, bool)
    found_HW[y : y + height, x : x + width] = np.asarray(
        Image.open(BytesIO(told["png"].encode("latin-1"))).convert("L")
    )
    expected_HW, found, things = shadows_of(samples_HW3, thing_HW, hidden_HW)
    assert (told["found"], told["things"]) == (found, things) == (1, 1)
    assert overlap(found_HW, expected_HW) > 0.9
    assert not (found_HW & hidden_HW).any()


def test_a_search_for_shadows_is_cancelled(visit):
    """It takes a second for each of up to 64 things."""
    samples_HW3, thing_HW, _ = with_shadow(600, 0.5)
    contents = [base64.b64encode(file_of(Image.fromarray(one), "PNG")).decode() for one in (samples_HW3, thing_HW)]
    assert visit().evaluate(CANCEL_SHADOW, [*contents, 600]) == "AbortError"


def test_a_shadow_is_painted_over_or_there_is_none(visit, tmp_path):
    samples_HW3, _, _ = with_shadow(200, 0.5)
    Image.fromarray(samples_HW3[:160]).save(tmp_path / "shaded.png")
    page = opened(visit(), tmp_path / "shaded.png")
    page.keyboard.press("s")
    paint(page, *on_stage(page, (60, 60), (120, 122)))
    says(page, "Selected")
    page.keyboard.press("w")
    says(page, "Painted over its shadow, too")
    screenshot(page, "web-shadow")
    complete(page)
    after_HW3 = np.asarray(Image.open(BytesIO(downloaded(page)[1])).convert("RGB")).astype(int)
    assert np.abs(after_HW3[110, 130] - (150, 140, 120)).max() < 30  # where the shadow was
    page.keyboard.press("r")
    paint(page, *on_stage(page, (20, 120), (40, 140)))
    page.keyboard.press("w")
    expect(page.locator("#alert")).to_contain_text("No shadow was found beside what is painted: paint it.")


def test_a_jpeg_is_turned_upright_and_comes_back_as_one(visit, completer, photo, tmp_path):
    upright = Image.open(photo)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned = tmp_path / "turned.JPG"
    upright.rotate(90, expand=True).save(turned, "JPEG", quality=95, subsampling=0, exif=exif)
    page = opened(visit(), turned)
    says(page, "200 × 160 pixels")
    paint_the_thing(page)
    complete(page)
    name, content = downloaded(page)
    after = Image.open(BytesIO(content))
    assert (name, after.format, after.size) == ("turned.completed.JPG", "JPEG", (200, 160))
    assert not after.getexif()
    expected = expected_of(completer, upright, mask_of((200, 160), THING))
    assert np.abs(np.asarray(after).astype(int) - expected).mean() < 3  # JPEG's losses, twice


@pytest.mark.parametrize("soft", [False, True])
def test_transparency_is_completed_too(visit, completer, photo, soft):
    """As the engine does it, without texture; where alpha is neither 0 nor 255, browsers round colours."""
    image = Image.open(photo).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 200, 60))
    if soft:
        image.putalpha(Image.fromarray(np.linspace(0, 250, 160).astype(np.uint8)[:, None].repeat(200, 1)))
    mask = mask_of((200, 160), (90, 45, 120, 75))
    said = completed_by_page(visit(), image, mask)
    assert said["replaces"]
    pixels_HW4 = np.asarray(image)
    hole_HW, _ = prepare_mask(np.asarray(mask), (160, 200), None)
    before = Layers(pixels_HW4[..., :3], pixels_HW4[..., 3])
    expected = complete_layers(completer, before, hole_HW, CompletionOptions(texture="none"), Report())
    assert np.abs(said["pixels"][..., 3].astype(int) - expected.alpha_HW).max() <= 2
    opaque_HW = expected.alpha_HW == 255
    assert soft or opaque_HW[hole_HW].any()
    assert np.abs(said["pixels"][..., :3].astype(int) - expected.pixels_HW3)[opaque_HW].max(initial=0) <= 2


def test_what_is_no_photo_is_said_in_a_sentence(visit, tmp_path, shipped_photos):
    (tmp_path / "notes.png").write_text("no photo")
    page = visit()
    page.set_input_files("#file", tmp_path / "notes.png")
    expect(page.locator("#alert")).to_contain_text("notes.png is none that this browser can show")
    Image.new("RGB", (40, 30), (90, 90, 200)).save(tmp_path / "small.png")
    opened(page, tmp_path / "small.png")
    page.keyboard.press("r")
    paint(page, (0.02, 0.02), (0.98, 0.98))
    page.click("#complete")
    expect(page.locator("#alert")).to_contain_text("All of the photo is painted over")


def test_a_folder_that_is_not_complete_is_said(visit, photo):
    def take_away(page):
        page.context.route("**/padded.onnx", lambda route: route.fulfill(status=404))

    page = visit(before=take_away)
    expect(page.locator("#runtime")).to_have_text("The network could not be loaded.", timeout=60_000)
    expect(page.locator("#alert")).to_contain_text("model/padded.onnx of this page could not be fetched (404)")
    opened(page, photo)
    paint_the_thing(page)
    page.click("#complete")
    expect(page.locator("#alert")).to_contain_text("padded.onnx of this page could not be fetched")


def test_a_completion_is_cancelled_and_another_done(visit, shipped_photos, tmp_path):
    path = tmp_path / "large.png"
    Image.open(shipped_photos / "astronaut.png").convert("RGB").resize((1600, 1600)).save(path)
    page = opened(visit(), path)
    page.keyboard.press("r")
    paint(page, (0.36, 0.2), (0.62, 0.8))
    page.click("#complete")
    expect(page.locator("#status")).to_have_text(re.compile(r"1/\d+ of the resolution"), timeout=60_000)
    page.keyboard.press("Escape")
    says(page, "Cancelled.")
    expect(page.locator("#download")).to_be_disabled()
    page.keyboard.press("Control+z")
    paint(page, (0.5, 0.5), (0.52, 0.52))
    complete(page)


def test_what_was_done_is_there_after_a_reload(visit, photo):
    page = opened(visit(), photo)
    paint_the_thing(page)
    complete(page)
    once = downloaded(page)[1]
    page.wait_for_function("import('./keep.js').then(({ allWritten }) => allWritten()).then(() => true)")
    page.reload()
    says(page, "as you left it")
    assert downloaded(page)[1] == once
    page.keyboard.press("e")
    page.keyboard.press("r")
    paint(page, *on_stage(page, (20, 20), (40, 40)))
    complete(page)
    assert downloaded(page)[1] != once
