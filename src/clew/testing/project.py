"""A project wired by hand, for tests of capabilities that take `Stores`."""

from __future__ import annotations

import os
from pathlib import Path

from clew.core.clock import Clock, SystemClock
from clew.core.contracts.ledger import Ledger
from clew.core.contracts.stores import Stores
from clew.core.ids import Ids
from clew.settings import SQLITE
from clew.store.ledger.postgres import PostgresLedger
from clew.store.ledger.sqlite import SqliteLedger
from clew.store.objects.local import LocalObjects

__all__ = ["open_stores"]


def open_stores(folder: Path, *, clock: Clock | None = None, actor: str = "ann") -> Stores:
    """Stores in a folder, as an embedded project has them: local objects, and the ledger that `CLEW_LEDGER` names.

    Args:
        folder: made when it is missing.
        clock: the machine's when None.
        actor: who acts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clock = clock or SystemClock()
    return Stores(
        ledger=_open_ledger(folder / "ledger.db", os.environ.get("CLEW_LEDGER") or SQLITE),
        objects=LocalObjects(folder / "objects"),
        clock=clock,
        ids=Ids(clock),
        project="p",
        actor=actor,
        folder=folder,
    )


def _open_ledger(file: Path, place: str) -> Ledger:
    return SqliteLedger(file) if place == SQLITE else PostgresLedger(place, project="p")
