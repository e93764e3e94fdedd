"""Events in place over a ledger: what changed, for those who look. Who chains them: `seal`."""

from __future__ import annotations

import builtins
from collections.abc import Sequence

from clew.core.contracts.stores import Stores
from clew.core.paging import Page, checked_after
from clew.core.types.event import Event, SealedEvent

__all__ = ["LedgerEvents"]

_MOST = 10_000


class LedgerEvents:
    """`clew.core.contracts.services.EventService` over a project's stores."""

    def __init__(self, stores: Stores) -> None:
        self._ledger, self._project = stores.ledger, stores.project

    def list(self, *, kind: str = "", subject: str = "", limit: int = 100, after: str = "") -> Page[Event]:
        """Events, newest first; `kind` is a whole kind or its noun, `subject` a node or the beginning of one."""
        with self._ledger.read() as tx:
            return tx.events.list(
                self._project, kind=kind, subject=subject, limit=min(limit, _MOST), after=checked_after(after)
            )

    def positions(self, ids: Sequence[str]) -> dict[str, int]:
        """The places of events in the chain, by id; those that are not sealed yet are left out."""
        with self._ledger.read() as tx:
            return tx.events.positions(self._project, ids)

    def sealed(self, *, after: int, limit: int = 1000) -> builtins.list[SealedEvent]:
        """Events of the chain behind a position, in order: none is ever put before one that was read."""
        with self._ledger.read() as tx:
            return tx.events.sealed(self._project, after=after, limit=limit)

    def tail(self) -> int:
        """The position of the last sealed event; 0 for none."""
        with self._ledger.read() as tx:
            return tx.events.tail(self._project).position
