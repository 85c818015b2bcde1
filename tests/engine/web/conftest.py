"""What the tests of the exported page share: the page on a plain static host, in a browser, and photos put into it."""

import base64
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from engine.commands import export
from engine.inference.completer import Completer
from engine.web.site import ONNXRUNTIME_WEB
from tests.engine.commands.conftest import run_main, weights
from tests.engine.serve.conftest import BUILD, CHROMIUM, browser

__all__ = ["browser", "run_main", "weights"]
"""Fixtures of other tests."""

ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
"""With these, a browser gives a page several threads."""

COMPLETE = """async ([name, photo, mask, width, height]) => {
  const server = await import("./server.js");
  const fileOf = (content) => new File([Uint8Array.from(atob(content), (one) => one.charCodeAt(0))], name);
  const sent = await server.sendPhoto(fileOf(photo));
  const steps = [];
  const whole = { x: 0, y: 0, width, height, png: fileOf(mask) };
  const done = await server.complete(sent.photo, 0, whole, 0, new AbortController().signal, (step) => steps.push(step));
  const file = await server.completedFile(sent.photo, done.completion);
  server.dropPhoto(sent.photo);
  const bytes = new Uint8Array(await file.blob.arrayBuffer());
  return { ...done, steps, name: file.name, file: bytes.reduce((text, byte) => text + String.fromCharCode(byte), "") };
}"""
"""A photo's file completed where a mask is white, by the page's own module; the result as a string of bytes."""


@pytest.fixture(scope="session")
def onnxruntime_web() -> Path:
    """The npm package, which is fetched once; without npm or a registry, tests that need it are skipped."""
    folder = BUILD / f"onnxruntime-web-{ONNXRUNTIME_WEB}"
    if not folder.exists():
        if shutil.which("npm") is None:
            pytest.skip("no npm on the PATH, which fetches onnxruntime-web: apt-get install npm")
        folder.parent.mkdir(parents=True, exist_ok=True)
        words = ["npm", "pack", f"onnxruntime-web@{ONNXRUNTIME_WEB}", "--pack-destination", folder.parent]
        packed = subprocess.run(words, capture_output=True, text=True, check=False)
        if packed.returncode:
            pytest.skip(f"npm fetches no onnxruntime-web: {packed.stderr[-300:]}")
        shutil.unpack_archive(folder.with_name(f"onnxruntime-web-{ONNXRUNTIME_WEB}.tgz"), folder, filter="data")
    return folder / "package"


@pytest.fixture(scope="session")
def site(onnxruntime_web: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported page with the engine's own weights, some folders below what its host serves."""
    if CHROMIUM is None:
        pytest.skip("no chromium on the PATH: apt-get install chromium")
    out = tmp_path_factory.mktemp("host") / "some" / "where" / "site"
    words = {"weights": Path("default"), "to": "web", "out": out, "onnxruntime_web": onnxruntime_web}
    export.export(export.ExportConfig(**words))
    return out


class Handler(SimpleHTTPRequestHandler):
    """Serves files with further headers, and says nothing."""

    def __init__(self, *arguments, more: dict[str, str], **options) -> None:
        self.more = more
        super().__init__(*arguments, **options)

    def end_headers(self) -> None:
        for name, value in self.more.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *arguments) -> None:
        pass


@contextmanager
def hosting(site: Path, headers: dict[str, str]) -> Iterator[str]:
    """The address of the page on a static host that adds these headers."""
    handler = partial(Handler, directory=site.parents[2], more=headers)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/some/where/site/"
        server.shutdown()


@pytest.fixture
def visit(browser: Browser, site: Path):
    """Opens the page on a host that adds headers; fails the test if it had errors, sent anything or asked others."""
    contexts, hosts, wrong = [], [], []

    def call(headers: dict[str, str] | None = None, before=lambda page: None, **options) -> Page:
        host = hosting(site, headers or {})
        hosts.append(host)
        address = host.__enter__()
        context = browser.new_context(viewport={"width": 1100, "height": 760}, **options)
        contexts.append(context)
        elsewhere = re.compile(f"^(?!{re.escape(address)}|blob:|data:)")
        context.on(
            "request",
            lambda request: (elsewhere.match(request.url) or request.method != "GET") and wrong.append(request.url),
        )
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        before(page)
        page.goto(address)
        return page

    yield call
    for context in contexts:
        context.close()
    for host in hosts:
        host.__exit__(None, None, None)
    assert wrong == []


@pytest.fixture(scope="session")
def completer() -> Completer:
    """The engine, as exact as the page."""
    return Completer.load("default", "torch", "fp32", "cpu")


def completed_by_page(page: Page, photo: Image.Image, mask: Image.Image, kind: str = "PNG") -> dict:
    """What the page says of a completion, with its `pixels`, an array of what is in its file."""
    content = [base64.b64encode(file_of(image, form)).decode() for image, form in ((photo, kind), (mask, "PNG"))]
    said = page.evaluate(COMPLETE, [f"photo.{kind.lower()}", *content, *photo.size])
    return said | {"pixels": np.asarray(Image.open(BytesIO(said["file"].encode("latin-1"))))}


def file_of(image: Image.Image, kind: str) -> bytes:
    file = BytesIO()
    image.save(file, kind)
    return file.getvalue()
