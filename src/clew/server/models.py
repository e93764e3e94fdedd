"""Models over HTTP, and the names that move over their versions. The gate judges here; no model is read or run."""

from __future__ import annotations

import msgspec
from litestar import Response, Router, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from clew.core.ids import Digest
from clew.core.paging import Page
from clew.core.types.gate import Approval, Findings
from clew.core.types.model import Alias, Model, ModelVersion
from clew.policy.access import Action
from clew.server.request import AnyRequest, checked_limit, in_thread, packed, packed_answer, services_of

__all__ = ["models_router"]

_READ, _WRITE, _MANAGE = {"action": Action.READ}, {"action": Action.WRITE}, {"action": Action.MANAGE}
_MOST_EVIDENCE_BYTES = 64 << 20
_OF_ALIAS = "/models/{name:str}/aliases/{alias:str}"


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """Why nobody is to have a name any more."""

    reason: str = ""


class NewModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """The digest of a stored package that is to be the next version of a model, and what is new in words."""

    name: str
    package: Digest
    message: str = ""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at."""

    note: str = ""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A version that is to have a name, and what was measured of it beyond its package.

    `expected` is the number of the version that the caller believes to have the name; 0 for none.
    """

    reference: str
    alias: str
    reason: str = ""
    expected: int | None = None
    findings: Findings | None = None


class Return(msgspec.Struct, frozen=True, kw_only=True):
    """Why a name goes back, and the number of the version that the caller believes to have it."""

    reason: str = ""
    expected: int | None = None


_wish = msgspec.msgpack.Decoder(Wish)


@get("/models", opt=_READ, sync_to_thread=True)
def list_models(request: AnyRequest, name: FromQuery[str] = "") -> list[Model]:
    """All models by name, or the one of a name, if there is one."""
    models = services_of(request).models
    if not name:
        return models.list()
    found = models.find(name)
    return [found] if found is not None else []


@post("/models", opt=_WRITE, status_code=200, sync_to_thread=True)
def register_model(request: AnyRequest, data: JSONBody[NewModelVersion]) -> ModelVersion:
    """Make a stored package the next version of a model, which is made when it is new."""
    return services_of(request).models.register(data.name, data.package, message=data.message)


@get("/models/{name:str}/versions", opt=_READ, sync_to_thread=True)
def list_model_versions(
    request: AnyRequest, name: FromPath[str], limit: FromQuery[int] = 100, after: FromQuery[str] = ""
) -> Page[ModelVersion]:
    """The versions of a model, newest first."""
    return services_of(request).models.versions(name, limit=checked_limit(limit), after=after)


@get("/models/{name:str}/aliases", opt=_READ, sync_to_thread=True)
def list_aliases(request: AnyRequest, name: FromPath[str]) -> list[Alias]:
    """The move that holds for each alias of a model."""
    return services_of(request).models.aliases(name)


@get("/models/{name:str}/guarded", opt=_READ, sync_to_thread=True)
def list_guarded(request: AnyRequest, name: FromPath[str]) -> list[str]:
    """The names of a model that only a version which passes the gate may have."""
    return services_of(request).aliases.guarded(name)


@get("/model-versions", opt=_READ, sync_to_thread=True)
def resolve_model_version(request: AnyRequest, reference: FromQuery[str]) -> ModelVersion:
    """The version that `name@selector` means."""
    return services_of(request).models.resolve(reference)


@get("/model-versions/{id:str}", opt=_READ, sync_to_thread=True)
def get_model_version(request: AnyRequest, id: FromPath[str]) -> ModelVersion:
    """A version by its id."""
    return services_of(request).models.version(id)


@get("/model-versions/{id:str}/approvals", opt=_READ, sync_to_thread=True)
def list_approvals(request: AnyRequest, id: FromPath[str]) -> list[Approval]:
    """Who stands for a version, the newest first."""
    models = services_of(request).models
    return models.approvals(models.version(id))


@post("/model-versions/{id:str}/approvals", opt=_WRITE, status_code=200, sync_to_thread=True)
def approve_model_version(request: AnyRequest, id: FromPath[str], data: JSONBody[Note]) -> Approval:
    """Stand for a version, for exactly its package."""
    models = services_of(request).models
    return models.approve(models.version(id).reference, note=data.note)


@post("/gate", opt=_READ, status_code=200, request_max_body_size=_MOST_EVIDENCE_BYTES)
async def judge_version(request: AnyRequest) -> Response[bytes]:
    """What the gate says of giving a name to a version, as MessagePack; nothing moves."""
    wish = packed(_wish, await request.body())
    report = await in_thread(lambda: services_of(request).aliases.judge(wish.reference, wish.alias, wish.findings))
    return packed_answer(report)


@post("/aliases", opt=_MANAGE, status_code=200, request_max_body_size=_MOST_EVIDENCE_BYTES)
async def promote_version(request: AnyRequest) -> Alias:
    """Give a name to a version, if the gate lets it; the wish comes as MessagePack."""
    wish = packed(_wish, await request.body())

    def promote() -> Alias:
        return services_of(request).aliases.promote(
            wish.reference, wish.alias, reason=wish.reason, expected=wish.expected, findings=wish.findings
        )

    return await in_thread(promote)


@get(_OF_ALIAS, opt=_READ, sync_to_thread=True)
def list_moves(request: AnyRequest, name: FromPath[str], alias: FromPath[str]) -> list[Alias]:
    """Every move of one alias, oldest first."""
    return services_of(request).aliases.moves(name, alias)


@post(f"{_OF_ALIAS}/rollback", opt=_MANAGE, status_code=200, sync_to_thread=True)
def rollback_alias(request: AnyRequest, name: FromPath[str], alias: FromPath[str], data: JSONBody[Return]) -> Alias:
    """Give a name back to the version that had it before."""
    return services_of(request).aliases.rollback(name, alias, reason=data.reason, expected=data.expected)


@post(f"{_OF_ALIAS}/remove", opt=_MANAGE, status_code=200, sync_to_thread=True)
def remove_alias(request: AnyRequest, name: FromPath[str], alias: FromPath[str], data: JSONBody[Removal]) -> Alias:
    """Take a name away from the version that has it; refused while an endpoint serves it."""
    return services_of(request).aliases.remove(name, alias, reason=data.reason)


models_router = Router(
    "/",
    route_handlers=[
        list_models,
        register_model,
        list_model_versions,
        list_aliases,
        list_guarded,
        resolve_model_version,
        get_model_version,
        list_approvals,
        approve_model_version,
        judge_version,
        remove_alias,
        promote_version,
        list_moves,
        rollback_alias,
    ],
    tags=["models"],
)
