"""The server's parts by themselves: the queue's ends, the photos kept, who is let in, and the command line."""

import asyncio
import re
import socket
import sys
import threading
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import HTTPException, Request
from starlette.datastructures import Headers

from engine.commands import infer, serve
from engine.inference.alpha import Layers
from engine.inference.completer import Completer, CompletionOptions
from engine.inference.photos.photo import Photo
from engine.inference.report import Report
from engine.serve import bodies
from engine.serve.album import Album, Completed, KeptPhoto, result_name, safe_name
from engine.serve.app import create_app
from engine.serve.bodies import CLIENT_GONE, Fields, Incoming
from engine.serve.gate import Gate
from engine.serve.routes import events
from engine.serve.texture import Texturing
from engine.serve.work import Abandoned, Limits, Step, Work
from tests.engine.inference.conftest import random_network

OPTIONS = CompletionOptions(dilate=4)
LIMITS = Limits(max_pixels=10**6, max_bytes=10**6, queue=0, seconds=30, keep_bytes=10**6)
PIXELS_HW3 = np.random.default_rng(0).integers(0, 256, (70, 80, 3), np.uint8)
PHOTO = Layers(PIXELS_HW3, None)


@pytest.fixture(scope="module")
def completer():
    return Completer.of(random_network(4), runtime="torch")


def a_request(gone: bool = False):
    """A request whose body has been read, of a client that has gone or stays."""

    async def receive():
        if not gone:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)


def run(completer, limits, step, gone=False):
    """What becomes of `step(work, ticket)` with a place in the queue, and the work afterwards."""

    async def all_of_it():
        work = Work(completer, OPTIONS, limits)
        try:
            async with work.place(a_request(gone)) as ticket:
                return await step(work, ticket), work
        finally:
            work.close()

    return asyncio.run(all_of_it())


@pytest.mark.parametrize("form", [False, True])
def test_a_client_that_goes_while_it_sends_is_no_failure(form):
    sent = iter([{"type": "http.request", "body": b"--b\r\n", "more_body": True}, {"type": "http.disconnect"}])

    async def receive():
        return next(sent)

    headers = [(b"content-type", b"multipart/form-data; boundary=b")] if form else []
    incoming = Incoming(Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive), 1000, 30)
    with pytest.raises(HTTPException, match="the client has gone") as refused:
        asyncio.run(incoming.form(Fields(("photo",))) if form else incoming.body())
    assert refused.value.status_code == CLIENT_GONE


def mask():
    mask_HW = np.zeros((70, 80), np.bool_)
    mask_HW[20:40, 30:50] = True
    return mask_HW


def test_a_completion_is_that_of_the_completer(completer):
    async def step(work, ticket):
        return await work.complete(ticket, PHOTO, mask(), Report())

    (completed_HW3, alpha_HW), work = run(completer, LIMITS, step)
    assert alpha_HW is None
    np.testing.assert_array_equal(completed_HW3, completer.complete(PIXELS_HW3, mask(), dilate=4))
    assert work.taken == 0


@pytest.mark.parametrize(("gone", "seconds", "status"), [(False, 0.0, 504), (True, 30, 499)])
def test_work_that_nobody_waits_for_ends(completer, gone, seconds, status):
    """A step that runs is told at the next scale; one that waits never begins."""
    entered, told, began = threading.Event(), threading.Event(), threading.Event()

    async def step(work, ticket):
        def at_a_scale():
            entered.set()
            assert ticket.over.wait(30)
            told.set()

        blocked = asyncio.ensure_future(work.run(work.network, ticket, at_a_scale))
        behind = asyncio.ensure_future(work.run(work.network, ticket, began.set))
        results = await asyncio.gather(blocked, behind, return_exceptions=True)
        work.network.shutdown()
        return results

    (first, second), _ = run(completer, replace(LIMITS, seconds=seconds), step, gone)
    assert first.status_code == status
    assert isinstance(second, Abandoned) or second.status_code == status
    assert not began.is_set()
    assert told.is_set() or not entered.is_set()


def test_a_completion_stops_at_the_next_scale_once_it_is_over(completer):
    scales = []
    wide_HW = np.zeros((300, 300), np.bool_)
    wide_HW[20:280, 20:280] = True  # from 1/2 of the resolution on
    noise_HW3 = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)

    async def step(work, ticket):
        def over(step):
            scales.append(step.scale)
            ticket.over.set()

        refined = Texturing(work.options._replace(texture="none"))
        with pytest.raises(Abandoned):
            await work.complete(ticket, Layers(noise_HW3, None), wide_HW, Report(), over, texturing=refined)

    run(completer, LIMITS, step)
    assert scales == [2]


