"""Runs and logged models that a place holds in another project, before the project that has them too moves there.

Imports keep ids, and a ledger has each of them once. Asked before anything is sent; what comes there meanwhile is found
when the rows are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from clew.core.contracts.ledger import Transaction
from clew.core.errors import Conflict
from clew.store.ledger.sql.transaction import SqlTransaction

__all__ = ["elsewhere", "kept_ids", "refuse_elsewhere"]

_KEPT = ("runs", "logged_models")
"""The tables whose ids an import keeps."""


def kept_ids(tx: Transaction, project: str) -> list[str]:
    """The ids of a project that another one may have."""
    assert isinstance(tx, SqlTransaction)
    rows = tx.rows_of(project)
    return [each for table in _KEPT for each in rows.ids(table)]


def elsewhere(tx: Transaction, project: str, ids: Sequence[str]) -> dict[str, int]:
    """How many of these ids other projects of the ledger have, by the name of the project."""
    assert isinstance(tx, SqlTransaction)
    rows, names = tx.rows_of(project), {each.id: each.name for each in tx.projects.list()}
    return dict(Counter(names.get(owner, owner) for table in _KEPT for owner in rows.owners(table, ids)))


def refuse_elsewhere(found: Mapping[str, int]) -> None:
    """Refuse to move what other projects of the target have.

    Raises:
        Conflict: they have some.
    """
    if found:
        names = ", ".join(repr(name) for name in sorted(found))
        raise Conflict(
            f"of the runs and logged models of this project, {sum(found.values()):,} are in {names} at the target",
            hint="they were imported into both and keep their ids, which a ledger has once: go on with the one there",
        )
