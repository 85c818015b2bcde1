"""The token that requests to the API carry, where engine-serve was started with one."""

import hmac
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

bearer = HTTPBearer(auto_error=False)  # its own errors are not told as the others are


def read_token(path: Path) -> str:
    """The token in a file, without the space around it. ValueError if there is none, or others may read it."""
    named, another = f"--token-file {path}", f"(umask 077; openssl rand -hex 32 > {path})"
    try:
        with path.open("rb") as file:
            mode, content = os.fstat(file.fileno()).st_mode, file.read().strip()
    except OSError as error:
        raise ValueError(f"{named} cannot be read ({error.strerror}); make one: {another}") from error
    if os.name == "posix" and mode & stat.S_IROTH:
        raise ValueError(f"{named} may be read by everyone on this machine; forbid it: chmod o-rwx {path}")
    if not content:
        raise ValueError(f"{named} is empty; write a token into it: {another}")
    token = content.decode("latin-1")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ValueError(f"{named} has spaces, line breaks or other than ASCII in its token; make another: {another}")
    return token


def token_check(token: str) -> Callable[..., Awaitable[None]]:
    """A dependency of routes: HTTPException 401 for requests that do not carry the token."""

    async def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> None:
        # As bytes: of texts, those with other than ASCII are not compared.
        if given is None or not hmac.compare_digest(given.credentials.encode(), token.encode()):
            raise HTTPException(
                401,
                f"the token is {'missing' if given is None else 'wrong'}; send the one in the server's --token-file, "
                "as the header Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": "Bearer"},
            )

    return check