def test_what_was_not_foreseen_is_said_and_logged(caplog):
    """A GPU that fails, say: in an answer's status, and in a stream that has begun by its last event."""
    broken = Completer.of(random_network(4), runtime="torch")

    def fail(*arguments):
        raise RuntimeError("the device is lost")

    broken.runtime.run = fail

    async def step(work, ticket):
        steps = asyncio.Queue()
        work_done = asyncio.ensure_future(work.complete(ticket, PHOTO, mask(), Report(), steps.put_nowait))
        work_done.add_done_callback(lambda _: steps.put_nowait(None))
        return [text async for text in events(Step(1, 0, 1), steps, work_done)]

    (progress, *_, error), _ = run(broken, LIMITS, step)
    assert progress.startswith("event: progress")
    assert error.startswith("event: error")
    assert "the server failed (RuntimeError: the device is lost)" in error
    assert "fail(*arguments)" not in error
    assert "Traceback" in caplog.text


def test_without_room_for_the_smallest_window_the_server_is_to_blame():
    async def step(work, ticket):
        with pytest.raises(HTTPException, match=r"raise the limit \(--memory\)") as refused:
            await work.complete(ticket, PHOTO, mask(), Report())
        return refused.value.status_code

    assert run(Completer.of(random_network(4), runtime="torch", memory=1000), LIMITS, step)[0] == 503


@pytest.mark.parametrize("error", [MemoryError("no room"), RuntimeError("[enforce fail] can't allocate memory")])
def test_without_memory_the_server_is_to_blame(error, monkeypatch):
    def fail(*arguments, **options):
        raise error

    full = Completer.of(random_network(4), runtime="torch")
    monkeypatch.setattr(full, "complete", fail)

    async def step(work, ticket):
        with pytest.raises(HTTPException, match=r"out of memory.*try a smaller hole, or --memory") as refused:
            await work.complete(ticket, PHOTO, mask(), Report())
        return refused.value.status_code

    assert run(full, LIMITS, step)[0] == 503


def test_no_place_in_a_full_queue(completer):
    async def step(work, ticket):
        with pytest.raises(HTTPException, match="1 requests are being worked on or waiting"):
            async with work.place(a_request()):
                pass
        return work.taken

    assert run(completer, LIMITS, step)[0] == 1


def a_photo(side):
    return KeptPhoto(
        Photo(
            pixels_HW3=np.zeros((side, side, 3), np.uint8),
            alpha_HW=None,
            grey=False,
            container="PNG",
            exif=None,
            icc=None,
            xmp=None,
            dpi=None,
        ),
        "photo.png",
    )


def test_the_album_drops_what_was_not_used_for_longest():
    album = Album(3 * 3 * 100)
    first, second, third = (album.add(a_photo(10)) for _ in range(3))
    album.get(first)
    fourth = album.add(a_photo(10))
    assert list(album.photos) == [third, first, fourth]
    with pytest.raises(LookupError):
        album.get(second)
    huge = album.add(a_photo(100))
    assert list(album.photos) == [huge]
    box = (slice(0, 10), slice(0, 10))
    album.get(huge).completions.append(Completed(0, box, np.ones((10, 10, 3), np.uint8), np.ones((10, 10), np.bool_)))
    assert album.get(huge).nbytes == 3 * 100 * 100 + 4 * 100


@pytest.mark.parametrize(
    ("name", "container", "result"),
    [
        ("photo.JPEG", "JPEG", "photo.completed.JPEG"),
        ("photo.jpg", "PNG", "photo.completed.png"),
        ("photo", "TIFF", "photo.completed.tif"),
        ("../../etc/passwd", "PNG", "passwd.completed.png"),
        ("C:\\photos\\a.b.webp", "WEBP", "a.b.completed.webp"),
        ("\n\0", "PNG", "photo.completed.png"),
        ("über 1.png", "PNG", "über 1.completed.png"),
    ],
)
def test_names_of_results(name, container, result):
    assert result_name(safe_name(name), container) == result


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:8000", None, 200),
        ("localhost:8000", "http://localhost:8000", 200),
        ("[::1]:8000", "http://[::1]:8000", 200),
        ("192.168.0.7", "http://192.168.0.7", 200),
        (socket.gethostname(), None, 200),
        ("127.0.0.1:8000", "https://photos.example", 200),  # allowed
        ("photos.example", "https://photos.example", 200),
        ("127.0.0.1:8000", "https://other.example", 403),
        ("127.0.0.1:8000", "http://127.0.0.1:9000", 403),  # another server on this machine
        ("127.0.0.1:8000", "null", 403),
        ("rebound.example:8000", "http://rebound.example:8000", 403),
        ("[", None, 403),
        ("", None, 403),
    ],
)
def test_who_is_let_in(completer, host, origin, status):
    app = create_app(completer, OPTIONS, LIMITS, ("https://photos.example",))

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.get("/health", headers={"Host": host} | ({"Origin": origin} if origin else {}))

    reply = asyncio.run(ask())
    assert reply.status_code == status, reply.text
    allowed = origin == "https://photos.example"
    assert (reply.headers.get("access-control-allow-origin") == "https://photos.example") == allowed
    assert reply.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(("origin", "advice"), [("https://elsewhere.example", True), ("null", False)])
