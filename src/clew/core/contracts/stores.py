"""What a capability is given: the two stores, and where time, ids and names come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clew.core.clock import Clock
from clew.core.contracts.objects import Objects
from clew.core.ids import IdSource

if TYPE_CHECKING:
    from clew.core.contracts.ledger import Ledger

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
