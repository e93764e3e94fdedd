"""A ledger whose every change survives power asks for no less. The suite runs on it in `test_contract`."""

from __future__ import annotations

from contextlib import AbstractContextManager

from clew.core.contracts.ledger import Durability, Transaction
from clew.store.ledger.memory import MemoryLedger
from clew.store.ledger.synced import SyncedLedger


def test_nothing_less_is_promised() -> None:
    asked: list[object] = []

    class Listening(MemoryLedger):
        def write(
            self, durability: Durability = Durability.POWER, *, within: object = ""
        ) -> AbstractContextManager[Transaction]:
            asked.append((durability, within))
            return super().write(durability)

    with SyncedLedger(Listening()).write(Durability.KILL, within="run:1"):
        pass
    assert asked == [(Durability.POWER, "run:1")]
