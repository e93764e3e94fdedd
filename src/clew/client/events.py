"""What changed in a project on a server: as a list, and as it happens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from clew.client.connection import Connection
from clew.core.paging import Page
from clew.core.types.event import Event

__all__ = ["HttpEvents", "Told"]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it comes from a stream, with its place in the chain."""

    position: int
    event: Event


class HttpEvents:
    """`clew.core.contracts.services.EventService` over HTTP."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def list(self, *, kind: str = "", subject: str = "", limit: int = 100, after: str = "") -> Page[Event]:
        return self._c.get("/events", Page[Event], kind=kind, subject=subject, limit=limit, after=after)

    def positions(self, ids: Sequence[str]) -> dict[str, int]:
        return self._c.send("POST", "/events/positions", {"ids": list(ids)}, dict[str, int])

    def follow(self, *, after: int = 0) -> Iterator[Told]:
        """Events behind a position, those to come among them, until the caller stops or the server ends.

        None is left out and none comes twice: `after` of the last one that came goes on where it was.
        """
        response = self._c.open("GET", "/events/stream", query={"after": str(after)})
        try:
            position = 0
            while line := response.readline():
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "id":
                    position = int(value)
                elif name == "data" and position:
                    yield Told(position=position, event=msgspec.json.decode(value, type=Event))
                    position = 0
        finally:
            self._c.drop()
