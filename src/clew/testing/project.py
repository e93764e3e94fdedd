"""A project wired by hand, for tests of capabilities that take `Stores`."""

from __future__ import annotations

from pathlib import Path

from clew.core.clock import Clock, SystemClock
from clew.core.contracts.stores import Stores
from clew.core.ids import Ids
from clew.store.ledger.sqlite import SqliteLedger
from clew.store.objects.local import LocalObjects

__all__ = ["open_stores"]


def open_stores(folder: Path, *, clock: Clock | None = None, actor: str = "ann") -> Stores:
    """Stores in a folder, as an embedded project has them: a SQLite ledger and local objects.

    Args:
        folder: made when it is missing.
        clock: the machine's when None.
        actor: who acts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clock = clock or SystemClock()
    return Stores(
        ledger=SqliteLedger(folder / "ledger.db"),
        objects=LocalObjects(folder / "objects"),
        clock=clock,
        ids=Ids(clock),
        project="p",
        actor=actor,
        folder=folder,
    )
