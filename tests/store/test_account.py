"""Digests of rows: of what differs from the defaults, alike on every database, and of every byte of a series."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from clew.core.types.dataset import Dataset, DatasetKind
from clew.core.types.run import Artifact, Experiment
from clew.store.account import account_of_run, append_batches, artifacts_digest, row_digest, series_digests
from clew.store.ledger.memory import MemoryLedger
from clew.testing.ledger.examples import NO_DIGEST, a_batch, a_block, a_run
from clew.testing.project import open_stores


class Older(msgspec.Struct):
    a: int
    b: int = 1


class Newer(msgspec.Struct):
    a: int
    b: int = 1
    c: list[int] = []
    d: str = "x"


def test_a_field_with_its_default_changes_no_digest() -> None:
    assert row_digest(Older(1)) == row_digest(Newer(1)) == row_digest(Newer(1, c=[], d="x"))
    changed = [Older(2), Older(1, b=2), Newer(1, c=[1]), Newer(1, d="y"), Newer(1, b=2, d="y")]
    assert len({row_digest(row) for row in [*changed, Older(1)]}) == len(changed) + 1


def digests_after(*values: float, key: str = "loss") -> dict[str, str]:
    ledger = MemoryLedger()
    with ledger.write() as tx:
        for at, value in enumerate(values):
            tx.series.append([a_block(f"s{at:04}", value, step=at, time_us=at + 1, key=key)])
        return dict(series_digests(tx, "r"))


def test_the_digest_of_a_series_is_of_all_its_blocks() -> None:
    values = [float(at) for at in range(130)]
    whole = digests_after(*values)
    assert whole == digests_after(*values)
    for at in (0, 63, 64, 129):
        assert digests_after(*values[:at], -1.0, *values[at + 1 :]) != whole
    assert digests_after(*values[:129]) != whole
    assert list(digests_after(1.0, key="acc")) == ["acc"]


def test_every_nan_is_one_nan() -> None:
    odd = -math.nan
    assert digests_after(math.nan) == digests_after(odd) != digests_after(0.0)
    assert digests_after(1) == digests_after(1.0)


def test_batches_are_told_of_once(tmp_path: Path) -> None:
    stores = open_stores(tmp_path)
    with stores.ledger.write() as tx:
        for name in ("log", "other"):
            tx.datasets.add(Dataset(id=name, project="p", name=name, kind=DatasetKind.LOG, created_us=1))
        batches = [a_batch("j@0"), a_batch("j@9"), msgspec.structs.replace(a_batch("k@0"), dataset="other")]
        added = append_batches(stores, tx, batches)
        assert append_batches(stores, tx, batches) == []
    assert [(batch.dataset, batch.position) for batch in added] == [("log", 1), ("log", 2), ("other", 1)]
    with stores.ledger.read() as tx:
        told = tx.events.list("p").items
    assert {(event.kind, event.subject, event.facts["first"], len(event.facts["rows"])) for event in told} == {
        ("log.appended", "dataset:log", 1, 2),
        ("log.appended", "dataset:other", 1, 1),
    }
    [log] = [event for event in told if event.subject == "dataset:log"]
    assert log.facts["rows"] == [row_digest(batch) for batch in added[:2]]
    stores.ledger.close()


def test_a_run_accounts_for_its_row_its_series_and_its_files(tmp_path: Path) -> None:
    stores = open_stores(tmp_path)
    with stores.ledger.write() as tx:
        tx.experiments.add(Experiment(id="e", project="p", name="e", created_us=1))
        run = a_run("r")
        tx.runs.add(run)
        assert artifacts_digest(tx, "r") == ""
        assert account_of_run(tx, run) == {"row": row_digest(run), "series": {}, "artifacts": ""}
        tx.series.append([a_block("s", 1.0)])
        tx.artifacts.put(
            Artifact(run="r", path="a.txt", digest=NO_DIGEST, size_bytes=1, media_type="text/plain", created_us=1)
        )
        told = account_of_run(tx, run)
    assert list(told["series"]) == ["loss"]
    assert len(str(told["artifacts"])) == 64
    stores.ledger.close()
