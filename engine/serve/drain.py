"""The end of the server on SIGTERM: what it was asked is answered first, and nothing new is begun."""

import signal
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.serve.errors import error_response

SECONDS_AFTER = 2
"""In which requests end that are cancelled."""


class DrainingServer(uvicorn.Server):
    """uvicorn's server, which on SIGTERM answers what it has been asked, for `seconds` at most, and ends with status 0.

    It listens until then, so that whoever comes is told. A second SIGTERM, as Ctrl-C, cancels what runs.
    """

    def __init__(self, app: FastAPI, seconds: float) -> None:
        # The log of requests is that of `Watch`: uvicorn's has what follows the path, where photos' names are.
        super().__init__(
            uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=SECONDS_AFTER)
        )
        self.app, self.seconds = app, seconds
        self.ends_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM and self.ends_at is None:
            self.ends_at = time.monotonic() + self.seconds
            self.app.state.draining = True
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if self.ends_at is not None and (not self.server_state.tasks or time.monotonic() >= self.ends_at):
            self.should_exit = True
        return await super().on_tick(counter)


class Drain:
    """ASGI middleware that refuses requests with status 503 once the application's state is `draining`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if scope["type"] == "http" and scope["app"].state.draining:
            message = "the server is about to end and takes no new requests; try again once it is back"
            app = error_response(scope["path"], message, 503, {"Retry-After": "5", "Connection": "close"})
        await app(scope, receive, send)
