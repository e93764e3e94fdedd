from __future__ import annotations

from pathlib import Path

import pytest

from clew.core.clock import SystemClock
from clew.core.contracts.stores import Stores
from clew.core.ids import Ids
from clew.data.site import Site
from clew.store.ledger.memory import MemoryLedger
from clew.store.objects import LocalObjects


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    clock = SystemClock()
    return Stores(
        ledger=MemoryLedger(),
        objects=LocalObjects(tmp_path / ".clew" / "objects"),
        clock=clock,
        ids=Ids(clock),
        project="test",
        actor="someone",
        folder=tmp_path / ".clew",
    )


@pytest.fixture
def site(stores: Stores) -> Site:
    return Site.of(stores)
