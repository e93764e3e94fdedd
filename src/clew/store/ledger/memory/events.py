"""Events and their chain in memory."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clew.core.paging import Page
from clew.core.types.event import ChainTail, Event, SealedEvent, chain_hash
from clew.store.ledger.memory.tables import Tables

__all__ = ["MemoryEvents"]


class MemoryEvents:
    """`clew.core.contracts.ledger.Events`."""

    def __init__(self, tables: Tables) -> None:
        self._rows, self._waiting, self._chain = tables.events, tables.waiting, tables.chain

    def add(self, event: Event) -> None:
        self._rows[event.id] = self._waiting[event.id] = event

    def first_project(self) -> str:
        return next((event.project for event in self._rows.values()), "")

    def count(self, project: str) -> int:
        return sum(event.project == project for event in self._rows.values())

    def seal(self, project: str, *, limit: int = 1000) -> int:
        found = self.waiting(project, limit=limit)
        for event in found:
            before, document = self.tail(project), msgspec.json.encode(event).decode()
            position = before.position + 1
            self._chain[project, position] = SealedEvent(
                position=position,
                hash=chain_hash(position, before.hash, document),
                id=event.id,
                project=project,
                kind=event.kind,
                subject=event.subject,
                document=document,
            )
            del self._waiting[event.id]
        return len(found)

    def tail(self, project: str) -> ChainTail:
        last = max((position for owner, position in self._chain if owner == project), default=0)
        return ChainTail(last, self._chain[project, last].hash) if last else ChainTail()

    def sealed(self, project: str, *, after: int = 0, limit: int = 1000) -> list[SealedEvent]:
        found = [event for event in self._chain.values() if event.project == project and event.position > after]
        return sorted(found, key=lambda event: event.position)[:limit]

    def waiting(self, project: str, *, limit: int = 1000) -> list[Event]:
        return [event for event in self._waiting.values() if event.project == project][:limit]

    def positions(self, project: str, ids: Sequence[str]) -> dict[str, int]:
        chained = (event for event in self._chain.values() if event.project == project)
        return {event.id: event.position for event in chained if event.id in ids}

    def list(
        self, project: str, *, subject: str = "", kind: str = "", limit: int = 100, after: str = ""
    ) -> Page[Event]:
        newest_first = list(reversed(self._rows.values()))
        behind = next((at for at, event in enumerate(newest_first, 1) if event.id == after), len(newest_first))
        found = [
            event
            for event in (newest_first[behind:] if after else newest_first)
            if event.project == project
            and event.subject.startswith(subject)
            and (not kind or event.kind == kind or event.kind.startswith(f"{kind}."))
        ]
        return Page(items=found[:limit], next=found[limit - 1].id if len(found) > limit else "")
