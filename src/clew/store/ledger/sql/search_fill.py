"""Fills the index of searches from the rows that it speaks of: for ledgers of before, and to make it anew."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from clew.core.types.run import Run
from clew.core.types.series import Series
from clew.store.ledger.sql.connection import Connection, Document
from clew.store.ledger.sql.search_index import SqlSearchIndex
from clew.store.ledger.sql.summary import SUMMARY, summary_of

__all__ = ["fill_search"]

_AT_ONCE = 200
_run = Document(Run)


def fill_search(connection: Connection) -> None:
    """Make the index anew."""
    for table in ("search_runs", "search_values", "search_metrics"):
        connection.change(f"DELETE FROM {table}")
    index, after = SqlSearchIndex(connection), ""
    while True:
        sql = f"SELECT id, document FROM runs WHERE id > ? ORDER BY id LIMIT {_AT_ONCE}"
        rows = connection.rows(sql, (after,))
        if not rows:
            return
        for row in rows:
            with suppress(msgspec.MsgspecError):  # what cannot be read cannot be found; who verifies the ledger is told
                index.add(_run.read(row[1]))
        index.measure(_series(connection, after, rows[-1][0]))
        after = rows[-1][0]


def _series(connection: Connection, above: str, last: str) -> list[Series]:
    rows = connection.rows(f"SELECT {SUMMARY} FROM series WHERE run > ? AND run <= ?", (above, last))
    return [summary_of(row) for row in rows]
