"""The bodies of requests, up to a limit, and the photos and masks in them, refused with the right status."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np
from fastapi import HTTPException, Request
from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from engine.inference.holes.mask import Mask, OtherSize, Where
from engine.inference.masks.files import ANY_PHOTO, AS_IT_LOOKS, MaskOptions, OfPhoto, parse_mask
from engine.inference.photos.photo import Photo
from engine.inference.photos.reading import TooManyPixels, parse_photo

MOST_FIELDS = 16
"""That are read from a form, only to say what is wrong with them."""

OPTIONS = "options are texts of the form that /complete takes; others are set when engine-serve starts"
"""The hint for requests that bring options."""

CLIENT_GONE = 499
"""The status that nobody reads, for the log."""


class Fields(NamedTuple):
    """The fields that a form may have, by name."""

    required: tuple[str, ...]
    """Files without which it is refused."""
    optional: tuple[str, ...] = ()
    """Files that may be there."""
    texts: tuple[str, ...] = ()


class Form(NamedTuple):
    """The fields of a form, by name."""

    files: dict[str, tuple[str, bytes]]
    """File name and content."""
    texts: dict[str, str]


class Incoming:
    """Reads a request's body, of at most `max_bytes` and within `seconds`. HTTPException 413 or 408 beyond."""

    def __init__(self, request: Request, max_bytes: int, seconds: float) -> None:
        self.max_bytes, self.seconds = max_bytes, seconds
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > max_bytes:
            raise self.too_large()
        self.request = Request(request.scope, self.counted(request.receive))

    def counted(self, receive: Receive) -> Receive:
        """`receive`, which raises once the body is too large: what was announced need not be true."""
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise self.too_large()
            return message

        return receive_counted

    def too_large(self) -> HTTPException:
        return HTTPException(413, f"the request is larger than the limit of {self.max_bytes} bytes (--max-bytes)")

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """HTTPException 408 if what is awaited takes too long, 499 if the client goes before it has sent all."""
        try:
            async with asyncio.timeout(self.seconds):
                yield
        except ClientDisconnect as error:
            raise HTTPException(CLIENT_GONE, "the client has gone") from error
        except TimeoutError as error:
            raise HTTPException(408, f"the request did not arrive within {self.seconds:g} s") from error

    async def body(self) -> bytes:
        """All of it."""
        async with self.in_time():
            return await self.request.body()

    async def discard(self) -> None:
        """Take all of it, and hold none of it."""
        async with self.in_time():
            async for _ in self.request.stream():
                pass

    async def form(self, fields: Fields) -> Form:
        """A form's files and texts. HTTPException 422 if one is missing, given twice, or none of these fields."""
        names = fields.required + fields.optional
        async with self.in_time(), self.request.form(max_files=len(names), max_fields=MOST_FIELDS) as form:
            check_fields(form, fields)
            texts = {name: value for name, value in form.items() if isinstance(value, str)}
            files = {name: await file_in(form, name) for name in names if name in form or name in fields.required}
            return Form(files, texts)

    async def painted(self, areas: tuple[str, ...]) -> dict[str, bytes]:
        """Files by name: a mask and those of the areas that are given, of a form; or the mask alone as the body."""
        if not self.request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            return {"mask": await self.body()}
        files, _ = await self.form(Fields(("mask",), areas))
        return {name: content for name, (_, content) in files.items()}


def check_parameters(request: Request) -> None:
    """HTTPException 422 if the address has parameters that are not its route's: else an option would do nothing."""
    known = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    if unknown := ", ".join(name for name in request.query_params if name not in known):
        raise HTTPException(422, f"{unknown}: no parameter of {request.url.path}; {OPTIONS}")


def check_fields(form: FormData, fields: Fields) -> None:
    """HTTPException 422 if a form has a file's name where the file should be, a field twice, or another one."""
    files = fields.required + fields.optional
    for name, value in form.multi_items():
        if len(form.getlist(name)) > 1:
            raise HTTPException(422, f"{name} is given {len(form.getlist(name))} times; send one")
        if isinstance(value, str) and name in files:
            raise HTTPException(422, f"{name} must be a file: -F {name}=@{value[:100] or name} (with the @)")
        if not isinstance(value, str) and name in fields.texts:
            raise HTTPException(422, f"{name} must be text and no file: -F {name}=VALUE (without the @)")
        if name not in files + fields.texts:
            meant = get_close_matches(name, files + fields.texts, n=1)
            known = f"files {', '.join(files)}" + (f"; texts {', '.join(fields.texts)}" if fields.texts else "")
            guess = f"perhaps {meant[0]} is meant; " if meant else ""
            raise HTTPException(422, f"{name}: the form has no such field; {guess}it takes: {known}; {OPTIONS}")


async def file_in(form: FormData, name: str) -> tuple[str, bytes]:
    """(file name, content) of a form's file."""
    file = form.get(name)
    if isinstance(file, str) or file is None:
        raise HTTPException(422, f"the form has no file {name!r}; send one, such as curl -F {name}=@{name}.png")
    return file.filename or "", await file.read()


@contextmanager
def refusing(status: int) -> Iterator[None]:
    """Raises the engine's ValueErrors in the block as an HTTP error with this status."""
    try:
        yield
    except TooManyPixels as error:
        raise HTTPException(413, str(error)) from error
    except OtherSize as error:
        raise HTTPException(422, str(error)) from error
    except ValueError as error:
        raise HTTPException(status, str(error)) from error


def photo_from(content: bytes, name: str, max_pixels: int) -> Photo:
    """The photo in a file's bytes. HTTPException 413 if it has too many pixels, 415 if it is none that is read."""
    with refusing(415):
        return parse_photo(content, name, max_pixels)


def mask_from(
    content: bytes, size: tuple[int, ...], notes: list[str], options: MaskOptions = AS_IT_LOOKS, of: OfPhoto = ANY_PHOTO
) -> Mask:
    """The mask of (height, width) in a file's bytes; what was guessed is appended to `notes`.

    HTTPException 415 if it is no mask, 422 if of another size.
    """
    with refusing(415):
        return parse_mask(content, "", options, size, notes, of)


def area_from(files: dict[str, tuple[str, bytes]], name: str, size: tuple[int, ...], notes: list[str]) -> Mask | None:
    """The same for a form's file of this name; None if it has none."""
    if name not in files:
        return None
    with naming(name):
        return mask_from(files[name][1], size, notes)


@contextmanager
def naming(name: str) -> Iterator[None]:
    """HTTPExceptions begin with the name of the field that they are about."""
    try:
        yield
    except HTTPException as error:
        raise HTTPException(error.status_code, f"{name}: {error.detail}") from error


def painted_from(content: bytes, size: tuple[int, int], box: Where) -> Mask:
    """The mask of which a file has the box that was painted on the page. HTTPExceptions as `drawn_from`."""
    mask_HW = np.zeros(size, np.bool_)
    rows, columns = box
    mask_HW[box] = drawn_from(content, (rows.stop - rows.start, columns.stop - columns.start))
    return mask_HW


def drawn_from(content: bytes, size: tuple[int, int]) -> Mask:
    """The mask of (height, width) that was drawn on the page, where nothing is to be guessed.

    HTTPException 415 if it is no mask, 422 if of another size.
    """
    with refusing(415):
        return parse_mask(content, size=size, options=MaskOptions(threshold=0.5))
