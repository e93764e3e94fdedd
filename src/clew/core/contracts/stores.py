"""What a capability is given: the two stores, and where time, ids and names come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clew.core.clock import Clock
from clew.core.contracts.objects import Objects
from clew.core.ids import IdSource
from clew.core.types.edge import Node
from clew.core.types.event import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.core.contracts.ledger import Ledger, Transaction

__all__ = ["Stores"]


@dataclass(frozen=True, kw_only=True)
class Stores:
    """One project's stores, as the workspace wires them.

    `ledger` holds rows, `objects` holds bytes: write bytes first, then the row that names them. `folder` is the
    project's `.clew` folder, for state that is neither (journals, sockets). `actor` is who acts, as events name it.
    """

    ledger: Ledger
    objects: Objects
    clock: Clock
    ids: IdSource
    project: str
    actor: str
    folder: Path

    def tell(self, tx: Transaction, kind: str, subject: Node, facts: Mapping[str, object]) -> None:
        """Add an event to the transaction that makes the change.

        Args:
            tx: the transaction.
            kind: `noun.verb`, as docs/reference/events.md has it.
            subject: the node that changed.
            facts: JSON values.
        """
        tx.events.add(
            Event(
                id=self.ids(),
                project=self.project,
                at_us=self.clock.now_us(),
                actor=self.actor,
                kind=kind,
                subject=subject,
                facts=dict(facts),
            )
        )
