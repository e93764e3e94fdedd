"""Steps over HTTP: `clew.core.contracts.services.StepService`."""

from __future__ import annotations

import msgspec
from litestar import Response, Router, get, post
from litestar.params import FromPath, FromQuery

from clew.core.ids import Digest
from clew.core.types.step import StepEntry, StepRun
from clew.policy.access import Action
from clew.server.request import AnyRequest, checked_limit, in_thread, packed, packed_answer, services_of, stores_of

__all__ = ["steps_router"]

_READ, _WRITE = {"action": Action.READ}, {"action": Action.WRITE}
_MOST_BYTES = 64 << 20


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """Results to keep, and what happened."""

    entries: list[StepEntry] = []
    steps: list[StepRun] = []


_done = msgspec.msgpack.Decoder(Done)


@get("/steps", opt=_READ, sync_to_thread=True)
def find_steps(
    request: AnyRequest, key: FromQuery[str] = "", step: FromQuery[str] = "", limit: FromQuery[int] = 10
) -> Response[bytes]:
    """Entries of the step cache, as MessagePack: the one under a key, or the newest ones of a step."""
    steps = services_of(request).steps
    if not key:
        return packed_answer(steps.newest(step, limit=checked_limit(limit)))
    found = steps.find(Digest(key))
    return packed_answer([found] if found is not None else [])


@post("/steps", opt=_WRITE, status_code=204, request_max_body_size=_MOST_BYTES)
async def put_steps(request: AnyRequest) -> None:
    """Keep results and record what happened, together: MessagePack."""
    stores, done = stores_of(request), packed(_done, await request.body())
    entries = [msgspec.structs.replace(entry, project=stores.project) for entry in done.entries]
    await in_thread(services_of(request).steps.put, entries, done.steps)


@get("/runs/{run:str}/steps", opt=_READ, sync_to_thread=True)
def steps_of_run(request: AnyRequest, run: FromPath[str]) -> list[StepRun]:
    """What a run did, by position."""
    return services_of(request).steps.of_run(run)


steps_router = Router("/", route_handlers=[find_steps, put_steps, steps_of_run], tags=["steps"])
