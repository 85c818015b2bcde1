"""The bodies and errors of requests as openapi.json describes them."""

from typing import Any, get_args

from engine.inference.holes.blend import Blend
from engine.inference.options import Texture

FILE = {"type": "string", "format": "binary"}
FORM = {
    "type": "object",
    "required": ["photo"],
    "properties": {
        "photo": FILE,
        "mask": FILE | {"description": "Of the photo's size; white is completed. Or annotations of a tool."},
        "label": {"type": "string", "description": "Of annotations or a label map, complete these: N,M."},
        "hole": {
            "type": "string",
            "description": "In place of a mask: X,Y,WIDTH,HEIGHT, or several, spaces between.",
        },
        "dilate": {"type": "integer", "minimum": 0, "description": "Pixels by which the mask is widened."},
        "blend": {"type": "string", "enum": list(get_args(Blend)), "description": "How the hole joins the photo."},
        "feather": {"type": "integer", "minimum": 0, "description": "Pixels over which blend=feather fades."},
        "scale": {
            "type": "string",
            "description": "Where large holes are completed first: auto, native, or N (1/N).",
        },
        "format": {"type": "string", "description": "Of the result, if not the photo's own: jpg, png, tif, webp, ..."},
        "sample": FILE | {"description": "Mask of where alone texture may be taken from."},
        "avoid": FILE | {"description": "Mask of where texture may not be taken from."},
        "texture": {
            "type": "string",
            "enum": list(get_args(Texture)),
            "description": "Draw holes again with patches of the photo: auto (where the network's completion has less "
            "detail than what is around), photo (always), or none.",
        },
        "seed": {"type": "integer", "minimum": 0, "description": "Another number gives another texture."},
    },
}
PAINTED = {
    "type": "object",
    "required": ["mask"],
    "properties": {
        "mask": FILE,
        "sample": FILE | {"description": "Mask of the same box: where alone texture may be taken from."},
        "avoid": FILE | {"description": "Mask of the same box: where texture may not be taken from."},
    },
}
PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}
FORM_BODY = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}}
PHOTO_BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": FILE}}}}
SHADOW_BODY = {"requestBody": {"required": True, "content": {"image/png": {"schema": FILE}}}}
OUTLINE_BODY = {"requestBody": {"content": {"image/png": {"schema": FILE}}}}
MASK_BODY = {
    "requestBody": {
        "required": True,
        "content": {"image/png": {"schema": FILE}, "multipart/form-data": {"schema": PAINTED}},
    }
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"description": "The token is missing or wrong, where the server was started with one."},
    403: {"description": "A page of another origin, which is not allowed."},
    404: {"description": "No such photo, or not any more; or no such completion of it."},
    408: {"description": "The body did not arrive within the time limit."},
    413: {"description": "Too many bytes or pixels."},
    415: {"description": "No picture, or of a kind that is not read."},
    422: {
        "description": "A mask has another size, is empty, covers the whole photo, or leaves nothing to take texture "
        "from; nothing in a box differs from what is around it; no shadow is found; or a parameter or text is unknown "
        "or contradicts another."
    },
    429: {"description": "Too many requests wait already."},
    500: {"description": "The server failed, which its log explains."},
    503: {"description": "Out of memory."},
    504: {"description": "Not done within the time limit."},
}
"""All errors are JSON: {"detail": "what is wrong, the limit, and what to do"}."""
