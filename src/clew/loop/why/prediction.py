"""Finds one prediction by its id, or by its key: in the logs, or in a journal when it was made a moment ago.

All rows of a request are found together, in their order, because a model is replayed on what it was asked.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt, Invalid, NotFound
from clew.core.extras import require
from clew.core.types.dataset import LogBatch
from clew.core.types.edge import Node, node
from clew.core.types.endpoint import Endpoint
from clew.core.types.signature import ClassLabel
from clew.loop.waiting import waiting_decisions
from clew.loop.why.key import MOST_ROWS, ids_of_key
from clew.serving.records import DecisionRecord, row_id

if TYPE_CHECKING:
    import polars as pl

__all__ = ["SHORTEST_PREFIX", "Found", "LoggedPrediction", "find_prediction"]

SHORTEST_PREFIX = 8
_WHOLE = 32
_HEX = frozenset("0123456789abcdef")
_SHOWN = 3


class LoggedPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """One decision as it was logged: row `row` of a request of `rows` rows.

    `time_us` is the time of the event, `received_us` that of the request. `version` is the id of the model version.
    `batch` is the node of the batch of the log that holds it, empty while it waits in a replica's journal.
    """

    id: str
    request: str
    row: int
    rows: int
    key: str
    time_us: int
    received_us: int
    latency_us: int
    version: str
    runtime: str
    score: float
    decision: ClassLabel | None
    inputs: dict[str, Any]
    batch: Node = ""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A prediction, the endpoint that made it, and the whole request that it was a row of.

    `of_key` counts the decisions with its key, of which it is the newest; 0 where it was found by its id.
    """

    prediction: LoggedPrediction
    endpoint: Endpoint
    columns: dict[str, list[Any]]
    scores: list[float]
    decisions: list[Any]
    of_key: int = 0


def find_prediction(stores: Stores, text: str) -> Found:
    """The prediction with this id, the only one whose id begins so, or else the newest one with this key.

    Args:
        stores: the project.
        text: 32 hex digits, or at least the first 8, dashes do not matter; or a key, which is looked for among the
            newest `MOST_ROWS` decisions of each endpoint.

    Raises:
        Invalid: the text is neither an id nor a known key, or the beginning of several ids.
        NotFound: no endpoint of the project has logged it.
    """
    with stores.ledger.read() as tx:
        endpoints = tx.endpoints.list(stores.project)
    begin = _read_id(text)
    found = _by_id(stores, endpoints, begin) if begin else None
    if found is None and text:
        found = _by_key(stores, endpoints, text)
    if found is not None:
        return found
    looked = f"keys are looked for among the newest {MOST_ROWS:,} decisions of each endpoint"
    if begin:
        raise NotFound("prediction", text, hint=f"the id comes with every decision of this project; {looked}")
    raise Invalid(
        f"{text!r} is no id of a prediction, and the key of none",
        hint=f"give the 32 digits that came with the decision, or at least the first {SHORTEST_PREFIX}; {looked}",
    )


def _read_id(text: str) -> str:
    """An id of a prediction, or the beginning of one, as it is stored; "" where it is neither."""
    digits = text.strip().lower().replace("-", "")
    return digits if SHORTEST_PREFIX <= len(digits) <= _WHOLE and set(digits) <= _HEX else ""


def _by_key(stores: Stores, endpoints: list[Endpoint], key: str) -> Found | None:
    known: dict[str, int] = {}
    for endpoint in endpoints:
        known.update(ids_of_key(stores, endpoint, key))
    if not known:
        return None
    newest = max(known, key=lambda name: (known[name], name))
    found = _by_id(stores, endpoints, newest)
    return replace(found, of_key=len(known)) if found is not None else None


