"""The ledger in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from clew.core.contracts.ledger import Durability
from clew.core.types.edge import Node
from clew.store.ledger.memory.tables import Tables
from clew.store.ledger.memory.transaction import MemoryTransaction

__all__ = ["MemoryLedger"]


class MemoryLedger:
    """`clew.core.contracts.ledger.Ledger` without a file; gone with the process."""

    def __init__(self) -> None:
        self._tables = Tables()
        self._writer = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[MemoryTransaction]:
        yield MemoryTransaction(self._tables.view())

    @contextmanager
    def write(
        self,
        durability: Durability = Durability.POWER,  # noqa: ARG002
        *,
        within: Node | tuple[Node, ...] = "",  # noqa: ARG002
    ) -> Iterator[MemoryTransaction]:
        with self._writer:
            working = self._tables.copy()
            yield MemoryTransaction(working)
            self._tables = working

    def close(self) -> None:
        """Nothing to let go of."""
