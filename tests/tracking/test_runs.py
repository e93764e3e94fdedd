"""The run service over a ledger, and what it leaves in events and lineage."""

from __future__ import annotations

import pytest

from clew.core.contracts.services import RunService
from clew.core.contracts.stores import Stores
from clew.core.types.edge import Role
from clew.core.types.run import RunStatus
from clew.testing.runs import ONE, RunServiceContract, a_run
from clew.tracking.runs import LedgerRuns


class TestLedgerRuns(RunServiceContract):
    @pytest.fixture
    def service(self, stores: Stores) -> RunService:
        return LedgerRuns(stores)


def test_every_change_is_an_event_and_a_repeated_call_is_none(stores: Stores) -> None:
    service = LedgerRuns(stores)
    for _ in range(2):
        service.create(a_run(), experiment="e")
        service.describe(ONE, params={"a": 1}, tags={"t": "x"})
        service.link(ONE, "data:x", Role.INPUT)
        service.link(ONE, "model:y", Role.OUTPUT)
    for _ in range(2):
        service.finish(ONE, RunStatus.FINISHED, ended_us=5)
    with stores.ledger.read() as tx:
        events = tx.events.list("p", subject=f"run:{ONE}").items
        up, down = tx.edges.up(f"run:{ONE}"), tx.edges.down(f"run:{ONE}")
    assert [e.kind for e in reversed(events)] == [
        "run.created",
        "run.described",
        "run.linked",
        "run.linked",
        "run.ended",
    ]
    assert events[-2].facts == {"params": {"a": 1}, "tags": {"t": "x"}}
    assert {e.actor for e in events} == {"ann"}
    assert [(e.source, e.target, e.role) for e in up] == [("data:x", f"run:{ONE}", Role.INPUT)]
    assert [(e.source, e.target, e.role) for e in down] == [(f"run:{ONE}", "model:y", Role.OUTPUT)]
