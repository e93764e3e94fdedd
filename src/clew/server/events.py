"""Events over HTTP: as a list, and as a stream of those that come (server-sent events)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from litestar import Router, get, post
from litestar.params import FromQuery, JSONBody
from litestar.response import Stream

from clew.audit.events import LedgerEvents
from clew.core.errors import Invalid
from clew.core.paging import Page
from clew.core.types.event import Event, SealedEvent
from clew.policy.access import Action
from clew.server.host import Host
from clew.server.request import AnyRequest, checked_limit, stores_of

__all__ = ["events_router", "stream_of"]

_READ = {"action": Action.READ}
_HEARTBEAT_S = 15.0
_MOST_POSITION = 1 << 62


class Ids(msgspec.Struct, frozen=True, kw_only=True):
    """Some events by id."""

    ids: list[str]


@get("/events", opt=_READ, sync_to_thread=True)
def list_events(
    request: AnyRequest,
    kind: FromQuery[str] = "",
    subject: FromQuery[str] = "",
    limit: FromQuery[int] = 100,
    after: FromQuery[str] = "",
) -> Page[Event]:
    """What changed, newest first; `kind` is a whole kind or its noun."""
    return LedgerEvents(stores_of(request)).list(kind=kind, subject=subject, limit=checked_limit(limit), after=after)


@post("/events/positions", opt=_READ, status_code=200, sync_to_thread=True)
def positions_of_events(request: AnyRequest, data: JSONBody[Ids]) -> dict[str, int]:
    """The places of events in the chain; those that are not sealed yet are left out."""
    return LedgerEvents(stores_of(request)).positions(data.ids)


@get("/events/stream", opt=_READ, media_type="text/event-stream")
async def stream_events(request: AnyRequest, after: FromQuery[int] = 0) -> Stream:
    """Sealed events behind a position, in order and without gaps, and those to come, as server-sent events.

    `id` is the position, `event` the kind, `data` the event as JSON. `Last-Event-ID`, which browsers send when they
    connect again, stands above `after`.
    """
    said = request.headers.get("last-event-id", "")
    if said and not (said.isascii() and said.isdecimal()):
        raise Invalid(f"Last-Event-ID {said!r} is no position")
    position = int(said[:19]) if said else after
    if not 0 <= position <= _MOST_POSITION:
        raise Invalid(f"{position} is no position in a chain", hint="0 for all events")
    host: Host = request.app.state.host
    return stream_of(_lines(host, request, position))


async def _lines(host: Host, request: AnyRequest, after: int) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    listening = host.feed(stores_of(request)).listen(after, heartbeat_s=_HEARTBEAT_S)
    try:
        async for some in listening:
            yield b"".join(map(_line, some)) if some else b": alive\n\n"
    finally:
        await listening.aclose()


def _line(event: SealedEvent) -> bytes:
    return f"id: {event.position}\nevent: {event.kind}\ndata: {event.document}\n\n".encode("utf-8", "surrogatepass")


def stream_of(lines: AsyncIterator[bytes]) -> Stream:
    """A response of server-sent events that nothing on its way may keep back."""
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return Stream(lines, media_type="text/event-stream", headers=headers)


events_router = Router("/", route_handlers=[list_events, positions_of_events, stream_events], tags=["events"])