def _by_id(stores: Stores, endpoints: list[Endpoint], begin: str) -> Found | None:
    found: dict[str, Found] = {}
    for look in (_in_logs, _in_journals, _in_logs):  # compacted between the first two looks: the third finds it
        for each in chain.from_iterable(look(stores, endpoint, begin) for endpoint in endpoints):
            found.setdefault(each.prediction.id, each)
        if len(begin) == _WHOLE and found:
            break
    if len(found) > 1:
        shown = ", ".join(sorted(found)[:_SHOWN])
        raise Invalid(f"{begin!r} is the beginning of {len(found)} predictions: {shown} …", hint="give more digits")
    return next(iter(found.values()), None)


def _in_logs(stores: Stores, endpoint: Endpoint, id: str) -> list[Found]:
    low, high = id.ljust(_WHOLE, "0"), id.ljust(_WHOLE, "f")
    with stores.ledger.read() as tx:
        if low == high:
            batches = tx.logs.holding(endpoint.predictions, id)
        else:
            every = tx.logs.list(endpoint.predictions)
            batches = [batch for batch in every if batch.id_low <= high and batch.id_high >= low]
    return [found for batch in batches for found in _in_batch(stores, endpoint, batch, id)]


def _in_batch(stores: Stores, endpoint: Endpoint, batch: LogBatch, id: str) -> list[Found]:
    require("polars")
    import polars as pl

    content = stores.objects.get(batch.object)
    heads = pl.read_parquet(io.BytesIO(content), columns=["id", "row"]).with_row_index("at")
    hits = heads.filter(pl.col("id").str.starts_with(id)).head(_SHOWN + 1)
    found = []
    for at, name, row in hits.iter_rows():
        first = row_id(name, -row)
        same = _rows_from(heads, at - row, first)
        rows = pl.scan_parquet(io.BytesIO(content)).slice(at - row, same).collect()
        if not row < same:
            raise Corrupt(f"batch {batch.position} of the predictions of {endpoint.name!r} has lost rows of a request")
        source = node("batch", f"{batch.dataset}/{batch.source}")
        found.append(_of_rows(endpoint, rows, row, source))
    return found


def _rows_from(heads: pl.DataFrame, start: int, first: str) -> int:
    """How many rows from `start` on belong to the request whose first id is this."""
    count = 0
    for name in heads["id"][start : start + 100_000]:
        if name != row_id(first, count):
            break
        count += 1
    return count


def _of_rows(endpoint: Endpoint, rows: pl.DataFrame, row: int, batch: Node) -> Found:
    columns = rows["inputs"].struct.unnest().to_dict(as_series=False)
    at = rows.row(row, named=True)
    prediction = LoggedPrediction(
        id=at["id"],
        request=at["request"],
        row=row,
        rows=rows.height,
        key=at["key"],
        time_us=at["time_us"],
        received_us=at["received_us"],
        latency_us=at["latency_us"],
        version=at["version"],
        runtime=at["runtime"],
        score=at["score"],
        decision=at["decision"],
        inputs=at["inputs"],
        batch=batch,
    )
    return Found(
        prediction=prediction,
        endpoint=endpoint,
        columns=columns,
        scores=rows["score"].to_list(),
        decisions=rows["decision"].to_list(),
    )


def _in_journals(stores: Stores, endpoint: Endpoint, id: str) -> list[Found]:
    found = []
    for record in waiting_decisions(stores, endpoint, id):
        for row in range(record.rows):
            if row_id(record.first_id, row).startswith(id):
                found.append(_of_record(endpoint, record, row))
                if len(found) > _SHOWN:
                    return found
    return found


def _of_record(endpoint: Endpoint, record: DecisionRecord, row: int) -> Found:
    prediction = LoggedPrediction(
        id=row_id(record.first_id, row),
        request=record.request or record.first_id,
        row=row,
        rows=record.rows,
        key=record.keys[row] if record.keys else "",
        time_us=record.time_us,
        received_us=record.received_us,
        latency_us=record.latency_us,
        version=record.version,
        runtime=record.runtime,
        score=record.scores[row],
        decision=record.decisions[row],
        inputs={name: values[row] for name, values in record.columns.items()},
    )
    return Found(
        prediction=prediction,
        endpoint=endpoint,
        columns=record.columns,
        scores=record.scores,
        decisions=record.decisions,
    )
