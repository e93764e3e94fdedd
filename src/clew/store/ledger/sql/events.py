"""Events in SQL."""

from __future__ import annotations

from clew.core.paging import Page
from clew.core.types.event import Event
from clew.store.ledger.sql.connection import Connection, Document

__all__ = ["SqlEvents"]

_event = Document(Event)


class SqlEvents:
    """`clew.core.contracts.ledger.Events`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def add(self, event: Event) -> None:
        self._c.change(
            "INSERT INTO events (id, project, kind, subject, document) VALUES (?, ?, ?, ?, ?)",
            (event.id, event.project, event.kind, event.subject, _event.text(event)),
        )

    def list(
        self, project: str, *, subject: str = "", kind: str = "", limit: int = 100, after: str = ""
    ) -> Page[Event]:
        limits: list[tuple[str, list[object]]] = []
        if subject:
            limits.append((" AND subject = ?", [subject]))
        if kind:
            limits.append((" AND (kind = ? OR (kind >= ? AND kind < ?))", [kind, f"{kind}.", f"{kind}/"]))
        if after:
            limits.append((" AND id < ?", [after]))
        where = "".join(clause for clause, _ in limits)
        params = [value for _, values in limits for value in values]
        sql = f"SELECT document FROM events WHERE project = ?{where} ORDER BY id DESC LIMIT {int(limit) + 1}"
        events = _event.all(self._c.rows(sql, [project, *params]))
        return Page(items=events[:limit], next=events[limit - 1].id if len(events) > limit else "")

    def count(self, project: str) -> int:
        return int(self._c.rows("SELECT COUNT(*) FROM events WHERE project = ?", (project,))[0][0])
