"""Projects that come to a server as a whole: first their bytes, in the routes of objects, then their rows.

For who runs the server. A project that is on its way is named by its id, as it has no place among the names yet.
"""

from __future__ import annotations

import msgspec
from litestar import Router, post
from litestar.params import JSONBody

from clew.core.ids import Digest
from clew.core.types.project import Project
from clew.server.caller import Caller
from clew.server.direct import direct_router
from clew.server.host import Host
from clew.server.objects import objects_router
from clew.server.request import AnyRequest, stores_of
from clew.server.uploads import uploads_router
from clew.settings import settings_of

__all__ = ["arrivals_router"]


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """The digest of a stored shipment of rows, and the text of the `clew.toml` of the project."""

    rows: Digest
    settings: str = ""


class Ids(msgspec.Struct, frozen=True, kw_only=True):
    """Of runs and logged models."""

    ids: list[str]


@post("/", status_code=200, sync_to_thread=True)
def take_in_project(request: AnyRequest, data: JSONBody[Arrival]) -> Project:
    """Take in a whole project whose bytes are stored; it replaces nothing but an earlier state of itself."""
    from clew.loop.moving.take_in import take_in  # with all that moves projects, which hardly any start needs

    host: Host = request.app.state.host
    caller: Caller = request.scope["user"]
    assert caller.project is not None  # the guard has made it of the path
    settings_of(data.settings)  # what cannot be kept is refused before the project is there
    project = take_in(stores_of(request), data.rows)
    if data.settings:
        host.keep_settings(project, data.settings)
    return project


@post("/elsewhere", status_code=200, sync_to_thread=True)
def count_elsewhere(request: AnyRequest, data: JSONBody[Ids]) -> dict[str, int]:
    """How many of these runs and logged models other projects have, by the name of the project."""
    from clew.loop.moving.elsewhere import elsewhere

    stores = stores_of(request)
    with stores.ledger.read() as tx:
        return elsewhere(tx, stores.project, data.ids)


arrivals_router = Router(
    "/arrivals/{arriving:str}",
    route_handlers=[take_in_project, count_elsewhere, objects_router, uploads_router, direct_router],
    tags=["projects"],
)
