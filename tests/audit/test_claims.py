"""What events say of rows: what came late, what nobody claims, and what is older than claims."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from clew.audit.problem import Found
from clew.audit.seal import seal
from clew.audit.verify import verify
from clew.core.contracts.stores import Stores
from clew.core.types.dataset import Dataset, DatasetKind
from clew.core.types.model import Model
from clew.core.types.run import RunStatus
from clew.store.account import append_batches, row_digest
from clew.testing.ledger.examples import a_batch, a_block, a_model_version, a_run
from clew.testing.project import open_stores
from clew.tracking.runs import LedgerRuns


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    opened = open_stores(tmp_path / "project")
    yield opened
    opened.ledger.close()


def wrong(stores: Stores) -> dict[str, Found]:
    seal(stores)
    return {problem.row: problem.found for problem in verify(stores).problems}


def test_points_that_come_after_the_end_are_accounted_for(stores: Stores) -> None:
    runs = LedgerRuns(stores)
    runs.create(a_run("r"), experiment="e")
    runs.append([a_block("j@1", 1.0)])
    runs.finish("r", RunStatus.FINISHED, ended_us=9)
    runs.append([a_block("j@2", 2.0, step=1), a_block("j@2", 3.0, key="late")])
    runs.append([a_block("j@2", 2.0, step=1)])
    with stores.ledger.read() as tx:
        late = tx.events.list("p", kind="run.points_added").items
    assert [sorted(event.facts["series"]) for event in late] == [["late", "loss"]]  # type: ignore[call-overload]
    assert wrong(stores) == {}
    with stores.ledger.write() as tx:
        tx.series.append([a_block("by hand", 9.0)])
    assert wrong(stores) == {"series loss of run:r": Found.ROW}


def test_the_last_claim_on_a_row_holds(stores: Stores) -> None:
    version = a_model_version(1)
    with stores.ledger.write() as tx:
        tx.models.add(Model(id="m", project="p", name="delay", created_us=1))
        tx.models.add_version(version)
        facts = {"reference": "delay@1"}
        before = msgspec.structs.replace(version, message="as it was once")
        stores.tell(tx, "version.added", f"model:{version.id}", {**facts, "row": row_digest(before)})
    assert wrong(stores) == {f"model:{version.id}": Found.ROW}
    with stores.ledger.write() as tx:
        stores.tell(tx, "version.added", f"model:{version.id}", {**facts, "row": row_digest(version)})
    assert wrong(stores) == {}


def test_rows_that_no_event_tells_of_are_named(stores: Stores) -> None:
    with stores.ledger.write() as tx:
        tx.models.add(Model(id="m", project="p", name="delay", created_us=1))
        tx.models.add_version(a_model_version(1))
        tx.datasets.add(Dataset(id="log", project="p", name="seen", kind=DatasetKind.LOG, created_us=1))
        append_batches(stores, tx, [a_batch("j/1@0")])
        tx.logs.append([a_batch("j/1@9")])
    assert wrong(stores) == {"version 1 of delay": Found.UNCLAIMED, "batch 2 of seen": Found.UNCLAIMED}


def test_rows_from_before_events_said_what_rows_hold_are_counted(stores: Stores) -> None:
    with stores.ledger.write() as tx:
        tx.models.add(Model(id="m", project="p", name="delay", created_us=1))
        tx.models.add_version(a_model_version(1))
        stores.tell(tx, "version.added", "model:v1", {"reference": "delay@1"})
    seal(stores)
    found = verify(stores)
    assert found.holds
    assert found.unknown[0].startswith("1 row made before events said what rows hold")
