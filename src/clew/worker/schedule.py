"""What a worker does by itself, every so often: bring home what killed runs left, end runs that are lost, merge small
blocks of series, and queue a look at each endpoint."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from clew.core.types.run import RunStatus
from clew.tracking.adopt import adopt
from clew.tracking.lost import Lost
from clew.tracking.merge import merge_run
from clew.worker.handlers import queue_watch

if TYPE_CHECKING:
    from clew.workspace import Workspace

__all__ = ["Schedule"]

_MOST_RUNS = 1000


class Schedule:
    """Every `every_s` seconds; 0 never."""

    def __init__(self, workspace: Workspace, *, every_s: float) -> None:
        self._workspace, self._every_s = workspace, every_s
        self._next, self._lost = 0.0, Lost()

    def look(self, *, now: bool = False) -> None:
        """Queue what is due; everything when `now`."""
        if not now and (not self._every_s or time.monotonic() < self._next):
            return
        self._next = time.monotonic() + self._every_s
        stores = self._workspace.stores
        adopt(self._workspace.runs, stores.objects, stores.folder)
        self._lost.look(stores)
        with stores.ledger.read() as tx:
            running = tx.runs.list(stores.project, status=RunStatus.RUNNING, limit=_MOST_RUNS).items
        for run in running:
            merge_run(stores, run.id)
        with stores.ledger.read() as tx:
            endpoints = tx.endpoints.list(stores.project)
        for endpoint in endpoints:
            queue_watch(self._workspace, endpoint.name)
