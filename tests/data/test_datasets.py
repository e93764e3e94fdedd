from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from clew.core.contracts.ledger import Ledger
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, Invalid, NotFound
from clew.core.ids import Digest
from clew.core.types.dataset import DatasetKind, DatasetVersion
from clew.core.types.edge import Role
from clew.data.datasets import LedgerDatasets
from clew.store.ledger.memory import MemoryLedger
from clew.store.ledger.sqlite import SqliteLedger


@pytest.fixture(params=["memory", "sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    ledger: Ledger = MemoryLedger() if request.param == "memory" else SqliteLedger(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


@pytest.fixture
def datasets(stores: Stores, ledger: Ledger) -> LedgerDatasets:
    import dataclasses

    return LedgerDatasets(dataclasses.replace(stores, ledger=ledger))


def version(datasets: LedgerDatasets, number: int, content: bytes, **changes: object) -> DatasetVersion:
    stores = datasets._stores
    digest = stores.objects.put(content)
    plain = DatasetVersion(
        id=stores.ids(),
        dataset=stores.ids(),
        name="flights",
        kind=DatasetKind.FILES,
        number=number,
        digest=digest,
        manifest=digest,
        rows=1,
        size_bytes=len(content),
        created_us=stores.clock.now_us(),
        created_by="someone",
    )
    return msgspec.structs.replace(plain, **changes)


def test_the_first_commit_makes_the_dataset(datasets: LedgerDatasets) -> None:
    assert datasets.find("flights") is None
    first = datasets.commit(version(datasets, 1, b"one"))
    found = datasets.find("flights")
    assert found is not None
    assert found.id == first.dataset
    assert datasets.list() == [found]
    second = datasets.commit(version(datasets, 2, b"two"))
    assert second.dataset == first.dataset
    assert datasets.resolve("flights@2") == second
    assert [v.number for v in datasets.versions("flights").items] == [2, 1]


def test_the_same_content_is_no_new_version(datasets: LedgerDatasets) -> None:
    first = datasets.commit(version(datasets, 1, b"one"))
    assert datasets.commit(version(datasets, 2, b"one")) == first
    datasets.commit(version(datasets, 2, b"two"))
    assert datasets.commit(version(datasets, 3, b"one")).number == 3


def test_the_second_of_two_writers_is_told(datasets: LedgerDatasets) -> None:
    datasets.commit(version(datasets, 1, b"one"))
    with pytest.raises(Conflict):
        datasets.commit(version(datasets, 1, b"two"))
    with pytest.raises(Conflict):
        datasets.commit(version(datasets, 3, b"two"))


def test_a_dataset_keeps_its_kind(datasets: LedgerDatasets) -> None:
    datasets.commit(version(datasets, 1, b"one"))
    with pytest.raises(Invalid, match="holds files"):
        datasets.commit(version(datasets, 2, b"two", kind=DatasetKind.TABLE))


def test_what_is_not_stored_or_badly_named_is_refused(datasets: LedgerDatasets) -> None:
    with pytest.raises(Invalid, match="not stored"):
        datasets.commit(version(datasets, 1, b"one", manifest=Digest("0" * 64)))
    with pytest.raises(Invalid):
        datasets.commit(version(datasets, 1, b"one", name="a/b"))
    assert datasets.list() == []
    with pytest.raises(NotFound):
        datasets.versions("flights")


def test_lineage_and_an_event_come_with_the_version(datasets: LedgerDatasets) -> None:
    added = datasets.commit(version(datasets, 1, b"one", run="r1"), parents=["data:raw"])
    with datasets._stores.ledger.read() as tx:
        edges = {(edge.source, edge.role, edge.run) for edge in tx.edges.up(f"data:{added.id}")}
        (event,) = tx.events.list("test").items
    assert edges == {("data:raw", Role.INPUT, "r1"), ("run:r1", Role.OUTPUT, "r1")}
    assert (event.kind, event.subject, event.actor) == ("version.added", f"data:{added.id}", "someone")
    assert event.facts["reference"] == "flights@1"
    datasets.commit(version(datasets, 2, b"one", run="r2"))
    with datasets._stores.ledger.read() as tx:
        assert "run:r2" in {edge.source for edge in tx.edges.up(f"data:{added.id}")}
        assert len(tx.events.list("test").items) == 1
