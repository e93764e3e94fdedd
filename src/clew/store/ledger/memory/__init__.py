"""The ledger in memory: for tests, and as the oracle of the SQL ledgers, with which it shares no code."""

from __future__ import annotations

from clew.store.ledger.memory.ledger import MemoryLedger

__all__ = ["MemoryLedger"]
