"""Lineage over HTTP: `clew.core.contracts.services.LineageService`."""

from __future__ import annotations

import msgspec
from litestar import Router, get, post
from litestar.params import FromQuery, JSONBody

from clew.core.types.edge import Edge
from clew.policy.access import Action
from clew.server.request import AnyRequest, checked_limit, services_of

__all__ = ["lineage_router"]

_READ = {"action": Action.READ}


class Nodes(msgspec.Struct, frozen=True, kw_only=True):
    """Some nodes of the lineage graph."""

    nodes: list[str]


@get("/lineage/up", opt=_READ, sync_to_thread=True)
def lineage_up(request: AnyRequest, start: FromQuery[str], depth: FromQuery[int] = 64) -> list[Edge]:
    """Every edge on the way back from a node, nearest first."""
    return services_of(request).lineage.up(start, depth=checked_limit(depth))


@get("/lineage/down", opt=_READ, sync_to_thread=True)
def lineage_down(request: AnyRequest, start: FromQuery[str], depth: FromQuery[int] = 64) -> list[Edge]:
    """Every edge on the way forward from a node, nearest first."""
    return services_of(request).lineage.down(start, depth=checked_limit(depth))


@post("/lineage/references", opt=_READ, status_code=200, sync_to_thread=True)
def lineage_references(request: AnyRequest, data: JSONBody[Nodes]) -> dict[str, str]:
    """`name@number` of the versions among some nodes."""
    return services_of(request).lineage.references(data.nodes)


lineage_router = Router("/", route_handlers=[lineage_up, lineage_down, lineage_references], tags=["lineage"])
