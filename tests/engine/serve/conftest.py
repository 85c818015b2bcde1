"""What the server's tests share: a running engine-serve with a tiny network, pictures, engine-infer and a browser."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from engine.commands import infer
from engine.inference.folders.jobs import find_jobs
from engine.weights import save_weights
from tests.engine.inference.conftest import random_network
from tests.engine.serve.pages import KEEP_MASKS, THING

QUICK = ("--max-bytes", str(8 << 20), "--max-pixels", "4000000", "--queue", "16", "--time-limit", "60")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH: apt-get install chromium")
BUILD = Path(__file__).parents[3] / "build"


class Server(NamedTuple):
    """A running engine-serve."""

    address: str
    pid: int
    temporary: Path
    """Its folder for temporary files."""

    def memory(self) -> int:
        """Bytes of the process that are in memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) << 10


@contextmanager
def serving(
    weights: Path, temporary: Path, *options: str, status: int = 0, told_to_end: bool = False
) -> Iterator[Server]:
    """engine-serve on a free port until the block is over, or has told it to end; its exit status is to be this."""
    words = [sys.executable, "-m", "engine.commands.serve", "--port", "0", "--runtime", "torch", *options]
    # One thread: where all cores are busy, several wait for each other longer than such small networks take.
    environment = os.environ | {"TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*words, "--weights", str(weights)], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            said = process.stdout.readline()
            assert said.startswith("engine-serve: http://127.0.0.1:"), said
            yield Server(said.split()[1], process.pid, temporary)
            if not told_to_end:  # else Ctrl-C may come as it ends, and is another end
                process.send_signal(signal.SIGINT)
            assert process.wait(30) == status
        finally:
            process.kill()


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, random_network(4))
    return path


@pytest.fixture(scope="session")
def server(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(weights, tmp_path_factory.mktemp("temporary"), *QUICK) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.address, timeout=60) as opened:
        yield opened


@pytest.fixture(scope="module")  # not of the session: other tests run loops of their own
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Browser, server):
    """Opens the page in a window like this; fails the test if the page had errors or asked anyone else."""
    contexts, wrong = [], []

    def call(width=1100, height=760, **options) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.add_init_script(KEEP_MASKS)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        elsewhere = re.compile(f"^(?!{re.escape(server.address)}|blob:|data:)")
        page.on("request", lambda request: elsewhere.match(request.url) and wrong.append(request.url))
        page.goto(server.address)
        return page

    yield call
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def thing(tmp_path):
    """A flat photo of 200x160 with a rectangle of colour on it."""
    image = Image.new("RGB", (200, 160), (90, 100, 110))
    image.paste((200, 40, 30), THING)
    image.save(tmp_path / "thing.png")
    return tmp_path / "thing.png"


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def is_let_go(port: int, seconds: float = 120) -> bool:
    """True if nothing listens on a port, now or within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) != 0:
                return True
        time.sleep(0.2)
    return False


def screenshot(page: Page, name: str) -> None:
    """Leave a picture of the page in build/screenshots/."""
    folder = BUILD / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png")


@pytest.fixture
def command(weights: Path, tmp_path: Path) -> Callable[..., bytes]:
    """What engine-infer writes for a photo's file and a mask, with options."""

    def call(photo: Path, mask: Image.Image, **options: object) -> bytes:
        mask.save(tmp_path / "mask.png")
        out = tmp_path / "command" / photo.name
        mine = {"mask": tmp_path / "mask.png", "out": out, "weights": weights, "runtime": "torch", "overwrite": True}
        config = infer.InferConfig(photos=(photo,), **mine, **options)
        jobs, _ = find_jobs(config.photos, config.out)
        completing = infer.completing_with(config, several=False)
        assert infer.run(config, [jobs], completing) == {"completed": 1}
        return out.read_bytes()

    return call


@pytest.fixture
def photo(tmp_path: Path, shipped_photos: Path) -> Path:
    """A photo of 200x160 as a PNG."""
    path = tmp_path / "photo.png"
    Image.open(shipped_photos / "astronaut.png").convert("RGB").crop((150, 0, 350, 160)).save(path)
    return path


def png(image: Image.Image) -> bytes:
    """The bytes of a PNG."""
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def mask_of(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """A mask of width x height with the box (left, top, right, bottom) white."""
    mask_HW = np.zeros(size[::-1], np.uint8)
    left, top, right, bottom = box
    mask_HW[top:bottom, left:right] = 255
    return Image.fromarray(mask_HW)
