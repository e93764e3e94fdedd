"""The thread and the audit over HTTP, to be read: why a decision, what something touched, whether the chain holds.

Nothing is scored again here: a server runs no models. What answers is loaded when it is first asked: it reads packages,
monitors and captures, and a server that starts needs none of it.
"""

from __future__ import annotations

import msgspec
from litestar import Response, Router, get, post
from litestar.params import FromQuery, JSONBody

from clew.audit.checkpoint import Witnesses
from clew.audit.problem import Verification
from clew.audit.seal import seal
from clew.policy.access import Action
from clew.server.request import AnyRequest, packed_answer, stores_of

__all__ = ["thread_router"]

_READ = {"action": Action.READ}


class Checkpoints(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of checkpoints, place by place, and the public key or fingerprint that counts; any when it is empty."""

    places: list[list[str]] = []
    key: str = ""


@get("/why", opt=_READ, sync_to_thread=True)
def why_prediction(request: AnyRequest, prediction: FromQuery[str] = "") -> Response[bytes]:
    """Everything behind one decision, as MessagePack, with the request that it was in, for who scores it again."""
    from clew.loop.why import why

    return packed_answer(why(stores_of(request), prediction, trust=None))


@get("/impact", opt=_READ, sync_to_thread=True)
def impact_of(request: AnyRequest, reference: FromQuery[str]) -> Response[bytes]:
    """Every run, model, name, endpoint and decision that something touched, as MessagePack."""
    from clew.loop.impact import impact

    return packed_answer(impact(stores_of(request), reference))


@post("/audit/verify", opt=_READ, status_code=200, sync_to_thread=True)
def verify_chain(request: AnyRequest, data: JSONBody[Checkpoints]) -> Verification:
    """Recompute the chain of events, compare rows with what events say of them, and hold checkpoints against it."""
    from clew.audit.verify import verify

    stores = stores_of(request)
    seal(stores)
    return verify(stores, witnesses=[Witnesses(lines, stores.project, data.key) for lines in data.places])


thread_router = Router("/", route_handlers=[why_prediction, impact_of, verify_chain], tags=["thread"])
