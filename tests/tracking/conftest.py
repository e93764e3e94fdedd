"""A project in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.core.contracts.stores import Stores
from clew.testing.project import open_stores


@pytest.fixture
def stores(tmp_path: Path, database: str) -> Iterator[Stores]:
    stores = open_stores(tmp_path / ".clew")
    yield stores
    stores.ledger.close()
