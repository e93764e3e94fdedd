"""What a worker queues by itself: a look at each endpoint, every so often."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from clew.worker.handlers import queue_watch

if TYPE_CHECKING:
    from clew.workspace import Workspace

__all__ = ["Schedule"]


class Schedule:
    """Queues a look at each endpoint of a project every `every_s` seconds; 0 never."""

    def __init__(self, workspace: Workspace, *, every_s: float) -> None:
        self._workspace, self._every_s = workspace, every_s
        self._next = 0.0

    def look(self, *, now: bool = False) -> None:
        """Queue what is due; everything when `now`."""
        if not now and (not self._every_s or time.monotonic() < self._next):
            return
        self._next = time.monotonic() + self._every_s
        stores = self._workspace.stores
        with stores.ledger.read() as tx:
            endpoints = tx.endpoints.list(stores.project)
        for endpoint in endpoints:
            queue_watch(self._workspace, endpoint.name)
