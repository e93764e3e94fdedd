"""Searches over runs, and their series as charts show them, over HTTP."""

from __future__ import annotations

import msgspec
from litestar import Response, Router, post
from litestar.params import JSONBody

from clew.policy.access import Action
from clew.server.request import MESSAGEPACK, AnyRequest, packed_answer, runs_of

__all__ = ["search_router"]

_READ = {"action": Action.READ}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs, in which order, how many; of their metrics those with these names, or all."""

    where: str = ""
    sort: str = ""
    experiment: str = ""
    limit: int = 50
    after: str = ""
    metrics: list[str] | None = None


@post("/runs/search", opt=_READ, status_code=200, sync_to_thread=True)
def search_runs(request: AnyRequest, data: JSONBody[Wanted]) -> Response[bytes]:
    """Runs that pass a filter, in an order; as MessagePack where that is accepted, for numbers that are none.

    In JSON they are null.
    """
    return answered(request, runs_of(request).search(**msgspec.structs.asdict(data)))


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """One series of some runs over one axis: how many pixels wide, and from which step to which."""

    runs: list[str]
    key: str
    width: int = 1000
    low: float | None = None
    high: float | None = None


@post("/samples", opt=_READ, status_code=200, sync_to_thread=True)
def sample_series(request: AnyRequest, data: JSONBody[Drawn]) -> Response[bytes]:
    """One series of some runs as a chart of some width shows it: for each pixel the lowest, highest and last value."""
    drawn = runs_of(request).sample(data.runs, data.key, width=data.width, low=data.low, high=data.high)
    return answered(request, drawn)


def answered(request: AnyRequest, value: object) -> Response[bytes]:
    """A value in the form that the caller accepts."""
    if MESSAGEPACK in request.headers.get("accept", ""):
        return packed_answer(value)
    return Response(msgspec.json.encode(value), media_type="application/json")


search_router = Router("/", route_handlers=[search_runs, sample_series], tags=["runs"])
