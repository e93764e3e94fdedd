"""The record of everything that changed, and its chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clew.core.paging import Page
from clew.core.types.event import ChainTail, Event, SealedEvent

__all__ = ["Events"]


class Events(Protocol):
    """The record of everything that changed."""

    def add(self, event: Event) -> None: ...
    def first_project(self) -> str:
        """The project of the event that arrived before all others; "" where there is none."""
        ...

    def count(self, project: str) -> int: ...
    def seal(self, project: str, *, limit: int = 1000) -> int:
        """Put up to `limit` events that wait into the chain, in the order in which they arrived.

        Returns how many that were. Call it in a block `within="chain:PROJECT"`, so that sealers queue and the chain
        never forks. An event that becomes visible late is sealed late and never left out. `Corrupt` when there are
        events behind the tail.
        """
        ...

    def tail(self, project: str) -> ChainTail:
        """The end of the chain."""
        ...

    def sealed(self, project: str, *, after: int = 0, limit: int = 1000) -> list[SealedEvent]:
        """Events of the chain behind the position `after`, in order."""
        ...

    def waiting(self, project: str, *, limit: int = 1000) -> list[Event]:
        """Events that are not in the chain yet, in the order in which they arrived."""
        ...

    def positions(self, project: str, ids: Sequence[str]) -> dict[str, int]:
        """The sequence numbers of events of a project, by id; those that wait are left out."""
        ...

    def list(
        self, project: str, *, subject: str = "", kind: str = "", limit: int = 100, after: str = ""
    ) -> Page[Event]:
        """Newest first, in the order in which they arrived; `kind` is a whole kind or its noun, `subject` a node or the
        beginning of one.

        `after` is the id of an event; behind one that is not there comes nothing.
        """
        ...
