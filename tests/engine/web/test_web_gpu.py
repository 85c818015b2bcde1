"""The network in WebGPU: by Chromium's own adapter in software, which takes a minute for what a GPU does in a moment.

The page takes no such adapter, so that its check for them is left out here.
"""

import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.engine.serve.conftest import CHROMIUM, NEEDS_CHROMIUM
from tests.engine.web.conftest import completed_by_page
from tests.engine.web.test_equality import MOST, taken

pytestmark = NEEDS_CHROMIUM

IN_SOFTWARE = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=IN_SOFTWARE)
        yield opened
        opened.close()


def without_the_check(page):
    def answer(route):
        text = route.fetch().text()
        assert "isFallbackAdapter" in text
        route.fulfill(body=text.replace("isFallbackAdapter", "isNotThere"), content_type="text/javascript")

    page.context.route("**/network.js", answer)


def test_an_adapter_in_software_is_not_taken(visit):
    page = visit()
    if not page.evaluate("Promise.resolve(navigator.gpu?.requestAdapter()).then(Boolean)"):
        pytest.skip("this Chromium has no WebGPU in software")
    expect(page.locator("#runtime")).to_contain_text("on one thread of the CPU", timeout=60_000)


@pytest.mark.slow
def test_what_a_gpu_gives_equals_the_engine(visit, completer, shipped_photos):
    page = visit(before=without_the_check)
    if not page.evaluate("Promise.resolve(navigator.gpu?.requestAdapter()).then(Boolean)"):
        pytest.skip("this Chromium has no WebGPU in software")
    expect(page.locator("#runtime")).to_contain_text("The network runs on the GPU.", timeout=120_000)
    photo, mask = taken(shipped_photos, "a photo smaller than a window")
    page.set_default_timeout(300_000)
    expected = completer.complete(np.asarray(photo), np.asarray(mask) >= 128, dilate=None, texture="none")
    differences = np.abs(completed_by_page(page, photo, mask)["pixels"][..., :3].astype(int) - expected)
    assert differences.max() <= MOST
    expect(page.locator("#runtime")).to_contain_text("The network runs on the GPU.")
