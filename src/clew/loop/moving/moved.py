"""What a move came to, and the event that says so."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, Corrupt
from clew.core.ids import Digest
from clew.core.types.edge import node
from clew.loop.moving.earlier import MOVED, check_name
from clew.store.ledger.sql.transaction import SqlTransaction
from clew.store.ledger.sqlite import SqliteLedger

__all__ = ["Moved", "Part", "not_as_they_were", "rename", "tell_moved"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One table, or the objects: how many there were here and are there, and the digest of both."""

    what: str
    here: int
    there: int
    digest: Digest = Digest("")


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What a move came to."""

    parts: list[Part]
    ledger: str = ""
    objects: str = ""


def rename(stores: Stores, tx: SqlTransaction, name: str) -> None:
    """Give the project that moves another name, if one is given.

    Raises:
        Exists: another project here has it.
    """
    if name:
        check_name(tx, stores.project, name)
        tx.rows_of(stores.project).rename(name)


def not_as_they_were(tables: Sequence[str]) -> Corrupt:
    """Rows that were read again are not those that were sent."""
    return Corrupt(f"rows of {', '.join(tables)} did not arrive as they were", hint="repeat the command")


def tell_moved(stores: Stores, tx: Transaction, *, ledger: str, objects: str) -> None:
    """Say in the transaction of a move where rows and bytes go, unless other projects would lose their ledger.

    What happened before is sealed, so that the chain at the target can be held against the one that comes.

    Raises:
        Corrupt: the chain cannot be added to.
        Conflict: the file of the ledger, which takes no writes afterwards, has other projects.
    """
    others = [each.name for each in tx.projects.list() if each.id != stores.project]
    if others and isinstance(stores.ledger, SqliteLedger):
        raise Conflict(
            f"{', '.join(others[:5])} would be left behind in the ledger of this folder",
            hint="projects that share a file with others do not move",
        )
    while tx.events.seal(stores.project):
        pass
    stores.tell(tx, MOVED, node("project", stores.project), {"ledger": ledger, "objects": objects})
