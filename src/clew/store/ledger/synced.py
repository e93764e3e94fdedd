"""A ledger whose every change survives *power*, for those who forget what was acknowledged: the clients of a server."""

from __future__ import annotations

from contextlib import AbstractContextManager

from clew.core.contracts.ledger import Durability, Ledger, Transaction
from clew.core.types.edge import Node

__all__ = ["SyncedLedger"]


class SyncedLedger:
    """`clew.core.contracts.ledger.Ledger` around another one."""

    def __init__(self, inner: Ledger) -> None:
        self._inner = inner

    def read(self) -> AbstractContextManager[Transaction]:
        return self._inner.read()

    def write(
        self,
        durability: Durability = Durability.POWER,  # noqa: ARG002 - nothing less than this is promised here
        *,
        within: Node | tuple[Node, ...] = "",
    ) -> AbstractContextManager[Transaction]:
        return self._inner.write(Durability.POWER, within=within)

    def close(self) -> None:
        self._inner.close()