def test_no_option_is_advised_that_is_refused(completer, origin, advice):
    """A page opened from a file says "null", which --allow-origin does not take."""
    refusal = Gate(create_app(completer, OPTIONS, LIMITS), ()).refusal(Headers({"host": "localhost", "origin": origin}))
    assert ("--allow-origin" in refusal) == advice


def test_what_nothing_foresaw_is_answered_in_json(completer):
    app = create_app(completer, OPTIONS, LIMITS)
    app.state.work.completer = None

    async def ask():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/model"), await client.get("/health")

    failed, later = asyncio.run(ask())
    assert failed.status_code == 500
    assert "the server failed" in failed.json()["detail"]
    assert "NoneType" not in failed.text
    assert later.status_code == 200


def test_an_error_of_the_engines_own_is_no_bad_photo(completer, monkeypatch, caplog):
    error = TypeError("?")

    def fail(*arguments):
        raise error

    monkeypatch.setattr(bodies, "parse_photo", fail)
    app = create_app(completer, OPTIONS, LIMITS)

    async def ask():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/photos", content=b"a photo")

    failed = asyncio.run(ask())
    assert failed.status_code == 500
    assert any(record.exc_info and record.exc_info[1] is error for record in caplog.records)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"port": 70000}, "--port is 70000; it must be 0 to 65535"),
        ({"queue": -1}, "--queue is -1; it must be at least 0"),
        ({"time_limit": 0.0}, "--time-limit is 0.0; it must be above 0"),
        ({"keep": float("nan")}, "--keep is nan; it must be above 0"),
        ({"memory": float("nan")}, "--memory is nan; it must be above 0 and below 1048576 GiB"),
        ({"memory": float("inf")}, "--memory is inf; it must be above 0 and below 1048576 GiB"),
        ({"allow_origin": ("photos.example",)}, "'photos.example'; it must be like https://photos.example"),
        ({"allow_origin": ("*",)}, "'*'; it must be like https://photos.example"),
        ({"mask_dilate": -1}, "--mask-dilate is -1; it must be 0 to 1000 pixels"),
        ({"scale": "3"}, "--scale is '3'; it must be auto, native, or one of"),
    ],
)
def test_a_wrong_option(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        serve.ServeConfig(**values)


def test_a_port_that_is_taken(monkeypatch, weights):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        words = ["engine-serve", "--port", str(port), "--weights", str(weights), "--runtime", "torch"]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit, match=f"cannot listen on 127.0.0.1, port {port}: .*; choose another --port"):
            serve.main()


@pytest.mark.parametrize("missing", ["uvicorn", "python_multipart", "prometheus_client"])
def test_without_the_extra(monkeypatch, missing):
    for loaded in ("app", "drain", "watching"):
        monkeypatch.delitem(sys.modules, f"engine.serve.{loaded}", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr(sys, "argv", ["engine-serve"])
    with pytest.raises(SystemExit, match=re.escape("pip install 'glcic-engine[serve]'")):
        serve.main()


def test_its_defaults_are_the_commands():
    """A photo completed on the page is as engine-infer completes it."""
    assert serve.ServeConfig().options == infer.InferConfig(photos=()).options == CompletionOptions(dilate=None)


def test_the_readmes_commands(monkeypatch):
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    lines = re.findall(r"^\$ (engine-serve.*?)(?: +#.*)?$", readme, re.MULTILINE)
    asked = []
    monkeypatch.setattr(serve, "serve", asked.append)
    for line in lines:
        monkeypatch.setattr(sys, "argv", line.split())
        serve.main()
    assert len(asked) == len(lines) > 0
