"""Errors as JSON, in a line under the key where the clients of an API look for it."""

from collections.abc import Mapping

from starlette.responses import JSONResponse

IOPAINT = "/api/v1"
"""The beginning of the paths of IOPaint's API."""


def error_response(path: str, message: str, status: int, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer to a request for `path` that cannot be granted."""
    key = "errors" if path.startswith(f"{IOPAINT}/") else "detail"
    return JSONResponse({key: message}, status, headers)
