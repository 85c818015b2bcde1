"""The routes that tell of the server itself: its health for everyone, and for those who may use it what it is."""

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter

from engine.serve.routes import WithAlbum, WithWork

health_router = APIRouter()
router = APIRouter()


@health_router.get("/health")
async def health(work: WithWork, album: WithAlbum) -> dict[str, str | int]:
    """That the server is there, the requests that it works on or that wait, and the photos that it keeps."""
    return {"status": "ok", "requests": work.taken, "photos": len(album.photos)}


@router.get("/model")
async def model(work: WithWork) -> dict[str, Any]:
    """The network, what runs it, how holes are completed, and the limits of requests."""
    runtime = work.completer.runtime
    return {
        "version": version("glcic-engine"),
        "runtime": runtime.name,
        "precision": runtime.precision,
        "device": str(runtime.device),
        "spec": asdict(work.completer.spec),
        "completion": work.options._asdict(),
        "limits": asdict(work.limits),
    }
