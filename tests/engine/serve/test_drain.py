"""The server's end on SIGTERM: what it was asked is answered, what comes then is refused, and its status is 0."""

import asyncio
import contextlib
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image

from engine.serve.drain import DrainingServer
from tests.engine.serve.conftest import png, serving
from tests.engine.serve.test_api import held, keep, wait_for_requests

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows ends a process at once")


def refused(client):
    """The first answer of a server that takes no new requests."""
    for _ in range(200):
        reply = client.get("/health")
        if reply.status_code != 200:
            return reply
        time.sleep(0.02)
    raise AssertionError(reply.text)


def wait_for_its_end(server):
    with contextlib.suppress(httpx.TransportError):
        while True:
            httpx.get(f"{server.address}health")
            time.sleep(0.05)


def test_what_was_asked_is_answered_and_what_comes_is_refused(weights, photo, tmp_path):
    release = threading.Event()
    with (
        serving(weights, tmp_path, told_to_end=True) as server,
        httpx.Client(base_url=server.address, timeout=60) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        asked = pool.submit(held, server, photo, release)
        wait_for_requests(client, 1)
        os.kill(server.pid, signal.SIGTERM)
        reply = refused(client)
        assert reply.status_code == 503
        assert reply.headers["retry-after"] == "5"
        assert "takes no new requests" in reply.json()["detail"]
        assert client.post("/photos", content=photo.read_bytes()).status_code == 503
        assert client.get("/").status_code == 503
        assert not asked.done()
        release.set()
        assert asked.result() == 201


def test_a_completion_that_streams_is_finished(weights, shipped_photos, tmp_path):
    path = tmp_path / "large.png"
    Image.open(shipped_photos / "astronaut.png").resize((1200, 1200)).save(path, compress_level=1)
    box = {"x": 50, "y": 50, "width": 1100, "height": 1100}
    with (
        serving(weights, tmp_path, told_to_end=True) as server,
        httpx.Client(base_url=server.address, timeout=60) as client,
    ):
        kept = keep(client, path)
        mask = png(Image.new("L", (1100, 1100), 255))
        with client.stream("POST", f"/photos/{kept}/completions", params=box, content=mask) as reply:
            texts = reply.iter_text()
            assert "progress" in next(texts)
            os.kill(server.pid, signal.SIGTERM)
            assert "event: completed" in "".join(texts)


def test_an_idle_server_ends_at_once(weights, tmp_path):
    with serving(weights, tmp_path, told_to_end=True) as server, httpx.Client(base_url=server.address) as client:
        assert client.get("/health").status_code == 200  # and its connection stays
        began = time.monotonic()
        os.kill(server.pid, signal.SIGTERM)
        wait_for_its_end(server)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("again", [False, True], ids=["the time limit", "a second SIGTERM"])
def test_what_ends_the_wait(weights, photo, tmp_path, again):
    """The time limit of the request itself, or whoever asks twice."""
    never = threading.Event()
    options = ("--time-limit", "60" if again else "3")
    status = 143 if again else 0
    with (
        serving(weights, tmp_path, *options, status=status, told_to_end=True) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        asked = pool.submit(held, server, photo, never)
        with httpx.Client(base_url=server.address) as client:
            wait_for_requests(client, 1)
            began = time.monotonic()
            os.kill(server.pid, signal.SIGTERM)
            assert refused(client).status_code == 503
        if again:
            os.kill(server.pid, signal.SIGTERM)
        wait_for_its_end(server)
        assert time.monotonic() - began < 10
        never.set()
        if not again:
            assert asked.result() == 408
        else:
            asked.exception(30)


def test_what_outlasts_its_own_limit_is_not_waited_for():
    """A client, say, that does not read its answer."""

    async def forever():
        server = DrainingServer(FastAPI(), 0.0)
        request = asyncio.ensure_future(asyncio.Event().wait())
        server.server_state.tasks.add(request)
        assert not await server.on_tick(1)
        server.handle_exit(signal.SIGTERM, None)
        return await server.on_tick(1)

    assert asyncio.run(forever())
