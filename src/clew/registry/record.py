"""The events of models: one for each version, approval, move and refusal, in the transaction that makes it true."""

from __future__ import annotations

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.types.edge import node
from clew.core.types.event import Event
from clew.core.types.model import ModelVersion

__all__ = ["ADDED", "APPROVED", "MOVED", "REFUSED", "record"]

ADDED, APPROVED = "version.added", "version.approved"
MOVED, REFUSED = "alias.moved", "alias.refused"


def record(stores: Stores, tx: Transaction, kind: str, version: ModelVersion, facts: dict[str, object]) -> None:
    """Add an event about a version."""
    tx.events.add(
        Event(
            id=stores.ids(),
            project=stores.project,
            at_us=stores.clock.now_us(),
            actor=stores.actor,
            kind=kind,
            subject=node("model", version.id),
            facts=facts,
        )
    )
