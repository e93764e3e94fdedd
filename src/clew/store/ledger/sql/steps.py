"""The step cache and the steps of runs in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from clew.core.ids import Digest
from clew.core.types.step import StepEntry, StepRun
from clew.store.ledger.sql.connection import Connection, Document

__all__ = ["SqlSteps"]

_entry = Document(StepEntry)
_step = Document(StepRun)


class SqlSteps:
    """`clew.core.contracts.ledger.Steps`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def find(self, project: str, key: Digest) -> StepEntry | None:
        sql = "SELECT document FROM step_entries WHERE project = ? AND key = ?"
        return _entry.one(self._c.rows(sql, (project, key)))

    def put(self, entries: Sequence[StepEntry]) -> None:
        self._c.change_many(
            "INSERT INTO step_entries (project, key, step, created_us, document) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (
                (entry.project, entry.key, entry.step, entry.created_us, _entry.text(entry))
                for entry in sorted(
                    entries, key=lambda entry: entry.key
                )  # two runs that add the same never lock crosswise
            ),
        )

    def newest(self, project: str, step: str, *, limit: int = 10) -> list[StepEntry]:
        sql = (
            "SELECT document FROM step_entries WHERE project = ? AND step = ? "
            f"ORDER BY created_us DESC, key LIMIT {int(limit)}"
        )
        return _entry.all(self._c.rows(sql, (project, step)))

    def forget(self, run: str) -> None:
        self._c.change("DELETE FROM step_runs WHERE run = ?", (run,))

    def record(self, steps: Sequence[StepRun]) -> None:
        self._c.change_many(
            "INSERT INTO step_runs (run, position, document) VALUES (?, ?, ?) "
            "ON CONFLICT (run, position) DO UPDATE SET document = excluded.document",
            ((step.run, step.position, _step.text(step)) for step in steps),
        )

    def of_run(self, run: str) -> list[StepRun]:
        return _step.all(self._c.rows("SELECT document FROM step_runs WHERE run = ? ORDER BY position", (run,)))
