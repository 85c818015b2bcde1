"""A photo completed in one request: its file and a mask in, the completed photo's file out."""

import json
from dataclasses import replace

from fastapi import APIRouter, Request, Response

from engine.inference.alpha import Layers
from engine.inference.holes.mask import Mask, mask_of_holes
from engine.inference.masks.files import MaskOptions, OfPhoto, split_labels
from engine.inference.photos.photo import Photo
from engine.inference.photos.writing import changes_of_kind, check_can_hold, encode
from engine.inference.report import Report
from engine.serve.album import MEDIA_TYPES, safe_name
from engine.serve.bodies import Fields, Incoming, area_from, mask_from, photo_from, refusing
from engine.serve.choices import CHOICES, chosen
from engine.serve.described import FILE, FORM_BODY, REFUSALS
from engine.serve.routes import WithTicket, WithWork, file_response
from engine.serve.texture import AREAS, Texturing
from engine.serve.work import Ticket, Work

router = APIRouter()

NOTES_HEADER, WIDENED_HEADER = "X-Notes", "X-Widened"


@router.post(
    "/complete",
    response_class=Response,
    responses=REFUSALS | {200: {"content": {kind: {"schema": FILE} for kind in MEDIA_TYPES.values()}}},
    openapi_extra=FORM_BODY,
)
async def complete(request: Request, work: WithWork, ticket: WithTicket) -> Response:
    """The photo, completed where the mask is white: the file that engine-infer writes for the two.

    All but `photo` and one of `mask` and `hole` may be left out: they are the command's options of these names, and
    what engine-serve was started with holds without them. What engine-infer says in notes is in the header X-Notes, as
    a list in JSON, and in X-Widened another of the pixels by which holes were widened.
    """
    incoming = Incoming(request, work.limits.max_bytes, ticket.seconds_left)
    files, texts = await incoming.form(Fields(("photo",), ("mask", *AREAS), (*CHOICES, "label")))
    choices = chosen(work.options, texts, [name for name in files if name != "photo"])
    name, photo_file = files["photo"]
    photo = await work.on_files(ticket, photo_from, photo_file, safe_name(name), work.limits.max_pixels)
    report = Report(warnings=list(photo.notes))
    size, notes = photo.pixels_HW3.shape[:2], report.warnings
    if choices.holes:
        with refusing(422):
            mask_HW = mask_of_holes(choices.holes, size)
    else:
        labelled = MaskOptions(labels=split_labels((texts.get("label", ""),)))
        of = OfPhoto(name, photo.exif_orientation)
        mask_HW = await work.on_files(ticket, mask_from, files["mask"][1], size, notes, labelled, of)
    areas = [await work.on_files(ticket, area_from, files, area, size, notes) for area in AREAS]
    texturing = Texturing(choices.options, *areas)
    return await completed_file(work, ticket, photo, name, mask_HW, report, texturing, choices.container)


async def completed_file(
    work: Work,
    ticket: Ticket,
    photo: Photo,
    name: str,
    mask_HW: Mask,
    report: Report,
    texturing: Texturing,
    container: str | None = None,
) -> Response:
    """The file of a photo that is completed now, of its own format or another; `report`'s notes are in the headers."""
    container = container or photo.container
    with refusing(422):  # before the network is asked
        check_can_hold(container, photo)
    report.warnings += changes_of_kind(photo, container)
    before = Layers(photo.pixels_HW3, photo.alpha_HW)
    after = await work.complete(ticket, before, mask_HW, report, nodata=photo.nodata, texturing=texturing)
    completed = replace(photo, **after._asdict())
    content = await work.on_files(ticket, encode, completed, completed.pixels_HW3, container)
    response = file_response(content, container, name)
    response.headers[WIDENED_HEADER] = json.dumps(sorted(report.widened))
    if report.warnings:
        response.headers[NOTES_HEADER] = json.dumps(report.warnings)
    return response
