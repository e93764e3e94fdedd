"""The application: every route under its prefix, one guard, and one form of errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import anyio.to_thread
from litestar import Litestar, Router, get
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig

from clew import __version__
from clew.core.errors import ClewError
from clew.server.accounts import accounts_router
from clew.server.arrivals import arrivals_router
from clew.server.caller import guard
from clew.server.counts import Counts
from clew.server.datasets import datasets_router
from clew.server.direct import direct_router
from clew.server.document import API, Document, operation_id
from clew.server.endpoints import endpoints_router
from clew.server.errors import answer_defect, answer_error, answer_http, answer_overflow
from clew.server.events import events_router
from clew.server.front import front
from clew.server.host import Host
from clew.server.jobs import jobs_router
from clew.server.lineage import lineage_router
from clew.server.live import live_router
from clew.server.lost import watching_for_lost
from clew.server.mlflow.door import MlflowDoor
from clew.server.models import models_router
from clew.server.objects import objects_router
from clew.server.projects import projects_router
from clew.server.request import AnyRequest
from clew.server.runs import runs_router
from clew.server.search import search_router
from clew.server.steps import steps_router
from clew.server.thread import thread_router
from clew.server.uploads import uploads_router

__all__ = ["make_app"]

_IN_PROJECT = [
    search_router,
    runs_router,
    live_router,
    steps_router,
    datasets_router,
    models_router,
    lineage_router,
    events_router,
    objects_router,
    uploads_router,
    direct_router,
    endpoints_router,
    jobs_router,
    thread_router,
]
_THREADS = 16
_MOST_BODY_BYTES = 10 << 20


@get("/health", sync_to_thread=False, media_type="text/plain", tags=["server"])
def health() -> str:
    """Whether the process answers."""
    return "OK"


@get("/version", sync_to_thread=False, media_type="text/plain", tags=["server"])
def version() -> str:
    """The version of clew that runs here."""
    return __version__


@get("/metrics", media_type="text/plain", guards=[guard], opt={"anybody": True}, tags=["server"], sync_to_thread=True)
def metrics(request: AnyRequest) -> str:
    """Counts for Prometheus, over all processes of this server; for whoever has a token."""
    return _counts_of(request.app).text()


def _counts_of(app: Litestar) -> Counts:
    """The counts of this process."""
    host: Host | None = app.state.host
    folder = host.folder if host is not None else Path()
    found = app.state.get("counts")
    if found is None or found.folder != folder:
        found = app.state["counts"] = Counts(folder)
    return cast("Counts", found)


async def _limit_threads(_: Litestar) -> None:
    """Each thread holds a connection to the ledger of its own."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS


def make_app(host: Host) -> Litestar:
    """The ASGI application of a server.

    Args:
        host: the projects that it serves.
    """
    of_server = Router(API, route_handlers=[projects_router, accounts_router, arrivals_router], guards=[guard])
    in_project = Router(f"{API}/projects/{{project:str}}", route_handlers=_IN_PROJECT, guards=[guard])
    handlers: dict[Any, Any] = {
        ClewError: answer_error,
        HTTPException: answer_http,
        OverflowError: answer_overflow,
        Exception: answer_defect,
    }
    app = Litestar(
        route_handlers=[health, version, metrics, of_server, in_project],
        state=State({"host": host}),
        exception_handlers=handlers,
        on_startup=[_limit_threads],
        lifespan=[watching_for_lost],
        openapi_config=OpenAPIConfig(
            title="clew",
            version=__version__,
            path="/api",
            render_plugins=[Document(path="/openapi.json")],
            operation_id_creator=operation_id,
            use_handler_docstrings=True,
        ),
        logging_config=None,
        request_max_body_size=_MOST_BODY_BYTES,
        debug=False,
    )
    doors = MlflowDoor(cast("Any", app.asgi_handler), lambda: app.state.host)
    app.asgi_handler = cast("Any", front(cast("Any", doors), lambda: _counts_of(app)))
    return app
