"""Services over stores pass the suite that those over HTTP pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.core.contracts.services import Services
from clew.core.contracts.stores import Stores
from clew.loop.in_place import InPlace
from clew.settings import Settings
from clew.testing.project import open_stores
from clew.testing.services import ServicesContract


class TestInPlace(ServicesContract):
    @pytest.fixture
    def project(self, tmp_path: Path) -> Iterator[Services]:
        stores = open_stores(tmp_path / ".clew")
        yield InPlace(stores, Settings())
        stores.ledger.close()

    @pytest.fixture
    def behind(self, project: InPlace) -> Stores:
        return project.stores
