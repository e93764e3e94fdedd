"""What runs measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clew.core.types.series import LastPoint, Series, SeriesBlock

__all__ = ["SeriesBlocks"]


class SeriesBlocks(Protocol):
    """Metrics of runs, as blocks of points."""

    def append(self, blocks: Sequence[SeriesBlock]) -> int:
        """Add blocks behind those that are there; a block whose (run, key, source) is there is skipped.

        Returns how many were added. The summaries of the series change in the same transaction.
        """
        ...

    def remove(self, run: str) -> None:
        """Forget all series of a run."""
        ...

    def summaries(self, runs: Sequence[str], *, keys: Sequence[str] = ()) -> list[Series]:
        """The summaries of the series of these runs, by run and key; of these keys only where some are given."""
        ...

    def lasts(self, runs: Sequence[str]) -> list[LastPoint]:
        """The last point of each series of these runs, by run and key."""
        ...

    def crumbled(self, run: str) -> list[str]:
        """The keys of a run's series that have more than twice the blocks that their points need."""
        ...

    def merge(self, run: str, key: str, sources: Sequence[str], blocks: Sequence[SeriesBlock]) -> bool:
        """Replace the blocks of a series by these, which hold the same points in the same order.

        False, and nothing changes, unless its blocks are those of these sources. The sources stay known: a block of
        one is skipped as before. The summary stays as it is.
        """
        ...

    def blocks(self, run: str, key: str, *, after: int = 0, limit: int | None = None) -> list[SeriesBlock]:
        """The blocks of one series in order of arrival: up to `limit` behind the first `after`."""
        ...
