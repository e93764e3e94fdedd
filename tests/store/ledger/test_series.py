"""Appending points costs the same however many are there: what is looked up is found by an index."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from clew.store.ledger.sqlite import SqliteLedger
from clew.testing.runs import ONE, TWO, a_block


def test_what_an_append_looks_up_is_found_by_an_index(tmp_path: Path) -> None:
    ledger, said = SqliteLedger(tmp_path / "ledger.db"), list[str]()
    with ledger.write() as tx:
        tx.series._c.raw.set_trace_callback(said.append)  # type: ignore[attr-defined]
        tx.series.append([a_block("j:0-0", run=run, key=key) for run in (ONE, TWO) for key in ("loss", "acc")])
        tx.series._c.raw.set_trace_callback(None)  # type: ignore[attr-defined]
    ledger.close()
    with sqlite3.connect(tmp_path / "ledger.db") as raw:
        plans = {sql: [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {sql}")] for sql in said}
    read = {sql: plan for sql, plan in plans.items() if "SELECT" in sql}
    assert len(read) >= 3
    for sql, plan in read.items():
        assert any(step.startswith("SEARCH") for step in plan), (sql, plan)
        assert not any(step.startswith(("SCAN series", "SCAN search")) for step in plan), (sql, plan)
