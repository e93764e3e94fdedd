"""What a worker does for each kind of job."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import msgspec

from clew.core.errors import Invalid, Unavailable
from clew.core.types.interval import Interval
from clew.core.types.job import Job, JobState
from clew.loop.monitor import Deciders, Monitor
from clew.loop.promotion import promote_version
from clew.loop.retrain import CHALLENGER, retrain_model
from clew.loop.trigger import Reason
from clew.loop.watch import watch_endpoint
from clew.monitoring.logged import LogReader
from clew.serving.endpoint import find_endpoint
from clew.worker.worker import Handler, Worker, queue

if TYPE_CHECKING:
    from clew.workspace import Workspace

__all__ = ["RETRAIN", "WATCH", "handlers_of", "look_at", "queue_watch"]

T = TypeVar("T")
WATCH, RETRAIN = "watch", "retrain"
_UNFINISHED = (JobState.QUEUED, JobState.LEASED)
_NAP_S = 0.05


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
    return queue(workspace.stores, WATCH, _watch_key(endpoint), args)


def look_at(
    workspace: Workspace, worker: Worker, endpoint: str, *, until_us: int = 0, say: Callable[[str], None]
) -> None:
    """Look at an endpoint and do what follows from it, here or wherever a worker takes the job.

    A look that is under way is waited for first: it may be of another time, or older than the newest decisions.

    Args:
        workspace: the project.
        worker: does here what nobody else has taken.
        endpoint: its name.
        until_us: now, in event time; 0 for the clock's.
        say: hears once of a worker that is waited for.

    Raises:
        Unavailable: the look failed, or was cancelled.
    """
    ledger, heard = workspace.stores.ledger, False

    def wait() -> None:
        nonlocal heard
        if worker.step():
            return
        with ledger.read() as tx:
            leased = tx.jobs.list(workspace.stores.project, state=JobState.LEASED)
        holders = [job.holder for job in leased if job.key == _watch_key(endpoint)]
        if holders and not heard:
            say(f"worker {holders[0]} is looking at it now; waiting for it")
            heard = True
        time.sleep(_NAP_S)

    while (asked := queue_watch(workspace, endpoint, until_us=until_us)) is None:
        wait()
    while asked.state in _UNFINISHED:
        wait()
        with ledger.read() as tx:
            asked = tx.jobs.get(asked.id)
    if asked.state is not JobState.DONE:
        raise Unavailable(f"endpoint {endpoint!r} could not be looked at: {asked.reason or asked.state}")
    worker.drain()


def _watch_key(endpoint: str) -> str:
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
