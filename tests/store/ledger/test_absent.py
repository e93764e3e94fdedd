"""What is not there: `get` raises with the kind and the id, in every ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clew.core.contracts.ledger import Ledger
from clew.core.errors import NotFound
from clew.store.ledger.memory import MemoryLedger
from clew.store.ledger.sqlite import SqliteLedger
from clew.testing.ledger.examples import a_run


@pytest.fixture(params=["memory", "sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    ledger = MemoryLedger() if request.param == "memory" else SqliteLedger(tmp_path / "l")
    yield ledger
    if isinstance(ledger, SqliteLedger):
        ledger.close()


@pytest.mark.parametrize(
    ("kind", "ask"),
    [
        ("run", lambda tx: tx.runs.get("x")),
        ("run", lambda tx: tx.runs.put(a_run("x"))),
        ("model version", lambda tx: tx.models.version("x")),
        ("trial", lambda tx: tx.trials.get("x")),
        ("job", lambda tx: tx.jobs.get("x")),
        ("dataset version", lambda tx: tx.datasets.version("x")),
        ("artifact", lambda tx: tx.artifacts.get("x", "a.txt")),
        ("endpoint", lambda tx: tx.endpoints.get("x")),
    ],
)
def test_what_is_not_there_is_named(ledger: Ledger, kind: str, ask: Callable[[Any], object]) -> None:
    with pytest.raises(NotFound) as caught, ledger.write() as tx:
        ask(tx)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "ask",
    [
        lambda tx: tx.models.find_version("m", 1),
        lambda tx: tx.windows.find("e", "v", 0),
        lambda tx: next(iter(tx.steps.newest("p", "step")), None),
        lambda tx: next(iter(tx.steps.of_run("x")), None),
        lambda tx: next(iter(tx.jobs.list("p")), None),
        lambda tx: next(iter(tx.trials.list("e")), None),
    ],
)
def test_what_is_looked_for_may_be_absent(ledger: Ledger, ask: Callable[[Any], object]) -> None:
    with ledger.read() as tx:
        assert ask(tx) is None
