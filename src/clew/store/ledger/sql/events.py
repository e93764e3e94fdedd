"""Events in SQL, and the chain that the sealer puts them into. Layout and order: docs/design/events.md."""

from __future__ import annotations

from collections.abc import Sequence

from clew.core.errors import Conflict, Corrupt
from clew.core.ids import Digest, is_id
from clew.core.paging import Page
from clew.core.types.event import ChainTail, Event, SealedEvent, chain_hash
from clew.store.ledger.sql.connection import Connection, Document, rows_among

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

    def first_project(self) -> str:
        rows = self._c.rows("SELECT project FROM events ORDER BY arrival LIMIT 1")
        return str(rows[0][0]) if rows else ""

    def count(self, project: str) -> int:
        return int(self._c.rows("SELECT COUNT(*) FROM events WHERE project = ?", (project,))[0][0])

    def seal(self, project: str, *, limit: int = 1000) -> int:
        tail = self.tail(project)
        self._check_end(project, tail)
        waiting = self._waiting(project, limit)
        position, previous = tail.position, tail.hash
        rows: list[tuple[int, str, int]] = []
        for arrival, document in waiting:
            position += 1
            previous = chain_hash(position, previous, document)
            rows.append((position, previous, arrival))
        if rows:
            self._c.change_many("UPDATE events SET position = ?, hash = ? WHERE arrival = ?", rows)
            self._move_tail(project, tail, ChainTail(position, previous))
        return len(rows)

    def _check_end(self, project: str, tail: ChainTail) -> None:
        """Nothing stands behind the tail; where something does, the next number would be taken."""
        last = self._c.rows("SELECT MAX(position) FROM events WHERE project = ?", (project,))[0][0]
        if (last or 0) > tail.position:
            raise Corrupt(
                f"the chain of events ends at {tail.position}, and there is an event {last}", hint="clew audit verify"
            )

    def _move_tail(self, project: str, old: ChainTail, new: ChainTail) -> None:
        moved = self._c.change(
            "INSERT INTO chain_tails (project, position, hash) VALUES (?, ?, ?) "
            "ON CONFLICT (project) DO UPDATE SET position = excluded.position, hash = excluded.hash "
            "WHERE chain_tails.position = ? AND chain_tails.hash = ?",
            (project, new.position, new.hash, old.position, old.hash),
        )
        if not moved:
            raise Conflict("another sealer was faster", hint="nothing is lost: it sealed what there was")

    def tail(self, project: str) -> ChainTail:
        rows = self._c.rows("SELECT position, hash FROM chain_tails WHERE project = ?", (project,))
        return ChainTail(int(rows[0][0]), Digest(rows[0][1])) if rows else ChainTail()

    def sealed(self, project: str, *, after: int = 0, limit: int = 1000) -> list[SealedEvent]:
        sql = (
            "SELECT position, hash, id, kind, subject, document FROM events "
            f"WHERE project = ? AND position > ? ORDER BY position LIMIT {int(limit)}"
        )
        return [
            SealedEvent(
                position=_whole(row[0], row[2]),
                hash=Digest(str(row[1])),
                id=row[2],
                project=project,
                kind=row[3],
                subject=row[4],
                document=str(row[5]),
            )
            for row in self._c.rows(sql, (project, after))
        ]

    def waiting(self, project: str, *, limit: int = 1000) -> list[Event]:
        return [_event.read(document) for _, document in self._waiting(project, limit)]

    def _waiting(self, project: str, limit: int) -> list[tuple[int, str]]:
        sql = (
            "SELECT arrival, document FROM events "
            f"WHERE project = ? AND position IS NULL ORDER BY arrival LIMIT {int(limit)}"
        )
        return [(int(arrival), document) for arrival, document in self._c.rows(sql, (project,))]

    def positions(self, project: str, ids: Sequence[str]) -> dict[str, int]:
        sql = "SELECT id, position FROM events WHERE position > 0 AND project = ? AND id IN ({0})"
        return {row[0]: int(row[1]) for row in rows_among(self._c, sql, ids, before=(project,))}

    def list(
        self, project: str, *, subject: str = "", kind: str = "", limit: int = 100, after: str = ""
    ) -> Page[Event]:
        limits: list[tuple[str, list[object]]] = []
        if subject and is_id(subject.rpartition(":")[2]):
            limits.append((" AND subject = ?", [subject]))
        elif subject:
            limits.append((" AND subject >= ? AND subject < ?", [subject, f"{subject}~"]))
        if kind:
            limits.append((" AND (kind = ? OR (kind >= ? AND kind < ?))", [kind, f"{kind}.", f"{kind}/"]))
        if after:
            limits.append((" AND arrival < (SELECT arrival FROM events WHERE id = ?)", [after]))
        where = "".join(clause for clause, _ in limits)
        params = [value for _, values in limits for value in values]
        sql = f"SELECT document FROM events WHERE project = ?{where} ORDER BY arrival DESC LIMIT {int(limit) + 1}"
        events = _event.all(self._c.rows(sql, [project, *params]))
        return Page(items=events[:limit], next=events[limit - 1].id if len(events) > limit else "")


def _whole(position: object, event: str) -> int:
    """SQLite keeps whatever is written into a column."""
    if not isinstance(position, int):
        raise Corrupt(f"the position of event {event} is {position!r}", hint="somebody has edited the ledger")
    return position
