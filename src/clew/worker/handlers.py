"""What a worker does for each kind of job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

import msgspec

from clew.core.errors import Invalid
from clew.core.types.endpoint import Endpoint
from clew.core.types.interval import Interval
from clew.core.types.job import Job
from clew.loop.promotion import promote_version
from clew.loop.retrain import retrain_model
from clew.loop.watch import watch_endpoint
from clew.loop.windows import Deciders
from clew.serving.endpoint import find_endpoint
from clew.worker.worker import Handler, queue

if TYPE_CHECKING:
    from clew.workspace import Workspace

__all__ = ["RETRAIN", "WATCH", "handlers_of", "queue_watch"]

T = TypeVar("T")
WATCH, RETRAIN = "watch", "retrain"


class WatchArgs(msgspec.Struct, frozen=True):
    """`until_us` is now, in event time; 0 for the clock's."""

    endpoint: str
    until_us: int = 0


class RetrainArgs(msgspec.Struct, frozen=True):
    """`until_us` is now, in event time."""

    endpoint: str
    until_us: int
    reason: str


def queue_watch(workspace: Workspace, endpoint: str, *, until_us: int = 0) -> Job | None:
    """Ask for a look at an endpoint; None when one is under way or waiting."""
    args: dict[str, object] = {"endpoint": endpoint, "until_us": until_us}
    return queue(workspace.stores, WATCH, f"{WATCH}/{endpoint}", args)


def handlers_of(workspace: Workspace) -> Mapping[str, Handler]:
    """What to do for each kind of job in a project."""
    jobs = _Jobs(workspace)
    return {WATCH: jobs.watch, RETRAIN: jobs.retrain}


class _Jobs:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._deciders = Deciders(workspace.stores)

    def watch(self, job: Job) -> dict[str, object]:
        """Look at an endpoint, and ask for a retraining when one is due."""
        workspace = self._workspace
        args = _args(job, WatchArgs)
        endpoint = self._endpoint(args.endpoint)
        now_us = args.until_us or workspace.stores.clock.now_us()

        def promote(version: str, *, reason: str, trial: Interval | None = None) -> None:
            with workspace.stores.ledger.read() as tx:
                reference = tx.models.version(version).reference
            promote_version(
                workspace.stores,
                workspace.settings,
                workspace.aliases,
                reference,
                endpoint.alias,
                reason=reason,
                trial=trial,
            )

        done = watch_endpoint(
            workspace.stores,
            endpoint,
            now_us=now_us,
            settings=workspace.settings,
            deciders=self._deciders,
            promote=promote,
        )
        if done.retrain is not None:
            wanted: dict[str, object] = {"endpoint": endpoint.name, "until_us": now_us, "reason": done.retrain.text}
            queue(workspace.stores, RETRAIN, f"{RETRAIN}/{endpoint.model}", wanted)
        result: dict[str, object] = msgspec.to_builtins(done)
        return result

    def retrain(self, job: Job) -> dict[str, object]:
        """Train an endpoint's model again, and put the new version on trial."""
        workspace = self._workspace
        args = _args(job, RetrainArgs)
        endpoint = self._endpoint(args.endpoint)
        with workspace.stores.ledger.read() as tx:
            model = tx.models.get(endpoint.model).name
        settings = workspace.settings.retrain.get(model)
        if settings is None:
            raise Invalid(f"nothing says how to train {model!r}", hint=f"add [retrain.{model}] to clew.toml")
        done = retrain_model(
            workspace.stores,
            endpoint,
            workspace.aliases,
            settings,
            root=workspace.root,
            now_us=args.until_us,
            reason=args.reason,
            deciders=self._deciders,
        )
        result: dict[str, object] = msgspec.to_builtins(done)
        return result

    def _endpoint(self, name: str) -> Endpoint:
        return find_endpoint(self._workspace.stores, name)


def _args(job: Job, kind: type[T]) -> T:
    try:
        return msgspec.convert(job.args, kind)
    except msgspec.ValidationError as error:
        raise Invalid(f"job {job.key} has arguments that cannot be read: {error}") from error
