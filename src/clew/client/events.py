"""What changed in a project on a server."""

from __future__ import annotations

from collections.abc import Sequence

from clew.client.connection import Connection
from clew.core.paging import Page
from clew.core.types.event import Event

__all__ = ["HttpEvents"]


class HttpEvents:
    """`clew.core.contracts.services.EventService` over HTTP."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def list(self, *, kind: str = "", subject: str = "", limit: int = 100, after: str = "") -> Page[Event]:
        return self._c.get("/events", Page[Event], kind=kind, subject=subject, limit=limit, after=after)

    def positions(self, ids: Sequence[str]) -> dict[str, int]:
        return self._c.send("POST", "/events/positions", {"ids": list(ids)}, dict[str, int])
