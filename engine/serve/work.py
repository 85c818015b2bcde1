"""The queue of requests: a bounded number of requests, of which one at a time has the network.

A request's work ends early when its client goes or its time is over: at once while it waits, before the network's next
windows while it is being completed.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
from fastapi import HTTPException, Request

from engine.inference.alpha import Layers, complete_layers
from engine.inference.completer import Completer, CompletionOptions
from engine.inference.holes.hidden import hidden_pixels
from engine.inference.holes.mask import Mask
from engine.inference.masks.remains import prepare_hole
from engine.inference.report import Report
from engine.inference.window_runner import is_out_of_memory
from engine.inference.windows.plan import NoRoom
from engine.memory import give_freed_memory_back
from engine.serve.bodies import CLIENT_GONE
from engine.serve.texture import Texturing

log = logging.getLogger(__name__)

T = TypeVar("T")

IN_FLIGHT = 2
"""Files read or written at a time, beside the completion that is being made; as engine-infer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Limits on one request, and on all together."""

    max_pixels: int
    """Of a photo."""
    max_bytes: int
    """Of a request's body."""
    queue: int
    """Requests that may wait while one is worked on."""
    seconds: float
    """From a request's arrival to its answer."""
    keep_bytes: int
    """Of memory for the photos that pages work on."""


class Step(NamedTuple):
    """The network's next step in a completion: see `Report.watch`."""

    scale: int
    done: int
    windows: int


class Abandoned(Exception):
    """Nobody waits for this work any more."""


@dataclass(slots=True)
class Ticket:
    """A request's place in the queue."""

    request: Request
    deadline: float
    """In the time of `time.monotonic`."""
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the request has ended, whichever way."""

    @property
    def seconds_left(self) -> float:
        return max(self.deadline - time.monotonic(), 0)


class Work:
    """The server's threads, and the queue before them."""

    def __init__(self, completer: Completer, options: CompletionOptions, limits: Limits) -> None:
        self.completer, self.options, self.limits = completer, options, limits
        self.taken = 0
        self.pixels = 0  # of holes that were completed
        self.completions: set[Future[Any]] = set()  # that run or wait
        self.network = ThreadPoolExecutor(1, "network")
        self.files = ThreadPoolExecutor(IN_FLIGHT, "files")

    def in_work_and_waiting(self) -> tuple[int, int]:
        """The completions that the network works on, and those that wait for it."""
        asked = self.completions.copy()  # at once: the network's thread takes away those that are done
        in_work = sum(completion.running() for completion in asked)
        return in_work, len(asked) - in_work

    @asynccontextmanager
    async def place(self, request: Request) -> AsyncIterator[Ticket]:
        """A place in the queue until the request is answered. HTTPException 429 if there is none."""
        if self.taken > self.limits.queue:
            raise HTTPException(
                429,
                f"{self.taken} requests are being worked on or waiting, which is the limit (--queue); try again later",
                headers={"Retry-After": "1"},
            )
        ticket = Ticket(request, time.monotonic() + self.limits.seconds)
        self.taken += 1
        try:
            yield ticket
        finally:
            self.taken -= 1
            ticket.over.set()

    async def on_files(self, ticket: Ticket, step: Callable[..., T], *arguments: object) -> T:
        """The result of a step that reads or writes a file."""
        return await self.run(self.files, ticket, step, *arguments)

    async def complete(
        self,
        ticket: Ticket,
        before: Layers,
        mask_HW: Mask,
        report: Report,
        progress: Callable[[Step], None] = lambda step: None,
        nodata: float | None = None,
        texturing: Texturing | None = None,
    ) -> Layers:
        """The completed photo and its completed alpha, if it has any; `nodata` is the value of pixels without data.

        `texturing` is what the request says of it, if it does. `progress` is called on the network's thread before
        each run of it. HTTPException 422 if the mask cannot be completed, 503 without memory, 504 after the time limit.
        """
        options, sample_HW, avoid_HW = texturing or Texturing(self.options)

        def watch(scale: int, done: int, windows: int) -> None:
            if ticket.over.is_set():
                raise Abandoned
            progress(Step(scale, done, windows))

        def step() -> Layers:
            try:
                with report.stage("mask"):
                    hidden_HW = hidden_pixels(before.pixels_HW3, before.alpha_HW, nodata, Report())
                    hole_HW = prepare_hole(before.pixels_HW3, mask_HW, options.dilate, report, hidden_HW)
                areas: dict[str, Any] = {"sample_HW": sample_HW, "avoid_HW": avoid_HW}
                completed = complete_layers(self.completer, before, hole_HW, options, report, nodata=nodata, **areas)
                self.pixels += int(np.count_nonzero(hole_HW))
                return completed
            finally:
                give_freed_memory_back()

        report.watch = watch

        return await self.run(self.network, ticket, step)

    async def run(self, pool: Executor, ticket: Ticket, step: Callable[..., T], *arguments: object) -> T:
        """The result of a step on a pool's thread, for as long as the client waits and the time limit allows.

        HTTPException as `complete`, and 500 for what was not foreseen; Abandoned if the request is over before the step
        begins.
        """

        def unless_over() -> T:
            if ticket.over.is_set():
                raise Abandoned
            return step(*arguments)

        submitted = pool.submit(unless_over)
        if pool is self.network:
            self.completions.add(submitted)
            submitted.add_done_callback(self.completions.discard)
        future: asyncio.Future[T] = asyncio.wrap_future(submitted)
        gone = asyncio.ensure_future(disconnected(ticket.request))
        either: set[asyncio.Future[Any]] = {future, gone}
        try:
            await asyncio.wait(either, timeout=ticket.seconds_left, return_when=asyncio.FIRST_COMPLETED)
            if future.done():
                return future.result()
        except NoRoom as error:
            raise HTTPException(503, str(error)) from error
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        except (HTTPException, Abandoned):
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise HTTPException(503, f"out of memory: {error}; try a smaller hole, or --memory") from error
            log.exception("a request could not be answered")
            message = f"the server failed ({type(error).__name__}: {error}); its log says where"
            raise HTTPException(500, message) from error
        finally:
            client_gone = gone.done()
            gone.cancel()
            if not future.done():
                ticket.over.set()
                future.cancel()
        if client_gone:
            raise HTTPException(CLIENT_GONE, "the client has gone")
        raise HTTPException(504, f"not done within the limit of {self.limits.seconds:g} s (--time-limit)")

    def close(self) -> None:
        """End the threads, without what waits."""
        for pool in (self.network, self.files):
            pool.shutdown(wait=False, cancel_futures=True)


async def disconnected(request: Request) -> None:
    """Returns when the client has gone. To be awaited once the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
