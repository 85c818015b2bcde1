"""What is told of a running server: its log of requests, and the numbers that Prometheus reads."""

import asyncio
import logging
import re
import threading

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.inference.completer import Completer, CompletionOptions
from engine.inference.holes.mask import prepare_mask
from engine.inference.report import Report
from engine.serve.app import create_app
from engine.serve.work import Limits
from tests.engine.inference.conftest import random_network
from tests.engine.serve.conftest import mask_of, png, serving
from tests.engine.serve.test_parts import PHOTO, mask, run

LIMITS = Limits(max_pixels=10**6, max_bytes=10**6, queue=4, seconds=30, keep_bytes=10**6)
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ([A-Z]+) (\S+) (\d{3}) (\d+) bytes \d+ ms 127\.0\.0\.1")
HOLE = (60, 40, 90, 62)


@pytest.fixture
def app(request):
    completer = Completer.of(random_network(4), runtime="torch")
    return create_app(completer, CompletionOptions(dilate=4), LIMITS, logs=getattr(request, "param", True))


def ask(app, *requests):
    """The answers to (method, path, options), one after the other."""

    async def asked():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [await client.request(method, path, **options) for method, path, options in requests]

    return asyncio.run(asked())


def numbers(app):
    """Every sample by its name and labels."""
    (reply,) = ask(app, ("GET", "/metrics", {}))
    assert reply.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def logged(caplog):
    messages = [record.getMessage() for record in caplog.records if record.name == "engine.serve.watching"]
    return [LINE.fullmatch(message).groups() for message in messages]


def test_a_line_for_each_request(app, caplog, photo):
    caplog.set_level(logging.INFO, "engine")
    files = {"photo": ("grandma.png", photo.read_bytes()), "mask": ("mask.png", png(mask_of((200, 160), HOLE)))}
    kept = ask(app, ("POST", "/photos?name=grandma.png", {"content": photo.read_bytes()}))[0].json()["photo"]
    secret = {"headers": {"Authorization": "Bearer secret"}}
    answers = ask(
        app,
        ("POST", "/complete", {"files": files}),
        ("GET", f"/photos/{kept}/preview", secret),
        ("GET", f"/photos/{kept}", {}),  # no route
        ("DELETE", f"/photos/{kept}", {}),
        ("GET", "/page.js", {}),
        ("GET", "/a%0Ab?token=secret", {}),
        ("GET", "/health", {"headers": {"Host": "elsewhere.example"}}),
    )
    sizes = [str(len(answer.content)) for answer in answers]
    assert logged(caplog)[1:] == [
        ("POST", "/complete", "200", sizes[0]),
        ("GET", "/photos/-/preview", "200", sizes[1]),
        ("GET", "/photos/-", "404", sizes[2]),
        ("DELETE", "/photos/-", "204", "0"),
        ("GET", "/page.js", "200", sizes[4]),
        ("GET", "/a%0Ab", "404", sizes[5]),
        ("GET", "/health", "403", sizes[6]),
    ]
    said = "".join(record.getMessage() for record in caplog.records if record.name.startswith("engine"))
    assert not [word for word in ("grandma", "secret", kept) if word in said]


@pytest.mark.parametrize("app", [False], indirect=True)
def test_no_log(app, caplog):
    caplog.set_level(logging.INFO, "engine")
    assert ask(app, ("GET", "/health", {}))[0].status_code == 200
    assert logged(caplog) == []


def test_what_fails_is_logged_and_counted_as_500(app, caplog):
    caplog.set_level(logging.INFO, "engine")
    app.state.work.completer = None
    assert ask(app, ("GET", "/model", {}))[0].status_code == 500
    assert logged(caplog) == [("GET", "/model", "500", "0")]
    assert numbers(app)["engine_requests_total", "/model", "500"] == 1


def test_requests_are_counted_by_route_and_status(app, photo):
    files = {"photo": photo.read_bytes(), "mask": png(mask_of((200, 160), HOLE))}
    paths = [f"/photos/{number}/preview" for number in range(5)]
    ask(app, ("POST", "/complete", {"files": files}), ("POST", "/complete", {"content": b"?"}), ("GET", "/", {}))
    ask(app, *[("GET", path, {}) for path in [*paths, "/none", "/nothing"]])
    ask(app, ("GET", "/health", {"headers": {"Host": "elsewhere.example"}}))
    counted = numbers(app)
    requests = {tuple(labels): value for (name, *labels), value in counted.items() if name == "engine_requests_total"}
    assert requests == {
        ("/complete", "200"): 1,
        ("/complete", "422"): 1,
        ("/photos/{photo}/preview", "404"): 5,
        ("static", "200"): 1,
        ("static", "404"): 2,
        ("none", "403"): 1,
    }
    assert counted["engine_request_seconds_count", "/complete"] == 2
    assert counted["engine_request_seconds_bucket", "+Inf", "/complete"] == 2
    assert 0 < counted["engine_request_seconds_sum", "/complete"] < 60
    hole_HW, _ = prepare_mask(np.asarray(mask_of((200, 160), HOLE)) > 0, (160, 200), 4)
    assert counted["engine_completed_pixels_total",] == np.count_nonzero(hole_HW)
    assert counted["engine_completions_in_work",] == counted["engine_completions_waiting",] == 0
    assert counted["process_resident_memory_bytes",] > 1 << 20


def test_two_applications_count_for_themselves(app):
    other = create_app(app.state.work.completer, CompletionOptions(dilate=4), LIMITS)
    ask(app, ("GET", "/health", {}))
    assert numbers(app)["engine_requests_total", "/health", "200"] == 1
    assert ("engine_requests_total", "/health", "200") not in numbers(other)


def test_completions_in_work_and_waiting(app, monkeypatch):
    entered, release = threading.Event(), threading.Event()
    completer = app.state.work.completer
    complete = completer.complete

    def held(*arguments, **options):
        entered.set()
        assert release.wait(30)
        return complete(*arguments, **options)

    monkeypatch.setattr(completer, "complete", held)

    async def step(work, ticket):
        asked = [asyncio.ensure_future(work.complete(ticket, PHOTO, mask(), Report())) for _ in range(3)]
        await asyncio.to_thread(entered.wait, 30)
        assert work.in_work_and_waiting() == (1, 2)
        asked[2].cancel()
        await asyncio.gather(asked[2], return_exceptions=True)
        return asked, work.in_work_and_waiting()

    async def to_their_end(work, ticket):
        asked, meanwhile = await step(work, ticket)
        assert meanwhile[0] == 1
        release.set()
        await asyncio.gather(*asked, return_exceptions=True)
        work.network.shutdown()
        assert work.in_work_and_waiting() == (0, 0)

    run(completer, LIMITS, to_their_end)


@pytest.mark.parametrize("options", [(), ("--no-access-log",)])
def test_the_commands_log(weights, tmp_path, capfd, options):
    with serving(weights, tmp_path, *options) as server:
        assert httpx.get(f"{server.address}health?name=grandma.jpg").status_code == 200
        assert "engine_requests_total" in httpx.get(f"{server.address}metrics").text
    lines = capfd.readouterr().err.splitlines()
    found = [LINE.fullmatch(line).groups()[:3] for line in lines]
    assert found == ([] if options else [("GET", "/health", "200"), ("GET", "/metrics", "200")])
