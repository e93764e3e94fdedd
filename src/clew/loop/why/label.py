"""The truth about one prediction, and what versions in shadow said of it.

The rule is that of the monitors (`clew.monitoring.logged`): a label joins by prediction id, or by key where it has no
id; of several the one received last counts.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.extras import require
from clew.core.types.dataset import LogBatch
from clew.core.types.endpoint import Endpoint
from clew.core.types.signature import ClassLabel
from clew.loop.waiting import waiting_labels, waiting_shadows
from clew.loop.why.prediction import LoggedPrediction
from clew.serving.records import row_id

__all__ = ["KnownLabel", "ShadowScore", "find_label", "find_shadows"]

_DAY_US = 86_400_000_000
EARLY_LABEL_US = 7 * _DAY_US
LABEL_HORIZON_US = 60 * _DAY_US
"""How long before and after a decision labels usually come; monitors wait no longer (`clew.loop.windows`)."""


class KnownLabel(msgspec.Struct, frozen=True, kw_only=True):
    """Truth that has come; `by` says whether it named the prediction's `id` or its `key`."""

    label: ClassLabel
    by: str
    time_us: int
    received_us: int


class ShadowScore(msgspec.Struct, frozen=True, kw_only=True):
    """What another version would have answered; `version` is its id, `model` its reference."""

    version: str
    model: str
    runtime: str
    score: float
    decision: ClassLabel | None


def find_label(stores: Stores, endpoint: Endpoint, prediction: LoggedPrediction) -> KnownLabel | None:
    """The label of a prediction, or None while none has come.

    Labels by key are looked for around the time of the decision first, and everywhere only when there are none: reading
    all of them takes as long as there are batches.
    """
    found = list(_waiting(stores, endpoint, prediction))
    with stores.ledger.read() as tx:
        held, near = tx.logs.holding(endpoint.labels, prediction.id), _near(tx, endpoint, prediction)
    found += _logged(stores, {batch.position: batch for batch in (*held, *near)}, prediction)
    if not found and prediction.key:
        looked = {batch.position for batch in near}
        with stores.ledger.read() as tx:
            rest = [batch for batch in tx.logs.list(endpoint.labels) if _by_key(batch)]
        found += _logged(stores, {each.position: each for each in rest if each.position not in looked}, prediction)
    return max(found, key=lambda each: (each.by == "id", each.received_us), default=None)


def find_shadows(stores: Stores, endpoint: Endpoint, prediction: LoggedPrediction) -> list[ShadowScore]:
    """What versions in shadow said of a prediction, by reference."""
    found: dict[str, tuple[str, float, ClassLabel | None]] = {}
    first = row_id(prediction.id, -prediction.row)
    for record in waiting_shadows(stores, endpoint, prediction.id):
        if record.first_id == first:
            at = prediction.row
            found[record.version] = (record.runtime, record.scores[at], record.decisions[at])
    with stores.ledger.read() as tx:
        batches = tx.logs.holding(endpoint.shadows, prediction.id)
    for version, runtime, score, decision in _shadow_rows(stores, batches, prediction.id):
        found[version] = (runtime, score, decision)
    with stores.ledger.read() as tx:
        names = {version: tx.models.version(version).reference for version in found}
    scores = [
        ShadowScore(version=version, model=names[version], runtime=runtime, score=score, decision=decision)
        for version, (runtime, score, decision) in found.items()
    ]
    return sorted(scores, key=lambda each: each.model)


def _waiting(stores: Stores, endpoint: Endpoint, prediction: LoggedPrediction) -> Iterator[KnownLabel]:
    for record in waiting_labels(stores, endpoint, prediction.id, prediction.key):
        for name, key, label in zip(record.ids, record.keys, record.labels, strict=True):
            by = _match(prediction, name, key)
            if by:
                yield KnownLabel(label=label, by=by, time_us=record.time_us, received_us=record.received_us)


def _near(tx: Transaction, endpoint: Endpoint, prediction: LoggedPrediction) -> list[LogBatch]:
    if not prediction.key:
        return []
    at_us = prediction.time_us
    batches = tx.logs.between(endpoint.labels, at_us - EARLY_LABEL_US, at_us + LABEL_HORIZON_US)
    return [batch for batch in batches if _by_key(batch)]


def _by_key(batch: LogBatch) -> bool:
    """Whether a batch holds labels by key: they have no id, so that "" is the lowest of the batch."""
    return not batch.id_low


def _logged(stores: Stores, batches: Mapping[int, LogBatch], prediction: LoggedPrediction) -> Iterator[KnownLabel]:
    require("polars")
    import polars as pl

    mine = pl.col("id") == prediction.id
    if prediction.key:
        mine |= (pl.col("id") == "") & (pl.col("key") == prediction.key)
    frames = [pl.scan_parquet(io.BytesIO(stores.objects.get(each.object))).filter(mine) for each in batches.values()]
    for frame in pl.collect_all(frames):
        for row in frame.iter_rows(named=True):
            yield KnownLabel(
                label=msgspec.json.decode(row["label"]),
                by=_match(prediction, row["id"], row["key"]),
                time_us=row["time_us"],
                received_us=row["received_us"],
            )


def _match(prediction: LoggedPrediction, id: str, key: str) -> str:
    if id:
        return "id" if id == prediction.id else ""
    return "key" if key and key == prediction.key else ""


def _shadow_rows(
    stores: Stores, batches: list[LogBatch], id: str
) -> Iterator[tuple[str, str, float, ClassLabel | None]]:
    require("polars")
    import polars as pl

    for batch in batches:
        frame = pl.scan_parquet(io.BytesIO(stores.objects.get(batch.object))).filter(pl.col("id") == id).collect()
        for row in frame.iter_rows(named=True):
            yield row["version"], row["runtime"], row["score"], row["decision"]
