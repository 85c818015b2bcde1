"""The HTTP API of the page, step by step.

A page sends a photo once, then a mask for each completion: only the box of what was painted, and back comes only the
box of what was completed. Every completion keeps its number, so that a page can undo, and complete again from any.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse

from engine.inference.alpha import Layers
from engine.inference.folders.pictures import png_of
from engine.inference.holes.hidden import hidden_pixels
from engine.inference.holes.mask import Mask, Where, bounding_box
from engine.inference.masks.shadows import shadows_of
from engine.inference.report import Report
from engine.serve.album import MEDIA_TYPES, Album, KeptPhoto, changes, result_name, safe_name
from engine.serve.bodies import (
    Incoming,
    check_parameters,
    drawn_from,
    naming,
    painted_from,
    photo_from,
    refusing,
)
from engine.serve.described import FILE, MASK_BODY, OUTLINE_BODY, PHOTO_BODY, PNG, REFUSALS, SHADOW_BODY
from engine.serve.events import completed_event, events
from engine.serve.texture import AREAS, Texturing, notes_of_variant, variant_of
from engine.serve.work import Step, Ticket, Work

router = APIRouter()


async def the_work(request: Request) -> Work:
    return request.app.state.work


async def the_album(request: Request) -> Album:
    return request.app.state.album


WithWork = Annotated[Work, Depends(the_work)]
WithAlbum = Annotated[Album, Depends(the_album)]


async def a_ticket(request: Request, work: WithWork) -> AsyncIterator[Ticket]:
    """A place in the queue, until the answer is out. HTTPException 429 if there is none, 422 as `check_parameters`."""
    check_parameters(request)
    async with work.place(request) as ticket:
        yield ticket


async def a_photo(photo: str, album: WithAlbum) -> KeptPhoto:
    """The kept photo of the path. HTTPException 404 if it is not there."""
    try:
        return album.get(photo)
    except LookupError as error:
        raise HTTPException(404, "this photo is not kept (any more); send it again") from error


WithTicket = Annotated[Ticket, Depends(a_ticket)]
WithPhoto = Annotated[KeptPhoto, Depends(a_photo)]
FromZero = Annotated[int, Query(ge=0)]
FromOne = Annotated[int, Query(ge=1)]


@router.post("/photos", status_code=201, responses=REFUSALS, openapi_extra=PHOTO_BODY)
async def add_photo(
    request: Request, work: WithWork, album: WithAlbum, ticket: WithTicket, name: str = "photo"
) -> dict[str, str | int]:
    """Keep a photo, to complete holes in it one after the other. The body is the file."""
    content = await Incoming(request, work.limits.max_bytes, ticket.seconds_left).body()
    photo = await work.on_files(ticket, photo_from, content, safe_name(name), work.limits.max_pixels)
    kept = KeptPhoto(photo, safe_name(name))
    height, width = kept.size
    return {"photo": album.add(kept), "width": width, "height": height, "format": photo.container}


@router.delete("/photos/{photo}", status_code=204)
async def drop_photo(photo: str, album: WithAlbum) -> None:
    """Forget a photo."""
    album.drop(photo)


@router.get("/photos/{photo}/preview", response_class=Response, responses=PNG)
async def preview(kept: WithPhoto, work: WithWork, ticket: WithTicket) -> Response:
    """The photo as a PNG with 8 bits per sample, for browsers that cannot show its format."""
    return Response(await work.on_files(ticket, kept.preview), media_type="image/png")


@router.post("/photos/{photo}/select", response_class=Response, responses=REFUSALS | PNG, openapi_extra=OUTLINE_BODY)
async def select(
    request: Request,
    kept: WithPhoto,
    work: WithWork,
    ticket: WithTicket,
    x: FromZero,
    y: FromZero,
    width: FromOne,
    height: FromOne,
    onto: FromZero = 0,
) -> Response:
    """A mask of the thing in a box of the photo, or of an earlier completion (`onto`): a PNG of the box, white where
    the thing is. What differs from the surroundings of the box is the thing.

    If there is a body, it is a mask of the box, of what a rough outline encloses: the thing is looked for there alone.
    """
    outline = await Incoming(request, work.limits.max_bytes, ticket.seconds_left).body()
    if onto:
        with refusing(404):
            kept.completed(onto)
    outlined_HW = await work.on_files(ticket, drawn_from, outline, (height, width)) if outline else None
    mask = await work.on_files(ticket, kept.thing_in, (x, y, width, height), onto, outlined_HW)
    return Response(mask, media_type="image/png")


@router.post("/photos/{photo}/shadow", response_class=Response, responses=REFUSALS | PNG, openapi_extra=SHADOW_BODY)
async def shadow(
    request: Request,
    kept: WithPhoto,
    work: WithWork,
    ticket: WithTicket,
    x: FromZero,
    y: FromZero,
    width: FromOne,
    height: FromOne,
    onto: FromZero = 0,
) -> Response:
    """A mask of the shadows of what is white in a mask, without that: a PNG of the box that the header X-Shadow tells.

    The body is the mask's box at x, y, of width x height, on top of an earlier completion (`onto`); shadows may lie
    outside of it. X-Shadow is JSON: the `box` (x, y, width, height), how many `things` the mask has, of which the 64
    largest alone are looked at, and of how many a shadow was `found`. The status is 422 if none was.
    """
    body = await Incoming(request, work.limits.max_bytes, ticket.seconds_left).body()
    box = (slice(y, y + height), slice(x, x + width))
    before, mask_HW, _ = await work.on_files(ticket, hole_in, kept, onto, box, {"mask": body})
    mask, told = await work.on_files(ticket, shadow_beside, before, mask_HW, kept.photo.nodata)
    return Response(mask, media_type="image/png", headers={"X-Shadow": json.dumps(told)})


@router.post(
    "/photos/{photo}/completions",
    response_class=StreamingResponse,
    responses=REFUSALS | {200: {"content": {"text/event-stream": {}}}},
    openapi_extra=MASK_BODY,
)
async def add_completion(
    request: Request,
    kept: WithPhoto,
    work: WithWork,
    album: WithAlbum,
    ticket: WithTicket,
    x: FromZero,
    y: FromZero,
    width: FromOne,
    height: FromOne,
    onto: FromZero = 0,
    variant: FromZero = 0,
) -> StreamingResponse:
    """Complete a hole on top of an earlier completion (`onto`; 0: the photo itself).

    The body is the mask's box at x, y, of width x height, or a form with `mask` and, if wanted, `sample` and `avoid`,
    all of that box. Another `variant` gives another texture: it is added to the seed with which engine-serve was
    started. The answer is a stream of server-sent events: `progress` with the scale 1/n at which the network runs now,
    the windows that are done there and how many there are; at the end `completed`, with the completion's number and box
    and the pixels by which holes were widened, or `error`. The picture of a completion lies over the photo; if it
    `replaces`, since transparency was completed too, the photo's box is to be cleared before.
    """
    painted = await Incoming(request, work.limits.max_bytes, ticket.seconds_left).painted(AREAS)
    box = (slice(y, y + height), slice(x, x + width))
    before, mask_HW, areas = await work.on_files(ticket, hole_in, kept, onto, box, painted)
    texturing = Texturing(variant_of(work.options, variant, list(areas)), *map(areas.get, AREAS))
    steps: asyncio.Queue[Step | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def tell(step: Step) -> None:
        loop.call_soon_threadsafe(steps.put_nowait, step)

    async def finish() -> dict[str, Any]:
        report = Report(warnings=list(kept.photo.notes))
        after = await work.complete(ticket, before, mask_HW, report, tell, kept.photo.nodata, texturing)
        reach = max(report.widened, default=0) + (work.options.feather if work.options.blend == "feather" else 0)
        completed = await work.on_files(ticket, changes, before, after, mask_HW, reach, onto)
        kept.completions.append(completed)
        album.make_room()
        report.warnings += notes_of_variant(variant, report)
        return completed_event(completed, len(kept.completions), report)

    task = asyncio.create_task(finish())
    task.add_done_callback(lambda _: steps.put_nowait(None))
    first = await steps.get()
    if first is None:  # it failed before it began: the answer can still say so by its status
        task.result()
    return StreamingResponse(events(first, steps, task), media_type="text/event-stream")


def shadow_beside(photo: Layers, mask_HW: Mask, nodata: float | None) -> tuple[bytes, dict[str, Any]]:
    """The mask of the shadows beside a mask, as a PNG, and what is told of it. HTTPException 422 if there is none."""
    hidden_HW = hidden_pixels(*photo, nodata, Report())
    shadow_HW, found, things = shadows_of(photo.pixels_HW3, mask_HW, hidden_HW)
    if not things:
        raise HTTPException(422, "the mask is empty: paint over a thing, and then ask for its shadow")
    if not found:
        raise HTTPException(422, "no shadow was found beside what is painted: paint it, too")
    where = rows, columns = bounding_box(shadow_HW)
    box = [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start]
    return png_of(shadow_HW[where], bilevel=True), {"box": box, "found": found, "things": things}


def hole_in(kept: KeptPhoto, onto: int, box: Where, painted: dict[str, bytes]) -> tuple[Layers, Mask, dict[str, Mask]]:
    """The photo after a completion, and the masks of which a box is given: of the hole, and of areas by name.

    HTTPException 404, 415 or 422.
    """
    rows, columns = box
    height, width = kept.size
    if rows.stop > height or columns.stop > width:
        raise HTTPException(422, f"the mask reaches {columns.stop}, {rows.stop}, and the photo is {width}x{height}")
    mask_HW = painted_from(painted["mask"], kept.size, box)
    areas = {}
    for area in (name for name in AREAS if name in painted):
        with naming(area):
            area_HW = painted_from(painted[area], kept.size, box)
        if area_HW.any() or area == "sample":  # nothing to be avoided asks for nothing
            areas[area] = area_HW
    with refusing(404):
        return kept.after(onto), mask_HW, areas


@router.get("/photos/{photo}/completions/{number}/picture", response_class=Response, responses=PNG)
async def picture(kept: WithPhoto, number: int, work: WithWork, ticket: WithTicket, deep: bool = False) -> Response:
    """A PNG of the box that a completion changed, transparent where nothing did: of 8 bits, or `deep` as the photo."""
    with refusing(404):
        kept.completed(number)
    return Response(await work.on_files(ticket, kept.picture_of, number, deep), media_type="image/png")


@router.get(
    "/photos/{photo}/completions/{number}/file",
    response_class=Response,
    responses={200: {"content": {kind: {"schema": FILE} for kind in MEDIA_TYPES.values()}}},
)
async def file(kept: WithPhoto, number: int, work: WithWork, ticket: WithTicket) -> Response:
    """The photo's file after a completion, in the photo's own format."""
    with refusing(404):
        kept.completed(number)
    return file_response(await work.on_files(ticket, kept.file_after, number), kept.photo.container, kept.name)


def file_response(content: bytes, container: str, name: str) -> Response:
    """A completed photo, to be saved under its name."""
    called = quote(result_name(safe_name(name), container))
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{called}"}
    return Response(content, media_type=MEDIA_TYPES[container], headers=headers)
