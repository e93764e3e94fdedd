"""What a worker does for each kind of job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

import msgspec

from clew.core.errors import Invalid
from clew.core.types.interval import Interval
from clew.core.types.job import Job
from clew.loop.monitor import Deciders, Monitor
from clew.loop.promotion import promote_version
from clew.loop.retrain import CHALLENGER, retrain_model
from clew.loop.trigger import Reason
from clew.loop.watch import watch_endpoint
from clew.monitoring.logged import LogReader
from clew.serving.endpoint import find_endpoint
from clew.worker.worker import Handler, queue

if TYPE_CHECKING:
    from clew.workspace import Workspace

__all__ = ["RETRAIN", "WATCH", "handlers_of", "queue_watch", "watch_key"]

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
    return queue(workspace.stores, WATCH, watch_key(endpoint), args)


def watch_key(endpoint: str) -> str:
    """What makes two looks at an endpoint the same job."""
    return f"{WATCH}/{endpoint}"


def handlers_of(workspace: Workspace) -> Mapping[str, Handler]:
    """What to do for each kind of job in a project."""
    jobs = _Jobs(workspace)
    return {WATCH: jobs.watch, RETRAIN: jobs.retrain}


class _Jobs:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._deciders, self._logs = Deciders(workspace.stores), LogReader(workspace.stores)

    def watch(self, job: Job) -> dict[str, object]:
        """Look at an endpoint, and ask for a retraining when one is due."""
        workspace = self._workspace
        args = _args(job, WatchArgs)
        monitor = self._monitor(args.endpoint)
        now_us = args.until_us or workspace.stores.clock.now_us()

        def promote(version: str, *, reason: str, trial: Interval | None = None) -> None:
            with workspace.stores.ledger.read() as tx:
                reference = tx.models.version(version).reference
            promote_version(
                workspace.services,
                workspace.settings,
                reference,
                monitor.endpoint.alias,
                reason=reason,
                trial=trial,
            )

        def ask(reason: Reason) -> bool:
            wanted: dict[str, object] = {"endpoint": args.endpoint, "until_us": now_us, "reason": reason.text}
            return queue(workspace.stores, RETRAIN, f"{RETRAIN}/{monitor.endpoint.model}", wanted) is not None

        retrain = workspace.settings.retrain.get(monitor.model)
        done = watch_endpoint(monitor, now_us=now_us, retrain=retrain, promote=promote, ask=ask)
        result: dict[str, object] = msgspec.to_builtins(done)
        return result

    def retrain(self, job: Job) -> dict[str, object]:
        """Train an endpoint's model again, and put the new version on trial."""
        workspace = self._workspace
        args = _args(job, RetrainArgs)
        monitor = self._monitor(args.endpoint)
        settings = workspace.settings.retrain.get(monitor.model)
        if settings is None:
            raise Invalid(
                f"nothing says how to train {monitor.model!r}", hint=f"add [retrain.{monitor.model}] to clew.toml"
            )
        shadows = workspace.settings.endpoint_of(args.endpoint).shadow
        if CHALLENGER not in shadows:
            raise Invalid(
                f"endpoint {args.endpoint!r} has no {CHALLENGER} in shadow, so no new version could be tried",
                hint=f'shadow = ["{CHALLENGER}"] in [endpoints.{args.endpoint}]',
            )
        done = retrain_model(
            monitor, workspace.aliases, settings, root=workspace.root, now_us=args.until_us, reason=args.reason
        )
        result: dict[str, object] = msgspec.to_builtins(done)
        return result

    def _monitor(self, name: str) -> Monitor:
        workspace = self._workspace
        endpoint = find_endpoint(workspace.stores, name)
        return Monitor.of(workspace.stores, workspace.settings, endpoint, deciders=self._deciders, logs=self._logs)


def _args(job: Job, kind: type[T]) -> T:
    try:
        return msgspec.convert(job.args, kind)
    except msgspec.ValidationError as error:
        raise Invalid(f"job {job.key} has arguments that cannot be read: {error}") from error
