"""Finds decisions by the key that their caller gave them.

No index knows keys, so that the newest decisions of an endpoint are looked through; by its id a decision is found
however old it is (`prediction`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from clew.core.contracts.stores import Stores
from clew.core.extras import require
from clew.core.types.dataset import LogBatch
from clew.core.types.endpoint import Endpoint
from clew.loop.waiting import waiting_decisions
from clew.serving.records import row_id

__all__ = ["MOST_ROWS", "ids_of_key"]

MOST_ROWS = 1_000_000
"""How many logged decisions of an endpoint are looked through, in whole batches."""


def ids_of_key(stores: Stores, endpoint: Endpoint, key: str) -> dict[str, int]:
    """The ids of the decisions with a key, and when each request was received, in microseconds since 1970 UTC.

    Args:
        stores: the project.
        endpoint: whose decisions.
        key: as the caller gave it.
    """
    require("polars")
    import polars as pl

    found = {
        row_id(record.first_id, row): record.received_us
        for record in waiting_decisions(stores, endpoint, key)
        for row, name in enumerate(record.keys)
        if name == key
    }
    for batch in _newest(stores, endpoint):  # behind the journals: what was compacted meanwhile is here
        content = io.BytesIO(stores.objects.get(batch.object))
        rows = pl.read_parquet(content, columns=["id", "key", "received_us"]).filter(pl.col("key") == key)
        found.update(rows.select("id", "received_us").iter_rows())
    return found


def _newest(stores: Stores, endpoint: Endpoint) -> Iterator[LogBatch]:
    with stores.ledger.read() as tx:
        batches = tx.logs.list(endpoint.predictions)
    rows = 0
    for batch in reversed(batches):
        if rows >= MOST_ROWS:
            return
        rows += batch.rows
        yield batch
