"""The truth about one prediction, and what versions in shadow said of it.

The rule is that of the monitors (`clew.monitoring.logged`): a label joins by prediction id, or by key where it has no
id; of several the one received last counts.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.extras import require
from clew.core.types.dataset import LogBatch
from clew.core.types.endpoint import Endpoint
from clew.core.types.signature import ClassLabel
from clew.loop.waiting import waiting_labels, waiting_shadows
from clew.loop.why.prediction import LoggedPrediction
from clew.serving.records import row_id

__all__ = ["KnownLabel", "ShadowScore", "find_label", "find_shadows"]


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
    """The label of a prediction, or None while none has come."""
    waiting = list(_waiting(stores, endpoint, prediction))
    found = [*_logged(stores, endpoint, prediction), *waiting]
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


def _logged(stores: Stores, endpoint: Endpoint, prediction: LoggedPrediction) -> Iterator[KnownLabel]:
    require("polars")
    import polars as pl

    with stores.ledger.read() as tx:
        batches = {batch.position: batch for batch in tx.logs.holding(endpoint.labels, prediction.id)}
        if prediction.key:  # labels by key have no id, so that "" is the lowest id of their batch
            batches |= {batch.position: batch for batch in tx.logs.list(endpoint.labels) if not batch.id_low}
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
