"""The run service over a ledger, and what it leaves in events and lineage."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import cast

import pytest

from clew.core.contracts.ledger import Durability, Ledger, Transaction
from clew.core.contracts.services import RunService
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict
from clew.core.hashing import hash_bytes
from clew.core.types.edge import Role
from clew.core.types.run import Artifact, RunStatus
from clew.store.ledger.sql.edges import SqlEdges
from clew.store.ledger.sql.runs import SqlArtifacts
from clew.testing.runs import ONE, RunServiceContract, a_block, a_run
from clew.tracking.runs import LedgerRuns

DATABASES = ["sqlite", "postgresql"]


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


def test_an_artifact_survives_a_loss_of_power_and_costs_the_same_however_many_there_are(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = LedgerRuns(stores)
    service.create(a_run(), experiment="e")
    real, asked = stores.ledger.write, list[Durability]()

    def write(durability: Durability = Durability.POWER, *, within: str = "") -> AbstractContextManager[Transaction]:
        asked.append(durability)
        return real(durability, within=within)

    def read_all(*_: object) -> None:
        raise AssertionError("all artifacts of the run were read")

    monkeypatch.setattr(stores.ledger, "write", write)
    monkeypatch.setattr(SqlArtifacts, "list", read_all)
    artifact = Artifact(
        run=ONE, path="a.txt", digest=hash_bytes(b"a"), size_bytes=1, media_type="text/plain", created_us=1
    )
    for _ in range(2):
        service.add_artifact(artifact)
    assert asked == [Durability.POWER] * 2


def test_a_link_costs_the_same_however_many_there_are(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    def walk(*_: object, **__: object) -> None:
        raise AssertionError("all links of the run were read")

    service = LedgerRuns(stores)
    service.create(a_run(), experiment="e")
    monkeypatch.setattr(SqlEdges, "_walk", walk)
    for _ in range(2):
        service.link(ONE, "data:x", Role.INPUT)
    service.finish(ONE, RunStatus.FINISHED, ended_us=5)
    service.link(ONE, "data:x", Role.INPUT)
    with pytest.raises(Conflict):
        service.link(ONE, "model:y", Role.OUTPUT)
    monkeypatch.undo()
    with stores.ledger.read() as tx:
        assert tx.edges.down(f"run:{ONE}") == []
        assert [event.kind for event in tx.events.list("p").items].count("run.linked") == 1


def test_points_that_come_as_the_run_ends_are_told_behind_its_end(stores: Stores) -> None:
    service = LedgerRuns(stores)
    service.create(a_run(), experiment="e")

    class Late:
        """The ledger, on which somebody else ends the run between a look and the write that follows."""

        read = stores.ledger.read

        def write(
            self, durability: Durability = Durability.POWER, *, within: str = ""
        ) -> AbstractContextManager[Transaction]:
            service.finish(ONE, RunStatus.FINISHED, ended_us=5)
            return stores.ledger.write(durability, within=within)

    LedgerRuns(replace(stores, ledger=cast("Ledger", Late()))).append([a_block("j:0-0")])
    with stores.ledger.read() as tx:
        newest = tx.events.list("p", subject=f"run:{ONE}").items[0]
    assert newest.kind == "run.points_added"
