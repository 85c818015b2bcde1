"""What tests of the page share: visits in a browser, painting on it, and what it sends and shows."""

import base64
import re
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

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
    if (data[at + 3] === 255) found.add({ 255: "hole", 18: "sampled", 29: "avoided" }[data[at]] ?? "edge");
  found.delete("edge"); // between two inks
  return [...found];
}"""

DROP = """([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const dropped = new DataTransfer();
  dropped.items.add(new File([bytes], name));
  return dropped;
}"""


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


THING = (70, 50, 120, 90)
"""The left, top, right and bottom of what `thing` has on its flat ground."""


def on_stage(page, *points):
    """Shares of the stage at which these points of a photo of 200x160 are, when all of it is shown."""
    box = page.locator("#stage").bounding_box()
    scale = min((box["width"] - 32) / 200, (box["height"] - 32) / 160, 4)
    return [(0.5 + scale * (x - 100) / box["width"], 0.5 + scale * (y - 80) / box["height"]) for x, y in points]
