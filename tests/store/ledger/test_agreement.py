"""A row that says one thing to who looks it up and another to who reads it is found, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.core.contracts.ledger import Ledger
from clew.store.ledger.postgres import PostgresLedger
from clew.store.ledger.sql import connection
from clew.store.ledger.sqlite import SqliteLedger
from clew.testing.ledger.examples import a_batch, a_dataset, a_job, a_model_version, a_run, a_version, a_window


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "sqlite":
        opened: Ledger = SqliteLedger(tmp_path / "ledger.db")
    else:
        opened = PostgresLedger(request.getfixturevalue("postgres_url"))
    with opened.write() as tx:
        tx.datasets.add(a_dataset())
        for number in (1, 2, 3):
            tx.datasets.add_version(a_version(number))
            tx.models.add_version(a_model_version(number))
            tx.runs.add(a_run(f"r{number}"))
            tx.windows.put(a_window(number))
        tx.logs.append([a_batch(f"j@{number}") for number in range(5)])
        tx.jobs.queue(a_job("1"))
    yield opened
    opened.close()


def edit(ledger: Ledger, sql: str) -> list[tuple[str, str]]:
    with ledger.write() as tx:
        tx._c.change(sql)  # type: ignore[attr-defined]
    with ledger.read() as tx:
        return list(tx.disagreements())


def test_rows_as_clew_writes_them_agree(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_MOST_ROWS", 2)
    with ledger.read() as tx:
        assert list(tx.disagreements()) == []


def test_an_edited_column_is_named(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_MOST_ROWS", 2)
    assert edit(ledger, "UPDATE log_batches SET time_high_us = 8 WHERE position = 5") == [
        ("log_batches log/5", "its column time_high_us holds 8, and its document says 9")
    ]
    assert [row for row, _ in edit(ledger, "UPDATE runs SET status = 'failed' WHERE id = 'r3'")][1:] == ["runs r3"]


def test_a_document_that_is_none_is_named(ledger: Ledger) -> None:
    [(row, what)] = edit(ledger, "UPDATE model_versions SET document = '{' WHERE number = 2")
    assert row == "model_versions m/2"
    assert what.startswith("its document is no JSON")
    assert [what for _, what in edit(ledger, "UPDATE model_versions SET document = '[]' WHERE number = 2")] == [
        "its document is no object"
    ]
