"""IOPaint's API, which its web client and many programs speak: a photo and its mask as base64 in JSON, a file back.

Clients send dozens of options of other networks along. These are ignored: a client means its own defaults by them, and
its names for two are misspelt. Only `sd_seed` is taken, where it is 0 or more.
"""

import base64
import json
from typing import Any, NamedTuple

from fastapi import APIRouter, HTTPException, Request, Response

from engine.inference.holes.mask import Mask, OtherSize
from engine.inference.masks.files import parse_grey_mask
from engine.inference.report import Report
from engine.serve.bodies import Incoming, photo_from
from engine.serve.complete import NOTES_HEADER, completed_file
from engine.serve.described import FILE, REFUSALS
from engine.serve.errors import IOPAINT
from engine.serve.routes import WithTicket, WithWork, file_response
from engine.serve.texture import Texturing

router = APIRouter(prefix=IOPAINT)

MODEL = {"name": "glcic", "path": "glcic", "model_type": "inpaint", "need_prompt": False, "support_outpainting": False}
"""The network as clients are told of it: one that takes a mask and no prompt."""

NOT_HERE = ("plugins", "samplers", "removeBGModels", "realesrganModels", "interactiveSegModels")
"""Lists that are empty here, and that IOPaint's client reads when its settings are opened."""

BODY: dict[str, Any] = {
    "type": "object",
    "required": ["image", "mask"],
    "properties": {
        "image": {"type": "string", "description": "The photo's file in base64, bare or as a data URL."},
        "mask": {
            "type": "string",
            "description": "A picture of the photo's size, likewise. Its alpha is dropped; what is above 127 in grey "
            "is completed.",
        },
        "sd_seed": {"type": "integer", "description": "Another number gives another texture; -1: the server's."},
    },
}
JSON_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": BODY}}}}

SEED_HEADER = "X-Seed"


class Asked(NamedTuple):
    """The parts of a request for a completion."""

    photo_file: bytes
    mask_file: bytes
    seed: int | None


@router.get("/server-config")
async def server_config() -> dict[str, Any]:
    """The choices that clients may offer to their users: this one network, and none of IOPaint's plugins."""
    return {"modelInfos": [MODEL]} | {name: [] for name in NOT_HERE}


@router.get("/model")
async def model() -> dict[str, Any]:
    """The network."""
    return MODEL


@router.post("/gen-info")
async def gen_info(request: Request, work: WithWork) -> dict[str, str]:
    """The prompts that a picture was made from, which IOPaint's client asks for as it opens one: none."""
    await Incoming(request, work.limits.max_bytes, work.limits.seconds).discard()
    return {"prompt": "", "negative_prompt": ""}


@router.post(
    "/inpaint",
    response_class=Response,
    responses=REFUSALS | {200: {"content": {"image/*": {"schema": FILE}}}, 400: {"description": "No such JSON."}},
    openapi_extra=JSON_BODY,
)
async def inpaint(request: Request, work: WithWork, ticket: WithTicket) -> Response:
    """The photo, completed where the mask is bright: a file of the kind that was sent, with its seed in X-Seed.

    A photo whose mask is empty comes back as it is. Notes and widening are told as by /complete.
    """
    body = await Incoming(request, work.limits.max_bytes, ticket.seconds_left).body()
    photo_file, mask_file, seed = await work.on_files(ticket, asked_in, body)
    options = work.options if seed is None else work.options._replace(seed=seed)
    photo = await work.on_files(ticket, photo_from, photo_file, "image", work.limits.max_pixels)
    mask_HW = await work.on_files(ticket, hole_from, mask_file, photo.pixels_HW3.shape[:2])
    if mask_HW.any():
        report = Report(warnings=list(photo.notes))
        response = await completed_file(work, ticket, photo, "image", mask_HW, report, Texturing(options))
    else:
        response = file_response(photo_file, photo.container, "image")
        response.headers[NOTES_HEADER] = json.dumps(["the mask is empty: the photo is given back as it is"])
    response.headers[SEED_HEADER] = str(options.seed)
    return response


@router.api_route("/{rest:path}", methods=["GET", "POST"], include_in_schema=False)
async def no_such_route(rest: str) -> None:
    """HTTPException 404, of /inputimage, too: IOPaint's client takes any other answer to it for a picture to open."""
    raise HTTPException(404, f"{IOPAINT}/{rest} is not here: this server has server-config, model, gen-info, inpaint")


def asked_in(body: bytes) -> Asked:
    """The files and the seed in the JSON of a request. HTTPException 400 if something is not as it should be."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is no JSON ({error}); send an object with image and mask") from error
    if not isinstance(fields, dict):
        raise HTTPException(400, "the body is JSON and no object; send an object with image and mask")
    return Asked(file_in(fields, "image"), file_in(fields, "mask"), seed_in(fields))


def file_in(fields: dict[str, Any], name: str) -> bytes:
    """The file that a field holds in base64, bare (with or without line breaks) or as a data URL. HTTPException 400."""
    text = fields.get(name)
    if not isinstance(text, str):
        raise HTTPException(400, f"{name} is {'no text' if name in fields else 'missing'}; send the file in base64")
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise HTTPException(400, f"{name} is no base64 ({error}); send it bare or as a data URL") from error
    if not content:
        raise HTTPException(400, f"{name} is empty; send the file in base64")
    return content


def seed_in(fields: dict[str, Any]) -> int | None:
    """The seed that a request asks for, None if it leaves it to the server. HTTPException 400 if it is no number."""
    seed = fields.get("sd_seed")
    if seed is None or seed == -1:
        return None
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise HTTPException(400, f"sd_seed is {str(seed)[:100]!r}; it must be a whole number, 0 or more, or -1")
    return seed


def hole_from(content: bytes, size: tuple[int, ...]) -> Mask:
    """The mask in a file's bytes. HTTPException 400 if it is of another size, 415 if it is no picture."""
    try:
        return parse_grey_mask(content, size)
    except OtherSize as error:
        raise HTTPException(400, str(error)) from error
    except ValueError as error:
        raise HTTPException(415, str(error)) from error
