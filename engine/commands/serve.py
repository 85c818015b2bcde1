"""engine-serve: paint a hole in a photo in the browser, and see it completed.

    engine-serve --open        the page in your browser; photos stay here
    engine-serve --port 9000   another port; the API is described at /api.html
    engine-serve --install-plugin krita   remove what is selected in Krita

Only this machine can open the page, unless --host says otherwise; then give --token-file.
"""

import asyncio
import logging
import math
import signal
import socket
import sys
import webbrowser
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import tyro

from engine.commands.completion import CompletionConfig
from engine.commands.ending import ends_in_a_line, log_to_stderr
from engine.packages import install_line
from engine.plugins.install import PaintProgram, install, without_install
from engine.processes import end_with

INSTALL = f"engine-serve needs FastAPI, uvicorn, python-multipart and prometheus-client: {install_line('fastapi')}"
OPEN_TO_ALL = "warning: everyone who reaches this machine can use it; --token-file FILE asks for a token"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(kw_only=True)
class ServeConfig(CompletionConfig):
    """The options of engine-serve."""

    host: str = "127.0.0.1"
    """Address to listen on. 0.0.0.0 lets everyone in who reaches this machine, unless --token-file is given."""

    port: int = 8000
    """Port to listen on; 0 takes a free one."""

    token_file: Path | None = None
    """File with the token that requests must carry as Authorization: Bearer TOKEN; the page asks for it."""

    open: bool = False
    """Open the page in the browser."""

    max_pixels: int = 200_000_000
    """Photos with more pixels are refused."""

    max_bytes: int = 256 * 2**20
    """Requests with larger bodies are refused."""

    queue: int = 16
    """Requests that may wait while one is worked on; more are refused."""

    time_limit: float = 300
    """Seconds that a request may take."""

    keep: float = 4
    """GiB of photos that pages work on; beyond, those that were not used for longest are dropped, and sent again."""

    allow_origin: tuple[str, ...] = ()
    """Origins, such as https://photos.example, whose pages may use this server."""

    api: Literal["iopaint"] | None = None
    """Another program's API to speak beside the own one: iopaint, under /api/v1."""

    page: Path | None = None
    """Folder with the page to serve in place of the own one, such as IOPaint's: docs/operations.md says how."""

    install_plugin: PaintProgram | None = None
    """Write the plug-in of a paint program to where that looks for it, and end. The plug-in starts engine-serve with
    the options that are given beside this one: docs/paint-programs.md."""

    end_with: int | None = None
    """End when the process with this number does: the program that has started the server."""

    access_log: bool = True
    """Write a line for each request to standard error, without the names of photos."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.port <= 65535:
            raise ValueError(f"--port is {self.port}; it must be 0 to 65535")
        for name, least in (("max_pixels", 1), ("max_bytes", 1), ("queue", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be at least {least}")
        for name in ("time_limit", "keep"):
            if not 0 < getattr(self, name) < math.inf:  # nan is not, either
                raise ValueError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be above 0 and finite")
        if self.page is not None and not (self.page / "index.html").is_file():
            raise ValueError(f"--page is {self.page}, and there is no index.html in it; name a built page's folder")
        for origin in self.allow_origin:
            parts = urlsplit(origin)
            if (
                parts.scheme not in ("http", "https")
                or not parts.netloc
                or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise ValueError(f"--allow-origin is {origin!r}; it must be like https://photos.example")


@ends_in_a_line("engine-serve")
def main() -> None:
    log_to_stderr()
    config = tyro.cli(ServeConfig, prog="engine-serve", description=__doc__)
    if config.install_plugin is None:
        serve(config)
    else:
        print(installed(config, sys.argv[1:]))


def installed(config: ServeConfig, arguments: list[str]) -> str:
    """Write a paint program's plug-in, which starts a server with these arguments; what was written, and what to do."""
    assert config.install_plugin is not None
    if config.port == 0:
        raise ValueError("--port is 0, a free one, and the plug-in has to know where the server is; give it a number")
    address = address_of(config.host, config.port).rstrip("/")
    return install(config.install_plugin, address, config.token_file, without_install(arguments))


def serve(config: ServeConfig) -> None:
    """Listen, say where, and answer requests until interrupted."""
    try:
        import python_multipart  # noqa: F401  FastAPI asks for it only when a form arrives

        from engine.serve.app import STATIC, create_app
        from engine.serve.drain import DrainingServer
        from engine.serve.token import read_token
        from engine.serve.work import Limits
    except ModuleNotFoundError as error:
        raise ValueError(f"{INSTALL} ({error})") from error
    token = None if config.token_file is None else read_token(config.token_file)
    limits = Limits(
        max_pixels=config.max_pixels,
        max_bytes=config.max_bytes,
        queue=config.queue,
        seconds=config.time_limit,
        keep_bytes=int(config.keep * 2**30),
    )
    completer = config.completer(config.weights)
    app = create_app(
        completer,
        config.options,
        limits,
        config.allow_origin,
        token,
        config.access_log,
        config.api,
        config.page or STATIC,
    )
    server = DrainingServer(app, limits.seconds)
    if config.end_with is not None:
        end_with(config.end_with, partial(server.handle_exit, signal.SIGTERM, None))
    with listen(config.host, config.port) as listening:
        address = address_of(config.host, listening.getsockname()[1])
        print(f"engine-serve: {address} (Ctrl+C ends it)", flush=True)
        if config.host not in LOOPBACK and token is None:
            print(f"engine-serve: {OPEN_TO_ALL}", file=sys.stderr, flush=True)
        if config.open:
            webbrowser.open(address)
        logging.getLogger("uvicorn.error").addFilter(tells_something)
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # of `nohup`
            signal.signal(signal.SIGHUP, server.handle_exit)  # as uvicorn does for SIGINT
        with suppress(KeyboardInterrupt):  # which uvicorn raises again once it has shut down
            server.run(sockets=[listening])


def tells_something(record: logging.LogRecord) -> bool:
    """True if a message is more than the traceback of a request that uvicorn has cancelled itself, as it shuts down."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def listen(host: str, port: int) -> socket.socket:
    """A socket that accepts connections. OSError, with what to do, if it cannot be had."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise OSError(f"cannot listen on {host}, port {port}: {error.strerror}; choose another --port") from error


def address_of(host: str, port: int) -> str:
    """The page's address as a browser on this machine takes it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}/"


if __name__ == "__main__":
    main()
