"""Signs of life in memory."""

from __future__ import annotations

from clew.core.types.beat import Beat
from clew.store.ledger.memory.tables import Tables

__all__ = ["MemoryBeats"]


class MemoryBeats:
    """`clew.core.contracts.ledger.Beats`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.beats

    def add(self, run: str, project: str, *, at_us: int) -> None:
        before = self._rows.get(run)
        self._rows[run] = Beat(run=run, project=project, count=1 + (before.count if before else 0), at_us=at_us)

    def list(self, project: str) -> list[Beat]:
        return [beat for _, beat in sorted(self._rows.items()) if beat.project == project]

    def remove(self, run: str) -> None:
        self._rows.pop(run, None)
