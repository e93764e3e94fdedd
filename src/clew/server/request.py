"""What handlers ask of a request: its stores, its body, and a thread to wait in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ParamSpec, TypeVar

import anyio.to_thread
import msgspec
from litestar import Request, Response

from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid, NotFound
from clew.core.types.project import Project
from clew.loop.in_place import InPlace
from clew.server.caller import Caller
from clew.server.host import Host
from clew.store.ledger.synced import SyncedLedger
from clew.tracking.runs import LedgerRuns

__all__ = [
    "MESSAGEPACK",
    "AnyRequest",
    "checked_limit",
    "in_thread",
    "packed",
    "packed_answer",
    "runs_of",
    "services_of",
    "stores_of",
]

_MOST = 10_000
AnyRequest = Request[Any, Any, Any]
MESSAGEPACK = "application/vnd.msgpack"
P = ParamSpec("P")
T = TypeVar("T")


def stores_of(request: AnyRequest) -> Stores:
    """The stores of the project that the path names, for the user who asks."""
    host, project = _hosted(request)
    return host.stores(project, actor=request.scope["user"].user.name)


def services_of(request: AnyRequest) -> InPlace:
    """The services of the project that the path names; each is loaded when a request first needs it."""
    host, project = _hosted(request)
    return InPlace(stores_of(request), host.settings_of(project))


def runs_of(request: AnyRequest) -> LedgerRuns:
    """The runs of that project, without a look at its settings: what processes that train call all the time.

    A client drops what was acknowledged, and may be on another machine: what it is told of is on the disk.
    """
    stores = stores_of(request)
    return LedgerRuns(replace(stores, ledger=SyncedLedger(stores.ledger)))


def _hosted(request: AnyRequest) -> tuple[Host, Project]:
    host: Host = request.app.state.host
    caller: Caller = request.scope["user"]
    if caller.project is None:
        raise NotFound("project", request.url.path)
    return host, caller.project


def checked_limit(limit: int) -> int:
    """The limit of a list itself.

    Raises:
        Invalid: it is none that is answered.
    """
    if not 1 <= limit <= _MOST:
        raise Invalid(f"limit = {limit} is not within 1 and {_MOST:,}", hint="ask for pages with `after`")
    return limit


def packed(decoder: msgspec.msgpack.Decoder[T], body: bytes) -> T:
    """A body of MessagePack.

    Raises:
        Invalid: it is not what the decoder expects.
    """
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(f"the body cannot be read: {error}") from None


def packed_answer(value: object) -> Response[bytes]:
    """An answer in MessagePack, which has room for numbers that are none."""
    return Response(msgspec.msgpack.encode(value), media_type=MESSAGEPACK)


async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what waits for a disk or a database beside the loop."""
    return await anyio.to_thread.run_sync(partial(call, *args, **kwargs))
