"""Keeps series readable that come one point a request: each is a block, and full ones are made of them in between."""

from __future__ import annotations

from clew.core.contracts.stores import Stores
from clew.tracking.merge import merge_run

__all__ = ["EVERY", "Crumbs"]

EVERY = 256
"""Points between two merges of a run: what a merge costs is spread over them."""
_MOST_RUNS = 10_000


class Crumbs:
    """Counts single points by run. Threads may share one: a count that is lost delays a merge, and no more."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def count(self, stores: Stores, run: str) -> None:
        """Count one more, and merge the run's blocks when there are many."""
        count = self._counts.get(run, 0) + 1
        if count < EVERY and len(self._counts) < _MOST_RUNS:
            self._counts[run] = count
            return
        self._counts.pop(run, None)
        merge_run(stores, run)
