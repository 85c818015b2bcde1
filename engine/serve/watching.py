"""The reports of a running server: a line for each request in its log, and numbers for Prometheus."""

import logging
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import quote

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.serve.work import Work

log = logging.getLogger(__name__)

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
"""Bounds of the histogram: from a file of the page to the default of --time-limit."""

MOST_LETTERS = 200
"""Of a path in the log."""

KEPT = re.compile("photos/[^/]+")


class OfWork(Collector):
    """The completions of the server's queue, as Prometheus collects them."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def collect(self) -> Iterable[Metric]:
        in_work, waiting = self.work.in_work_and_waiting()
        yield GaugeMetricFamily("engine_completions_in_work", "Completions that the network works on.", in_work)
        yield GaugeMetricFamily("engine_completions_waiting", "Completions that wait for the network.", waiting)
        yield CounterMetricFamily("engine_completed_pixels", "Pixels of holes that were completed.", self.work.pixels)


class Metrics:
    """The numbers of one application, in a registry of its own."""

    def __init__(self, work: Work) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "engine_requests", "Requests that were answered.", ("route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "engine_request_seconds",
            "Seconds from a request to the end of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.registry.register(OfWork(work))
        ProcessCollector(registry=self.registry)


class Watch:
    """ASGI middleware that counts every request, and writes it into the log if `logs`."""

    def __init__(self, app: ASGIApp, metrics: Metrics, logs: bool) -> None:
        self.app, self.metrics, self.logs = app, metrics, logs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, arrived = time.perf_counter(), datetime.now(UTC)
        status, size = 500, 0  # of what fails, which is answered outside of here

        async def send_counted(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            size += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, send_counted)
        finally:
            seconds, route = time.perf_counter() - began, route_of(scope)
            self.metrics.requests.labels(route, status).inc()
            self.metrics.seconds.labels(route).observe(seconds)
            if self.logs:
                at = arrived.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                client = scope["client"][0] if scope.get("client") else "-"
                what = f"{scope['method']} {path_of(scope)} {status} {size} bytes {seconds * 1000:.0f} ms"
                log.info("%s %s %s", at, what, client)


def route_of(scope: Scope) -> str:
    """The route of a request that has been answered, of which there are few: clients choose paths, but no routes."""
    route = scope.get("route")
    if isinstance(route, Route):
        return route.path
    return "static" if "endpoint" in scope else "none"


def path_of(scope: Scope) -> str:
    """A request's path for the log, without a kept photo's name, which opens it to whoever reads it."""
    return quote(KEPT.sub("photos/-", scope["path"]))[:MOST_LETTERS]
