"""Keeps series readable that come one point a request: each is a block, and full ones are made of them in between."""

from __future__ import annotations

from collections import OrderedDict

from clew.core.contracts.stores import Stores
from clew.tracking.merge import merge_run

__all__ = ["EVERY", "Crumbs"]

EVERY = 256
"""Points between two merges of a run: what a merge costs is spread over them."""
_MOST_RUNS = 10_000


class Crumbs:
    """Counts single points by run. Threads may share one: a count that is lost delays a merge, and no more."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()

    def count(self, stores: Stores, run: str) -> None:
        """Count one more, and merge the run's blocks when there are many."""
        count = self._counts.pop(run, 0) + 1
        if count >= EVERY:
            merge_run(stores, run)
            return
        self._counts[run] = count
        if len(self._counts) > _MOST_RUNS:  # whose last point came first
            self._counts.popitem(last=False)
