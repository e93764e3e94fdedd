"""Runs over HTTP: `clew.core.contracts.services.RunService`, one route to a verb."""

from __future__ import annotations

import msgspec
from litestar import Response, Router, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from clew.core.errors import Invalid
from clew.core.ids import Digest, is_id
from clew.core.paging import Page
from clew.core.types.edge import Role
from clew.core.types.run import Artifact, Experiment, Run, RunStatus, Scalar
from clew.core.types.series import SeriesBlock
from clew.policy.access import Action
from clew.server.request import AnyRequest, checked_limit, packed, packed_answer, runs_of, stores_of
from clew.tracking.artifact import check_path

__all__ = ["runs_router"]

_READ, _WRITE = {"action": Action.READ}, {"action": Action.WRITE}
_blocks = msgspec.msgpack.Decoder(list[SeriesBlock])
_MOST_BYTES = 64 << 20


class NewRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that starts, and the name of its experiment."""

    run: Run
    experiment: str


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What is merged into a run; what is left out stays."""

    params: dict[str, Scalar] | None = None
    tags: dict[str, str] | None = None
    capture: dict[str, Digest] | None = None
    commit: str | None = None
    name: str | None = None
    experiment: str | None = None


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A node that flowed into the run, or out of it."""

    node: str
    role: Role


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How and when a run ended."""

    status: RunStatus
    ended_us: int
    reason: str = ""


class Fork(msgspec.Struct, frozen=True, kw_only=True):
    """Whose history a run takes over, and up to which step."""

    of: str
    step: float


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """Some runs by id; of their metrics those with these names, or all."""

    runs: list[str]
    keys: list[str] = []


@post("/runs", opt=_WRITE, sync_to_thread=True)
def create_run(request: AnyRequest, data: JSONBody[NewRun]) -> Run:
    """Add a run that starts to an experiment, which is made when there is none."""
    run = data.run
    if not is_id(run.id):
        raise Invalid(f"{run.id[:60]!r} is no id of a run", hint="32 hex digits")
    if run.status is not RunStatus.RUNNING or run.ended_us or run.deleted_us or run.purged_us:
        raise Invalid(f"run {run.name} does not start, it has ended", hint="add it as running, then POST /runs/ID/end")
    stores = stores_of(request)
    mine = msgspec.structs.replace(run, project=stores.project, created_by=stores.actor)
    return runs_of(request).create(mine, experiment=data.experiment)


@get("/runs", opt=_READ, sync_to_thread=True)
def list_runs(
    request: AnyRequest,
    experiment: FromQuery[str] = "",
    parent: FromQuery[str] = "",
    limit: FromQuery[int] = 100,
    after: FromQuery[str] = "",
) -> Page[Run]:
    """Runs, newest first; of one experiment, or those that a run started, where one is given."""
    return runs_of(request).list(experiment=experiment, parent=parent, limit=checked_limit(limit), after=after)


@get("/runs/{run:str}", opt=_READ, sync_to_thread=True)
def get_run(request: AnyRequest, run: FromPath[str]) -> Run:
    """A run by its id, an unambiguous prefix, or its name."""
    return runs_of(request).get(run)


@patch("/runs/{run:str}", opt=_WRITE, sync_to_thread=True)
def describe_run(request: AnyRequest, run: FromPath[str], data: JSONBody[Description]) -> Run:
    """Merge parameters, tags and the like into a run."""
    return runs_of(request).describe(run, **msgspec.structs.asdict(data))


@post("/runs/{run:str}/end", opt=_WRITE, status_code=200, sync_to_thread=True)
def finish_run(request: AnyRequest, run: FromPath[str], data: JSONBody[End]) -> Run:
    """End a run; it survives power loss, with all points that came before, once this answers."""
    return runs_of(request).finish(run, data.status, ended_us=data.ended_us, reason=data.reason)


@post("/runs/{run:str}/resume", opt=_WRITE, status_code=200, sync_to_thread=True)
def resume_run(request: AnyRequest, run: FromPath[str]) -> Run:
    """Let a run that has ended go on."""
    return runs_of(request).resume(run)


@post("/runs/{run:str}/fork", opt=_WRITE, status_code=200, sync_to_thread=True)
def fork_run(request: AnyRequest, run: FromPath[str], data: JSONBody[Fork]) -> Run:
    """Give a run the history of another one up to a step."""
    return runs_of(request).fork(run, of=data.of, step=data.step)


@post("/runs/{run:str}/beat", opt=_WRITE, status_code=200, sync_to_thread=True)
def beat_run(request: AnyRequest, run: FromPath[str]) -> Run:
    """Say that the process of a run lives."""
    return runs_of(request).beat(run)


@post("/runs/{run:str}/links", opt=_WRITE, status_code=204, sync_to_thread=True)
def link_run(request: AnyRequest, run: FromPath[str], data: JSONBody[Link]) -> None:
    """Say that a node flowed into the run, or out of it."""
    runs_of(request).link(run, data.node, data.role)


@post("/runs/{run:str}/artifacts", opt=_WRITE, status_code=204, sync_to_thread=True)
def add_artifact(request: AnyRequest, run: FromPath[str], data: JSONBody[Artifact]) -> None:
    """Name an object as a file of the run; the same path replaces."""
    runs_of(request).add_artifact(msgspec.structs.replace(data, run=run, path=check_path(data.path)))


@get("/runs/{run:str}/artifacts", opt=_READ, sync_to_thread=True)
def list_artifacts(request: AnyRequest, run: FromPath[str]) -> list[Artifact]:
    """The artifacts of a run, by path."""
    return runs_of(request).artifacts(run)


@post("/blocks", opt=_WRITE, status_code=204, request_max_body_size=_MOST_BYTES)
async def append_blocks(request: AnyRequest) -> None:
    """Add blocks of points, as MessagePack; a block whose source is there is skipped."""
    blocks = packed(_blocks, await request.body())
    await request.app.state.host.gathering(stores_of(request).project).append(runs_of(request), blocks)


@get("/blocks", opt=_READ, sync_to_thread=True)
def get_blocks(request: AnyRequest, run: FromQuery[str], key: FromQuery[str]) -> Response[bytes]:
    """The blocks of one series in order of arrival, as MessagePack."""
    return packed_answer(runs_of(request).blocks(run, key))


@post("/summaries", opt=_READ, status_code=200, sync_to_thread=True)
def get_summaries(request: AnyRequest, data: JSONBody[Which]) -> Response[bytes]:
    """The summaries of the series of some runs, as MessagePack: values may be infinite or no numbers."""
    return packed_answer(runs_of(request).summaries(data.runs, keys=data.keys))


@get("/experiments", opt=_READ, sync_to_thread=True)
def list_experiments(request: AnyRequest) -> list[Experiment]:
    """All experiments, by name."""
    return runs_of(request).experiments()


runs_router = Router(
    "/",
    route_handlers=[
        create_run,
        list_runs,
        get_run,
        describe_run,
        finish_run,
        resume_run,
        fork_run,
        beat_run,
        link_run,
        add_artifact,
        list_artifacts,
        append_blocks,
        get_blocks,
        get_summaries,
        list_experiments,
    ],
    tags=["runs"],
)
