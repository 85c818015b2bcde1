"""engine-serve as a plug-in sees it: found, or started, and asked."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Iterator, Mapping, NamedTuple
from urllib.parse import urlsplit

from .problem import Cancelled, Problem

LOG = "server.log"
"""The file beside the settings with what the server says that was started here."""

SECONDS_TO_CONNECT = 10
SECONDS_TO_START = 120
SECONDS_TO_ANSWER = 600
"""Longer than any answer takes: engine-serve gives up itself, after its --time-limit."""

NO_WINDOW = 0x08000000
"""Of Windows' CreateProcess."""

OF_ANOTHER_PYTHON = ("PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH")
"""In the environment of a paint program that brings its own Python along, and wrong for any other."""


class Settings(NamedTuple):
    """How the server is reached, and started where it does not run."""

    address: str
    token_file: str | None
    start: list[str]
    """The command that starts it; empty: it is not to be started."""
    folder: str
    """In which the command runs."""
    path: Path
    """The file that says all this."""


def read_settings(path: Path) -> Settings:
    """The settings in a file. Problem if it has none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Settings(found["address"], found["token_file"], found["start"], found["folder"], path)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise Problem(
            f"{path} does not say how engine-serve is reached ({error!r}); engine-serve --install-plugin writes it anew"
        ) from error


def environment_for_server(environ: Mapping[str, str], platform: str) -> dict[str, str]:
    """The environment, without what a paint program that brings its own Python along has set for that one."""
    brings_its_own = platform in ("win32", "darwin") or "APPDIR" in environ
    return {name: value for name, value in environ.items() if not (brings_its_own and name in OF_ANOTHER_PYTHON)}


class Server:
    """The server of these settings. One that is started here ends with the process `program`."""

    def __init__(self, settings: Settings, program: int) -> None:
        self.settings, self.program = settings, program
        self.socket: socket.socket | None = None
        self.cancelled = False

    def cancel(self) -> None:
        """End what is asked now with Cancelled, in whichever thread: the server sees that nobody waits any more."""
        self.cancelled = True
        if self.socket is not None:
            with suppress(OSError):  # it is closed already
                self.socket.shutdown(socket.SHUT_RDWR)

    def is_there(self) -> bool:
        """True if the server answers, False if nothing does. Problem if something else does."""
        try:
            connection = self.connected()
        except OSError:
            return False
        health = None
        with closing(connection), suppress(http.client.HTTPException, OSError, ValueError):
            connection.request("GET", "/health", headers=self.headers())
            response = connection.getresponse()
            if response.status in (403, 503):  # of a name that is not its own, or as it ends
                raise Problem(refusal(response))
            health = json.loads(response.read())
        if self.cancelled:
            raise Cancelled
        if not isinstance(health, dict) or not health.keys() >= {"status", "requests", "photos"}:
            raise Problem(
                f"what answers at {self.settings.address} is not engine-serve; give that another port: "
                "engine-serve --install-plugin PROGRAM --port 8001"
            )
        return True

    def start(self) -> None:
        """Start the server, and wait until it answers. Problem with what it said if it does not.

        Where this is Cancelled, the server is left to start, for the next time.
        """
        log = self.settings.path.parent / LOG
        process = self.started(log)
        deadline = time.monotonic() + SECONDS_TO_START
        while not self.is_there():
            ended = process.poll()
            if ended is not None and not self.is_there():  # one that was started before may have come first
                said = log.read_text(encoding="utf-8", errors="replace").split("\n")
                raise Problem(next(filter(None, reversed(said)), f"engine-serve ended with {ended}"))
            if time.monotonic() > deadline:
                process.terminate()
                raise Problem(f"engine-serve did not start within {SECONDS_TO_START} s; {log} has what it said")
            time.sleep(0.1)

    def started(self, log: Path) -> subprocess.Popen[bytes]:
        """The server's process. Problem if there is none."""
        address, _, command, folder, path = self.settings
        if not command:
            raise Problem(f"engine-serve does not answer at {address}: start it there, or correct {path}")
        apart: dict[str, Any] = {"creationflags": NO_WINDOW} if os.name == "nt" else {"start_new_session": True}
        try:
            with log.open("wb") as output:
                return subprocess.Popen(
                    [*command, "--end-with", str(self.program)],
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=environment_for_server(os.environ, sys.platform),
                    **apart,
                )
        except OSError as error:
            raise Problem(f"engine-serve cannot be started ({error}); start it yourself, or correct {path}") from error

    def answer(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The content of an answer. Problem with what the server says is wrong; Cancelled."""
        with self.talking(), closing(self.connected(SECONDS_TO_ANSWER)) as connection:
            return self.asked(connection, method, path, body).read()

    def events(self, method: str, path: str, body: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
        """The server-sent events of an answer, as they come. Problem and Cancelled as `answer`."""
        kind = ""
        with self.talking(), closing(self.connected(SECONDS_TO_ANSWER)) as connection:
            for line in self.asked(connection, method, path, body):
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    yield kind, json.loads(value)

    def connected(self, seconds: float = SECONDS_TO_CONNECT) -> http.client.HTTPConnection:
        """A connection, on which answers take so long at most. OSError if nothing listens at the address; Cancelled."""
        parts = urlsplit(self.settings.address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Problem(
                f"the address {self.settings.address} in {self.settings.path} is not like http://127.0.0.1:8000"
            )
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname, parts.port, timeout=SECONDS_TO_CONNECT)
        connection.connect()
        self.socket = connection.sock
        if self.cancelled:  # before it could be told to this connection
            connection.close()
            raise Cancelled
        connection.sock.settimeout(seconds)
        return connection

    def asked(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
    ) -> http.client.HTTPResponse:
        """The beginning of an answer. Problem, or OSError and HTTPException."""
        with suppress(BrokenPipeError, ConnectionResetError):  # of what is refused before all is sent: an answer comes
            connection.request(method, path, body, self.headers())
        response = connection.getresponse()
        if response.status >= 400:
            raise Problem(refusal(response))
        return response

    def headers(self) -> dict[str, str]:
        """Those of every request. Problem if the token cannot be read."""
        if self.settings.token_file is None:
            return {}
        try:
            token = Path(self.settings.token_file).read_text(encoding="latin-1").strip()
        except OSError as error:
            raise Problem(f"the token cannot be read ({error}); {self.settings.path} names its file") from error
        return {"Authorization": f"Bearer {token}"}

    @contextmanager
    def talking(self) -> Iterator[None]:
        """Cancelled, or Problem if the connection fails in the block."""
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            if self.cancelled:
                raise Cancelled from error
            reason = str(error) or type(error).__name__
            raise Problem(f"{self.settings.address} does not answer any more ({reason}); try again") from error


def refusal(response: http.client.HTTPResponse) -> str:
    """What a refusing answer says."""
    content = response.read()
    with suppress(ValueError, LookupError, TypeError):
        return str(json.loads(content)["detail"])
    return f"the server refuses this with status {response.status} {response.reason}"
