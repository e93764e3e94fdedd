"""What handlers ask of a request: its stores, its body, and a thread to wait in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

import anyio.to_thread
import msgspec
from litestar import Request

from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid, NotFound
from clew.loop.in_place import InPlace
from clew.server.caller import Caller
from clew.server.host import Host

__all__ = ["MESSAGEPACK", "AnyRequest", "checked_limit", "in_thread", "packed", "services_of", "stores_of"]

_MOST = 10_000
AnyRequest = Request[Any, Any, Any]
MESSAGEPACK = "application/vnd.msgpack"
P = ParamSpec("P")
T = TypeVar("T")


def stores_of(request: AnyRequest) -> Stores:
    """The stores of the project that the path names, for the user who asks."""
    host: Host = request.app.state.host
    caller: Caller = request.scope["user"]
    if caller.project is None:
        raise NotFound("project", request.url.path)
    return host.stores(caller.project, actor=caller.user.name)


def services_of(request: AnyRequest) -> InPlace:
    """The services of the project that the path names; each is loaded when a request first needs it."""
    host: Host = request.app.state.host
    caller: Caller = request.scope["user"]
    if caller.project is None:
        raise NotFound("project", request.url.path)
    return InPlace(host.stores(caller.project, actor=caller.user.name), host.settings_of(caller.project))


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


async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what waits for a disk or a database beside the loop."""
    return await anyio.to_thread.run_sync(partial(call, *args, **kwargs))
