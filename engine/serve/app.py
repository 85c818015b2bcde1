"""The application: the API's routes, the page's files, and what stands before them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from engine.inference.completer import Completer, CompletionOptions
from engine.serve import about, complete, iopaint, routes
from engine.serve.album import Album
from engine.serve.drain import Drain
from engine.serve.errors import error_response
from engine.serve.gate import OF_ANOTHER_PAGE, OF_OUR_PAGE, Gate
from engine.serve.token import token_check
from engine.serve.watching import Metrics, Watch
from engine.serve.work import Limits, Work

STATIC = Path(__file__).parent / "static"


def create_app(
    completer: Completer,
    options: CompletionOptions,
    limits: Limits,
    allowed_origins: tuple[str, ...] = (),
    token: str | None = None,
    logs: bool = False,
    api: str | None = None,
    page: Path = STATIC,
) -> FastAPI:
    """The ASGI application that completes photos with `completer`, for those who send `token` if it is given.

    `api` is another program's that it speaks beside its own, and `page` the folder of its page. If `logs`, it writes a
    line for each request into the engine's log. Once its state is `draining`, it refuses all.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.work.close()

    # FastAPI's own pages for the API load their scripts from elsewhere; /api.html shows the same without.
    app = FastAPI(title="glcic-engine", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.work = Work(completer, options, limits)
    app.state.album = Album(limits.keep_bytes)
    app.state.metrics = Metrics(app.state.work)
    app.state.draining = False
    app.include_router(about.health_router)
    for router in (about.router, complete.router, routes.router, *((iopaint.router,) if api == "iopaint" else ())):
        app.include_router(router, dependencies=[] if token is None else [Depends(token_check(token))])
    app.mount("/", StaticFiles(directory=page, html=True))
    app.add_exception_handler(HTTPException, say_what_is_refused)
    app.add_exception_handler(RequestValidationError, say_what_is_invalid)
    app.add_exception_handler(Exception, say_that_it_failed)
    app.add_middleware(Drain)  # the innermost, so that pages of other origins read why they are refused
    if allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=allowed_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Content-Disposition", "X-Notes", "X-Seed", "X-Shadow", "X-Widened"],
        )
    policy = OF_OUR_PAGE if page == STATIC else OF_ANOTHER_PAGE
    app.add_middleware(Gate, allowed=allowed_origins, policy=policy)
    app.add_middleware(Watch, metrics=app.state.metrics, logs=logs)
    return app


def say_what_is_refused(request: Request, error: Exception) -> Response:
    """Errors that a route, or that there is none, has raised."""
    assert isinstance(error, HTTPException)
    return error_response(request.url.path, error.detail, error.status_code, error.headers)


def say_what_is_invalid(request: Request, error: Exception) -> Response:
    """Errors in a request's parameters, in one sentence like all other errors."""
    assert isinstance(error, RequestValidationError)
    found = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
    return error_response(request.url.path, found, 422)


def say_that_it_failed(request: Request, error: Exception) -> Response:
    """Errors that nothing foresaw; what they were goes to the server's log and not to a client."""
    return error_response(request.url.path, "the server failed at this, and goes on; its log says why", 500)
