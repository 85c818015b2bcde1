"""The routes that tell of the server itself: its health for everyone, and for those who may use it what it is."""

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

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


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Requests by route and status, seconds, completions, and the process, as Prometheus reads them."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
