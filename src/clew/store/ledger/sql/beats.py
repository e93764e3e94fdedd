"""Signs of life in SQL."""

from __future__ import annotations

from clew.core.types.beat import Beat
from clew.store.ledger.sql.connection import Connection

__all__ = ["SqlBeats"]


class SqlBeats:
    """`clew.core.contracts.ledger.Beats`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def add(self, run: str, project: str, *, at_us: int) -> None:
        self._c.change(
            "INSERT INTO beats (run, project, beats, at_us) VALUES (?, ?, 1, ?) "
            "ON CONFLICT (run) DO UPDATE SET beats = beats.beats + 1, at_us = excluded.at_us",
            (run, project, at_us),
        )

    def list(self, project: str) -> list[Beat]:
        rows = self._c.rows("SELECT run, project, beats, at_us FROM beats WHERE project = ? ORDER BY run", (project,))
        return [Beat(run=str(run), project=str(of), count=int(count), at_us=int(at)) for run, of, count, at in rows]

    def remove(self, run: str) -> None:
        self._c.change("DELETE FROM beats WHERE run = ?", (run,))
