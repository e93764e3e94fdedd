"""Fills the index of searches from the rows that it speaks of: for ledgers of before, and to make it anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

import msgspec

from clew.core.types.run import Run
from clew.store.ledger.sql.connection import Connection, Document, rows_in_order
from clew.store.ledger.sql.search_index import SqlSearchIndex

__all__ = ["fill_search"]

_AT_ONCE = 200
_run = Document(Run)


def fill_search(connection: Connection) -> None:
    """Make the index anew."""
    for table in ("search_runs", "search_values", "search_metrics"):
        connection.change(f"DELETE FROM {table}")
    index, runs = SqlSearchIndex(connection), _runs(connection)
    while some := list(islice(runs, _AT_ONCE)):
        index.fill(some)


def _runs(connection: Connection) -> Iterator[Run]:
    for _, document in rows_in_order(connection, "runs", ["id"], ["document"]):
        with suppress(msgspec.MsgspecError):  # what cannot be read cannot be found; who verifies the ledger is told
            yield _run.read(document)
