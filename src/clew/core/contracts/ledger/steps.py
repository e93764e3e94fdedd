"""The step cache, and the steps of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clew.core.ids import Digest
from clew.core.types.step import StepEntry, StepRun

__all__ = ["Steps"]


class Steps(Protocol):
    """The step cache, and what runs did."""

    def find(self, project: str, key: Digest) -> StepEntry | None:
        """The cache entry under a key."""
        ...

    def put(self, entries: Sequence[StepEntry]) -> None:
        """Add entries; one whose key is there stays as it is."""
        ...

    def newest(self, project: str, step: str, *, limit: int = 10) -> list[StepEntry]:
        """The newest cache entries of a step."""
        ...

    def forget(self, run: str) -> None:
        """Forget what a run did; what the cache keeps stays."""
        ...

    def record(self, steps: Sequence[StepRun]) -> None:
        """Add what a run did; (run, position) that is there is replaced."""
        ...

    def of_run(self, run: str) -> list[StepRun]:
        """The steps of a run, by position."""
        ...
