from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.core.contracts.accounts import AccountService
from clew.core.types.project import Project
from clew.policy.accounts import LedgerAccounts
from clew.testing.accounts import AccountServiceContract
from clew.testing.project import open_stores


class TestLedgerAccounts(AccountServiceContract):
    @pytest.fixture
    def accounts(self, tmp_path: Path) -> Iterator[AccountService]:
        stores = open_stores(tmp_path)
        with stores.ledger.write() as tx:
            tx.projects.add(Project(id=stores.project, name="late", created_us=1))
        yield LedgerAccounts(stores)
        stores.ledger.close()
