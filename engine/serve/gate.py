"""Who may talk to the server: the page that it served itself, programs, and the origins that were allowed.

A page of another origin must not use a server on this machine. Browsers say where a request comes from in `Origin`. A
page whose own name was pointed at this machine (DNS rebinding) has an origin equal to its `Host`, so that only names
that cannot be pointed anywhere are accepted as `Host`: addresses, localhost, this machine's name, and allowed origins.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.serve.errors import error_response

OF_OUR_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the engine's own page."""

OF_ANOTHER_PAGE = (
    "default-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""That of a page which was built elsewhere: nothing from elsewhere, either, but its own fonts and inline styles."""

HEADERS = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""On every reply: nothing from elsewhere, and nothing for elsewhere."""


class Gate:
    """ASGI middleware that refuses requests of other origins with status 403."""

    def __init__(self, app: ASGIApp, allowed: tuple[str, ...], policy: str = OF_OUR_PAGE) -> None:
        self.app, self.headers = app, HEADERS | {"Content-Security-Policy": policy}
        self.origins = frozenset(allowed)
        self.names = frozenset({"localhost", socket.gethostname().lower(), *(host_name(origin) for origin in allowed)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
                MutableHeaders(scope=message).setdefault("Cache-Control", "no-cache")
            await send(message)

        refusal = self.refusal(Headers(scope=scope))
        app = error_response(scope["path"], refusal, 403) if refusal else self.app
        await app(scope, receive, send_with_headers)

    def refusal(self, headers: Headers) -> str | None:
        """Why a request with these headers is refused."""
        host, origin = headers.get("host", ""), headers.get("origin")
        name = host_name(f"//{host}")
        if not (is_address(name) or name in self.names):
            return f"this server is not {host!r}; use its address, or start it with --allow-origin https://{host}"
        if origin is None or origin in self.origins or urlsplit(origin).netloc == host:
            return None
        if origin == "null":  # what browsers say of a page in a file or a sandbox: any such page
            return "a page without an origin, such as one opened from a file, may not use this server"
        return f"a page of {origin} may not use this server; to allow it, start it with --allow-origin {origin}"


def host_name(url: str) -> str:
    """The host in a URL, in lower case; empty if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_address(name: str) -> bool:
    """True if this is an IP address and not a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
