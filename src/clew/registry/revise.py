"""Changes of versions behind their making: words, tags, stage, name, and their end. Each claims the row anew.

What a version is made of never changes: package, run and number stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.paging import items_of
from clew.core.types.edge import Edge, Role, node
from clew.core.types.model import Model, ModelVersion
from clew.core.types.package import DataReference
from clew.store.account import row_digest

__all__ = ["add_version", "describe_version", "retitle"]

_TOLD = ("message", "tags", "stage", "name")


def add_version(stores: Stores, tx: Transaction, version: ModelVersion, data: Sequence[DataReference] = ()) -> None:
    """Add a version whose package, if it has one, is stored; with the lineage from its run, and from data."""
    tx.models.add_version(version)
    target = node("model", version.id)
    makers = (("run", version.run), ("logged", version.logged))
    sources = [(node(kind, maker), Role.OUTPUT) for kind, maker in makers if maker]
    for used in data:
        role = Role.EVALUATION if used.role == Role.EVALUATION.value else Role.INPUT
        sources.append((node("data", used.version), role))
    tx.edges.add(
        [
            Edge(source=source, target=target, role=role, run=version.run, at_us=version.created_us)
            for source, role in sources
        ]
    )
    facts: dict[str, object] = {"reference": version.reference, "package": version.package, "run": version.run}
    facts |= {"unsafe": version.unsafe, "message": version.message, "row": row_digest(version)}
    stores.tell(tx, "version.added", target, facts)


def describe_version(
    stores: Stores,
    tx: Transaction,
    before: ModelVersion,
    after: ModelVersion,
    *,
    touched: bool = True,
    always: bool = False,
) -> ModelVersion:
    """Replace a version by what it has become, and tell what changed.

    Args:
        stores: the project's stores.
        tx: the transaction.
        before: as it was.
        after: as it is to be.
        touched: whether this counts as its last change.
        always: whether to do so when nothing else changed.
    """
    if after == before and not always:
        return after
    if touched:
        after = msgspec.structs.replace(after, updated_us=stores.clock.now_us())
    tx.models.put_version(after)
    facts = {name: getattr(after, name) for name in _TOLD if getattr(after, name) != getattr(before, name)}
    facts |= {"reference": after.reference, "row": row_digest(after)}
    gone = after.deleted_us and not before.deleted_us
    stores.tell(tx, "version.deleted" if gone else "version.described", node("model", after.id), facts)
    return after


def retitle(stores: Stores, tx: Transaction, model: Model, was: str) -> None:
    """Give the versions of a model its new name."""
    for version in items_of(partial(tx.models.versions, model.id, limit=1000)):
        if version.name == was:
            describe_version(stores, tx, version, msgspec.structs.replace(version, name=model.name))
