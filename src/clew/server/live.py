"""One run as it goes on, as server-sent events: its state, and the summaries of the series that have changed.

Points are not sent: whoever draws a curve asks for the blocks of the series that grew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
from litestar import Router, get
from litestar.params import FromPath
from litestar.response import Stream

from clew.core.types.run import Run, RunStatus
from clew.core.types.series import Series
from clew.policy.access import Action
from clew.server.events import stream_of
from clew.server.request import AnyRequest, in_thread, runs_of

__all__ = ["live_router"]

_EVERY_S, _HEARTBEATS = 0.5, 30


class _Look(msgspec.Struct, frozen=True):
    """A run at one moment, with the summaries of its series."""

    run: Run
    series: list[Series]


@get("/runs/{run:str}/stream", opt={"action": Action.READ}, media_type="text/event-stream")
async def stream_run(request: AnyRequest, run: FromPath[str]) -> Stream:
    """A run as it goes on: `run` when its state changes, `series` with the summaries that changed. Ends with the run.

    Numbers that are none are null.
    """
    runs = runs_of(request)
    found = await in_thread(runs.get, run)

    def look() -> _Look:
        return _Look(runs.get(found.id), runs.summaries([found.id]))

    async def lines() -> AsyncIterator[bytes]:
        seen: Run | None = None
        counts: dict[str, int] = {}
        quiet = 0
        yield b"retry: 1000\n\n"
        while seen is None or seen.status is RunStatus.RUNNING:
            if seen is not None:
                await asyncio.sleep(_EVERY_S)
            now = await in_thread(look)
            grown = [series for series in now.series if counts.get(series.key) != series.count]
            counts |= {series.key: series.count for series in grown}
            told = (_line("series", grown) if grown else b"") + (_line("run", now.run) if now.run != seen else b"")
            seen, quiet = now.run, 0 if told else quiet + 1
            if told or quiet % _HEARTBEATS == 0:
                yield told or b": alive\n\n"

    return stream_of(lines())


def _line(kind: str, value: object) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"


live_router = Router("/", route_handlers=[stream_run], tags=["runs"])
