"""Every ledger passes the suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.core.contracts.ledger import Ledger
from clew.store.ledger.memory import MemoryLedger
from clew.store.ledger.postgres import PostgresLedger
from clew.store.ledger.sqlite import SqliteLedger
from clew.store.ledger.synced import SyncedLedger
from clew.testing.ledger import LedgerContract


class TestMemory(LedgerContract):
    @pytest.fixture
    def ledger(self) -> Iterator[Ledger]:
        ledger = MemoryLedger()
        yield ledger
        ledger.close()


class TestSqlite(LedgerContract):
    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Iterator[Ledger]:
        ledger = SqliteLedger(tmp_path / "ledger.db")
        yield ledger
        ledger.close()


class TestSynced(LedgerContract):
    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Iterator[Ledger]:
        ledger = SyncedLedger(SqliteLedger(tmp_path / "ledger.db"))
        yield ledger
        ledger.close()


class TestPostgres(LedgerContract):
    @pytest.fixture
    def ledger(self, postgres_url: str) -> Iterator[Ledger]:
        ledger = PostgresLedger(postgres_url)
        yield ledger
        ledger.close()
