"""Lineage on a server."""

from __future__ import annotations

from collections.abc import Sequence

from clew.client.connection import Connection
from clew.core.types.edge import Edge, Node

__all__ = ["HttpLineage"]


class HttpLineage:
    """`clew.core.contracts.services.LineageService` over HTTP."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def up(self, start: Node, *, depth: int = 64) -> list[Edge]:
        return self._c.get("/lineage/up", list[Edge], start=start, depth=depth)

    def down(self, start: Node, *, depth: int = 64) -> list[Edge]:
        return self._c.get("/lineage/down", list[Edge], start=start, depth=depth)

    def references(self, nodes: Sequence[Node]) -> dict[Node, str]:
        if not nodes:
            return {}
        return self._c.send("POST", "/lineage/references", {"nodes": list(nodes)}, dict[str, str])
